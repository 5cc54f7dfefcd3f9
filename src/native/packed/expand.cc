#include "packed/expand.h"

#include <cstring>

#include "base/blocks.h"
#include "packed/spread.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace dctstream {
namespace {

inline int16_t load_escape(const uint8_t* p) { return int16_t(uint16_t(p[0] | p[1] << 8)); }

// One block; the cursor has at least as many values as the mask has bits.
inline bool expand_one_scalar(uint64_t mask, ValueCursor* cursor, int16_t* out) {
  std::memset(out, 0, kBlockSize * sizeof(int16_t));
  for (; mask != 0; mask &= mask - 1) {
    const int k = __builtin_ctzll(mask);
    const uint8_t value = *cursor->values++;
    if (value != kEscape) {
      out[kZigzag[k]] = int8_t(value);
      continue;
    }
    if (cursor->escapes_end - cursor->escapes < 2) return false;
    out[kZigzag[k]] = load_escape(cursor->escapes);
    cursor->escapes += 2;
  }
  return true;
}

bool expand_scalar(const uint8_t* masks, size_t count, ValueCursor* cursor, int16_t* out) {
  for (size_t i = 0; i < count; i++) {
    if (cursor->values_end - cursor->values < __builtin_popcountll(load_mask(masks, i))) return false;
    if (!expand_one_scalar(load_mask(masks, i), cursor, out + i * kBlockSize)) return false;
  }
  return true;
}

bool skip_scalar(const uint8_t* masks, size_t count, ValueCursor* cursor, int* dc) {
  for (size_t i = 0; i < count; i++) {
    const int length = __builtin_popcountll(load_mask(masks, i));
    if (cursor->values_end - cursor->values < length) return false;
    int escapes = 0;
    for (int k = 0; k < length; k++) escapes += cursor->values[k] == kEscape;
    if (cursor->escapes_end - cursor->escapes < 2 * escapes) return false;
    if (load_mask(masks, i) & 1)
      *dc += cursor->values[0] == kEscape ? load_escape(cursor->escapes) : int8_t(cursor->values[0]);
    cursor->values += length;
    cursor->escapes += 2 * escapes;
  }
  return true;
}

// Inlined into a function per instruction set; in runs short enough for sums of bytes, which compilers turn into
// byte-wide vector additions.
inline __attribute__((always_inline)) size_t escapes_among(const uint8_t* values, size_t count) {
  size_t escapes = 0;
  while (count > 0) {
    const size_t run = count < 255 ? count : 255;
    uint8_t found = 0;
    for (size_t i = 0; i < run; i++) found = uint8_t(found + (values[i] == kEscape));
    escapes += found;
    values += run;
    count -= run;
  }
  return escapes;
}

inline bool pass_values(size_t count, size_t (*count_escapes)(const uint8_t*, size_t), ValueCursor* cursor) {
  if (size_t(cursor->values_end - cursor->values) < count) return false;
  const size_t escapes = count_escapes(cursor->values, count);
  cursor->values += count;
  if (size_t(cursor->escapes_end - cursor->escapes) < 2 * escapes) return false;
  cursor->escapes += 2 * escapes;
  return true;
}

size_t count_escapes_scalar(const uint8_t* values, size_t count) { return escapes_among(values, count); }

bool pass_scalar(const uint8_t* masks, size_t count, ValueCursor* cursor) {
  return pass_values(count_values(masks, count), count_escapes_scalar, cursor);
}

#if defined(__x86_64__) || defined(__aarch64__)

// `escaped` has bit k set where the k-th coefficient in scan order is an escape.
inline bool patch_escapes(uint64_t escaped, ValueCursor* cursor, int16_t* out) {
  if (cursor->escapes_end - cursor->escapes < 2 * __builtin_popcountll(escaped)) return false;
  for (; escaped != 0; escaped &= escaped - 1) {
    out[kZigzag[__builtin_ctzll(escaped)]] = load_escape(cursor->escapes);
    cursor->escapes += 2;
  }
  return true;
}

// kScanPosition[n]: where in scan order the natural position n stands.
struct ScanPositions {
  alignas(64) uint8_t at[kBlockSize];
};

constexpr ScanPositions make_scan_positions() {
  ScanPositions positions{};
  for (int k = 0; k < kBlockSize; k++) positions.at[kZigzag[k]] = uint8_t(k);
  return positions;
}

constexpr ScanPositions kScanPosition = make_scan_positions();

#endif

#if defined(__x86_64__)

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt,bmi"))) bool expand_avx512(
    const uint8_t* masks, size_t count, ValueCursor* cursor, int16_t* out) {
  const __m512i order = _mm512_load_si512(kScanPosition.at);
  const __m512i escape = _mm512_set1_epi8(char(kEscape));
  for (size_t i = 0; i < count; i++, out += kBlockSize) {
    const uint64_t mask = load_mask(masks, i);
    const int length = __builtin_popcountll(mask);
    if (cursor->values_end - cursor->values < length) return false;
    // The load is masked to the block's own bytes, so that it never touches memory behind the stream.
    const __mmask64 own = length == 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(own, cursor->values);
    const __m512i scan = _mm512_maskz_expand_epi8(mask, values);
    const __m512i natural = _mm512_permutexvar_epi8(order, scan);
    _mm512_storeu_si512(out, _mm512_cvtepi8_epi16(_mm512_castsi512_si256(natural)));
    _mm512_storeu_si512(out + 32, _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(natural, 1)));
    cursor->values += length;
    const uint64_t escaped = _mm512_mask_cmpeq_epi8_mask(mask, scan, escape);
    if (__builtin_expect(escaped != 0, 0) && !patch_escapes(escaped, cursor, out)) return false;
  }
  return true;
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt,bmi,fma"))) bool expand_floats_avx512(
    const uint8_t* masks, size_t count, ValueCursor* cursor, int* dc, const float* scale, const float* bias,
    bool streams, float* out, ptrdiff_t step) {
  const __m512i order = _mm512_load_si512(kScanPosition.at);
  const __m512i escape = _mm512_set1_epi8(char(kEscape));
  __m512 factor[4], offset[4];
  for (int q = 0; q < 4; q++) {
    factor[q] = _mm512_loadu_ps(scale + 16 * q);
    offset[q] = _mm512_loadu_ps(bias + 16 * q);
  }
  for (size_t i = 0; i < count; i++, out += step) {
    const uint64_t mask = load_mask(masks, i);
    const int length = __builtin_popcountll(mask);
    if (cursor->values_end - cursor->values < length) return false;
    const __mmask64 own = length == 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(own, cursor->values);
    const uint64_t escaped = _mm512_mask_cmpeq_epi8_mask(own, values, escape);
    __m512i quarter[4];
    if (__builtin_expect(escaped != 0, 0)) {
      int16_t block[kBlockSize];
      if (!expand_avx512(masks + i * sizeof(mask), 1, cursor, block)) return false;
      *dc += block[0];
      for (int q = 0; q < 4; q++)
        quarter[q] = _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 16 * q)));
    } else {
      if (mask & 1) *dc += int8_t(cursor->values[0]);
      cursor->values += length;
      const __m512i natural = _mm512_permutexvar_epi8(order, _mm512_maskz_expand_epi8(mask, values));
      quarter[0] = _mm512_cvtepi8_epi32(_mm512_castsi512_si128(natural));
      quarter[1] = _mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(natural, 1));
      quarter[2] = _mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(natural, 2));
      quarter[3] = _mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(natural, 3));
    }
    quarter[0] = _mm512_mask_set1_epi32(quarter[0], 1, int16_t(*dc));
    for (int q = 0; q < 4; q++) {
      const __m512 result = _mm512_fmadd_ps(_mm512_cvtepi32_ps(quarter[q]), factor[q], offset[q]);
      if (streams) {
        _mm512_stream_ps(out + 16 * q, result);
      } else {
        _mm512_storeu_ps(out + 16 * q, result);
      }
    }
  }
  return true;
}

// One step of walking past a block of `length` values, of which `escaped` marks the escapes.
inline bool step_over(uint64_t mask, int length, uint64_t escaped, ValueCursor* cursor, int* dc) {
  if (__builtin_expect(escaped != 0, 0)) {
    const int escapes = __builtin_popcountll(escaped);
    if (cursor->escapes_end - cursor->escapes < 2 * escapes) return false;
    if (mask & 1) *dc += escaped & 1 ? load_escape(cursor->escapes) : int8_t(cursor->values[0]);
    cursor->escapes += 2 * escapes;
  } else if (mask & 1) {
    *dc += int8_t(cursor->values[0]);
  }
  cursor->values += length;
  return true;
}

__attribute__((target("avx512f,avx512bw,avx512vl,popcnt,bmi,bmi2"))) bool skip_avx512(const uint8_t* masks,
                                                                                      size_t count, ValueCursor* cursor,
                                                                                      int* dc) {
  const __m512i escape = _mm512_set1_epi8(char(kEscape));
  for (size_t i = 0; i < count; i++) {
    const int length = __builtin_popcountll(load_mask(masks, i));
    if (cursor->values_end - cursor->values < length) return false;
    const __mmask64 own = length == 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(own, cursor->values);
    const uint64_t escaped = _mm512_mask_cmpeq_epi8_mask(own, values, escape);
    if (!step_over(load_mask(masks, i), length, escaped, cursor, dc)) return false;
  }
  return true;
}

__attribute__((target("avx2,popcnt,bmi,bmi2"))) bool skip_avx2(const uint8_t* masks, size_t count, ValueCursor* cursor,
                                                               int* dc) {
  const __m256i escape = _mm256_set1_epi8(char(kEscape));
  for (size_t i = 0; i < count; i++) {
    // Whole loads read up to 64 bytes: near the end of the stream the scalar twin takes over.
    if (cursor->values_end - cursor->values < kBlockSize) {
      if (!skip_scalar(masks + i * 8, 1, cursor, dc)) return false;
      continue;
    }
    const int length = __builtin_popcountll(load_mask(masks, i));
    const __m256i* values = reinterpret_cast<const __m256i*>(cursor->values);
    const uint32_t low = uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(values), escape)));
    const uint32_t high = uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(values + 1), escape)));
    const uint64_t own = length == 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1;
    if (!step_over(load_mask(masks, i), length, (uint64_t(high) << 32 | low) & own, cursor, dc)) return false;
  }
  return true;
}

__attribute__((target("avx512f,avx512bw,popcnt,bmi2"))) size_t count_escapes_avx512(const uint8_t* values,
                                                                                    size_t count) {
  const __m512i escape = _mm512_set1_epi8(char(kEscape));
  size_t escapes = 0;
  for (size_t i = 0; i < count; i += 64) {
    const size_t run = count - i < 64 ? count - i : 64;
    const __mmask64 own = run == 64 ? ~uint64_t(0) : (uint64_t(1) << run) - 1;
    const __m512i bytes = _mm512_maskz_loadu_epi8(own, values + i);
    escapes += size_t(__builtin_popcountll(_mm512_cmpeq_epi8_mask(bytes, escape)));
  }
  return escapes;
}

__attribute__((target("avx512f,avx512vpopcntdq,popcnt"))) bool pass_avx512(const uint8_t* masks, size_t count,
                                                                           ValueCursor* cursor) {
  __m512i bits = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    bits = _mm512_add_epi64(bits, _mm512_popcnt_epi64(_mm512_loadu_si512(masks + i * sizeof(uint64_t))));
  size_t values = size_t(_mm512_reduce_add_epi64(bits));
  for (; i < count; i++) values += size_t(__builtin_popcountll(load_mask(masks, i)));
  return pass_values(values, count_escapes_avx512, cursor);
}

__attribute__((target("avx2"))) size_t count_escapes_avx2(const uint8_t* values, size_t count) {
  return escapes_among(values, count);
}

__attribute__((target("popcnt"))) bool pass_avx2(const uint8_t* masks, size_t count, ValueCursor* cursor) {
  return pass_values(count_values(masks, count), count_escapes_avx2, cursor);
}

// Controls of the AVX2 expander that gather each 16 natural positions out of the four 16-byte quarters of a block in
// scan order.
struct GatherTable {
  alignas(32) uint8_t gather[2][4][32];  // [half of the block][quarter][byte]: 0x80 where the byte comes from elsewhere
};

constexpr GatherTable make_gather_table() {
  GatherTable table{};
  for (int half = 0; half < 2; half++) {
    for (int quarter = 0; quarter < 4; quarter++) {
      for (int byte = 0; byte < 32; byte++) {
        const int position = kScanPosition.at[half * 32 + byte];
        table.gather[half][quarter][byte] = position / 16 == quarter ? uint8_t(position % 16) : 0x80;
      }
    }
  }
  return table;
}

constexpr GatherTable kGather = make_gather_table();

#define DCTSTREAM_AVX2 __attribute__((target("avx2,fma,popcnt,bmi")))

// Coefficients of one half of a block in natural order, out of its quarters in scan order.
DCTSTREAM_AVX2 inline __m256i gather_half(const __m128i quarters[4], int half) {
  __m256i gathered = _mm256_setzero_si256();
  for (int q = 0; q < 4; q++) {
    const __m256i control = _mm256_load_si256(reinterpret_cast<const __m256i*>(kGather.gather[half][q]));
    gathered = _mm256_or_si256(gathered, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(quarters[q]), control));
  }
  return gathered;
}

// Bit k is set where the k-th coefficient in scan order is an escape.
DCTSTREAM_AVX2 inline uint64_t escapes_in(const __m128i quarters[4]) {
  const __m256i escape = _mm256_set1_epi8(char(kEscape));
  const __m256i low = _mm256_cmpeq_epi8(_mm256_set_m128i(quarters[1], quarters[0]), escape);
  const __m256i high = _mm256_cmpeq_epi8(_mm256_set_m128i(quarters[3], quarters[2]), escape);
  return uint64_t(uint32_t(_mm256_movemask_epi8(high))) << 32 | uint32_t(_mm256_movemask_epi8(low));
}

DCTSTREAM_AVX2 bool expand_avx2(const uint8_t* masks, size_t count, ValueCursor* cursor, int16_t* out) {
  for (size_t i = 0; i < count; i++, out += kBlockSize) {
    // Near the end of the stream the scalar twin takes over.
    if (cursor->values_end - cursor->values < kSpreadBytes) {
      if (!expand_scalar(masks + i * 8, 1, cursor, out)) return false;
      continue;
    }
    __m128i quarters[4];
    spread_block(load_mask(masks, i), &cursor->values, quarters);
    for (int half = 0; half < 2; half++) {
      const __m256i natural = gather_half(quarters, half);
      __m256i* target = reinterpret_cast<__m256i*>(out + 32 * half);
      _mm256_storeu_si256(target, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(natural)));
      _mm256_storeu_si256(target + 1, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(natural, 1)));
    }
    const uint64_t escaped = escapes_in(quarters);
    if (__builtin_expect(escaped != 0, 0) && !patch_escapes(escaped, cursor, out)) return false;
  }
  return true;
}

// Eight coefficients, dequantised and stored.
DCTSTREAM_AVX2 inline void store_floats(__m256i eight, const float* scale, const float* bias, bool streams,
                                        float* out) {
  const __m256 result = _mm256_fmadd_ps(_mm256_cvtepi32_ps(eight), _mm256_loadu_ps(scale), _mm256_loadu_ps(bias));
  if (streams) {
    _mm256_stream_ps(out, result);
  } else {
    _mm256_storeu_ps(out, result);
  }
}

DCTSTREAM_AVX2 bool expand_floats_avx2(const uint8_t* masks, size_t count, ValueCursor* cursor, int* dc,
                                       const float* scale, const float* bias, bool streams, float* out,
                                       ptrdiff_t step) {
  for (size_t i = 0; i < count; i++, out += step) {
    const ValueCursor before = *cursor;
    const uint64_t mask = load_mask(masks, i);
    __m128i quarters[4];
    const bool whole = cursor->values_end - cursor->values >= kSpreadBytes;
    if (whole) spread_block(mask, &cursor->values, quarters);
    if (__builtin_expect(!whole || escapes_in(quarters) != 0, 0)) {
      *cursor = before;
      int16_t block[kBlockSize];
      if (!expand_scalar(masks + i * sizeof(mask), 1, cursor, block)) return false;
      *dc += block[0];
      block[0] = int16_t(*dc);
      for (int k = 0; k < kBlockSize; k += 8) {
        const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + k));
        store_floats(_mm256_cvtepi16_epi32(eight), scale + k, bias + k, streams, out + k);
      }
      continue;
    }
    if (mask & 1) *dc += int8_t(*before.values);
    for (int half = 0; half < 2; half++) {
      const __m256i natural = gather_half(quarters, half);
      const __m128i low = _mm256_castsi256_si128(natural), high = _mm256_extracti128_si256(natural, 1);
      __m256i first = _mm256_cvtepi8_epi32(low);
      if (half == 0) first = _mm256_blend_epi32(first, _mm256_set1_epi32(int16_t(*dc)), 1);
      const int k = 32 * half;
      store_floats(first, scale + k, bias + k, streams, out + k);
      store_floats(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)), scale + k + 8, bias + k + 8, streams, out + k + 8);
      store_floats(_mm256_cvtepi8_epi32(high), scale + k + 16, bias + k + 16, streams, out + k + 16);
      store_floats(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)), scale + k + 24, bias + k + 24, streams, out + k + 24);
    }
  }
  return true;
}

#elif defined(__aarch64__)

// A byte of all ones or zeros per lane -> a bit per lane.
inline uint64_t bits_of(uint8x16_t lanes) {
  const uint8x16_t weights = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t bits = vandq_u8(lanes, weights);
  return uint64_t(vaddv_u8(vget_low_u8(bits))) | uint64_t(vaddv_u8(vget_high_u8(bits))) << 8;
}

bool expand_neon(const uint8_t* masks, size_t count, ValueCursor* cursor, int16_t* out) {
  const uint8x16_t escape = vdupq_n_u8(kEscape);
  uint8x16_t order[4];
  for (int q = 0; q < 4; q++) order[q] = vld1q_u8(kScanPosition.at + 16 * q);
  for (size_t i = 0; i < count; i++, out += kBlockSize) {
    const uint64_t mask = load_mask(masks, i);
    // Near the end of the stream the scalar twin takes over.
    if (cursor->values_end - cursor->values < kSpreadBytes) {
      if (!expand_scalar(masks + i * sizeof(mask), 1, cursor, out)) return false;
      continue;
    }
    const uint8_t* values = cursor->values;
    uint8x8_t part[8];
    for (int byte = 0; byte < 8; byte++) {
      const int bits = int(mask >> (8 * byte)) & 0xff;
      part[byte] = vtbl1_u8(vld1_u8(values), vld1_u8(kSpread.spread[bits]));
      values += __builtin_popcount(unsigned(bits));
    }
    cursor->values = values;
    uint8x16x4_t scan;
    uint64_t escaped = 0;
    for (int q = 0; q < 4; q++) {
      scan.val[q] = vcombine_u8(part[2 * q], part[2 * q + 1]);
      escaped |= bits_of(vceqq_u8(scan.val[q], escape)) << (16 * q);
    }
    for (int q = 0; q < 4; q++) {
      const int8x16_t natural = vreinterpretq_s8_u8(vqtbl4q_u8(scan, order[q]));
      vst1q_s16(out + 16 * q, vmovl_s8(vget_low_s8(natural)));
      vst1q_s16(out + 16 * q + 8, vmovl_s8(vget_high_s8(natural)));
    }
    if (__builtin_expect(escaped != 0, 0) && !patch_escapes(escaped, cursor, out)) return false;
  }
  return true;
}

#endif

}  // namespace

ExpandBlocks expand_blocks_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return expand_avx512;
  if (level == Simd::kAvx2) return expand_avx2;
#elif defined(__aarch64__)
  if (level == Simd::kNeon) return expand_neon;
#endif
  (void)level;
  return expand_scalar;
}

ExpandFloats expand_floats_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return expand_floats_avx512;
  if (level == Simd::kAvx2) return expand_floats_avx2;
#endif
  (void)level;
  return nullptr;
}

SkipBlocks skip_blocks_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return {skip_avx512, pass_avx512, count_escapes_avx512};
  if (level == Simd::kAvx2) return {skip_avx2, pass_avx2, count_escapes_avx2};
#endif
  (void)level;
  return {skip_scalar, pass_scalar, count_escapes_scalar};
}

}  // namespace dctstream
