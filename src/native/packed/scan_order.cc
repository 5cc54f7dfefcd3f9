#include "packed/scan_order.h"

#include "base/blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {
namespace {

uint64_t to_scan_order_scalar(const int16_t* natural, int16_t* scan) {
  uint64_t mask = 0;
  for (int k = 0; k < kBlockSize; k++) {
    scan[k] = natural[kZigzag[k]];
    mask |= uint64_t(scan[k] != 0) << k;
  }
  return mask;
}

#if defined(__x86_64__)

// kZigzag as 16-bit indices, for vpermt2w.
struct WideZigzag {
  alignas(64) uint16_t at[kBlockSize];
};

constexpr WideZigzag make_wide_zigzag() {
  WideZigzag wide{};
  for (int k = 0; k < kBlockSize; k++) wide.at[k] = kZigzag[k];
  return wide;
}

constexpr WideZigzag kWideZigzag = make_wide_zigzag();

__attribute__((target("avx512f,avx512bw"))) uint64_t to_scan_order_avx512(const int16_t* natural, int16_t* scan) {
  const __m512i low = _mm512_loadu_si512(natural), high = _mm512_loadu_si512(natural + 32);
  const __m512i first = _mm512_permutex2var_epi16(low, _mm512_load_si512(kWideZigzag.at), high);
  const __m512i second = _mm512_permutex2var_epi16(low, _mm512_load_si512(kWideZigzag.at + 32), high);
  _mm512_storeu_si512(scan, first);
  _mm512_storeu_si512(scan + 32, second);
  return uint64_t(_mm512_test_epi16_mask(second, second)) << 32 | _mm512_test_epi16_mask(first, first);
}

// The order is scalar work without a two-source permute; the comparison is not.
__attribute__((target("avx2"))) uint64_t to_scan_order_avx2(const int16_t* natural, int16_t* scan) {
  for (int k = 0; k < kBlockSize; k++) scan[k] = natural[kZigzag[k]];
  uint64_t mask = 0;
  const __m128i zero = _mm_setzero_si128();
  for (int part = 0; part < 4; part++) {
    const __m128i* p = reinterpret_cast<const __m128i*>(scan + 16 * part);
    const __m128i packed = _mm_packs_epi16(_mm_loadu_si128(p), _mm_loadu_si128(p + 1));
    const uint32_t zeros = uint32_t(_mm_movemask_epi8(_mm_cmpeq_epi8(packed, zero)));
    mask |= uint64_t(~zeros & 0xffff) << (16 * part);
  }
  return mask;
}

#endif

}  // namespace

ToScanOrder to_scan_order_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return to_scan_order_avx512;
  if (level == Simd::kAvx2) return to_scan_order_avx2;
#endif
  (void)level;
  return to_scan_order_scalar;
}

}  // namespace dctstream
