#include "view/pixels/upsample.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {
namespace {

void wide_scalar(const uint8_t* row, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; i++) {
    out[2 * i] = uint8_t((3 * row[i] + row[ptrdiff_t(i) - 1] + 1) >> 2);
    out[2 * i + 1] = uint8_t((3 * row[i] + row[i + 1] + 2) >> 2);
  }
}

void tall_scalar(const uint8_t* near, const uint8_t* far, int rounding, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; i++) out[i] = uint8_t((3 * near[i] + far[i] + rounding) >> 2);
}

void both_scalar(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out) {
  const auto sum = [&](ptrdiff_t i) { return 3 * near[i] + far[i]; };
  for (size_t i = 0; i < count; i++) {
    const ptrdiff_t at = ptrdiff_t(i);
    out[2 * i] = uint8_t((3 * sum(at) + sum(at - 1) + 8) >> 4);
    out[2 * i + 1] = uint8_t((3 * sum(at) + sum(at + 1) + 7) >> 4);
  }
}

constexpr UpsampleKernels kScalar = {wide_scalar, tall_scalar, both_scalar};

#if defined(__x86_64__)

#define DCTSTREAM_AVX2 __attribute__((target("avx2")))
#define DCTSTREAM_INLINE __attribute__((target("avx2"), always_inline)) inline
#define DCTSTREAM_LAMBDA __attribute__((target("avx2"), always_inline))

DCTSTREAM_INLINE __m256i load16(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

DCTSTREAM_INLINE __m256i thrice_plus(__m256i near, __m256i far) {
  return _mm256_add_epi16(_mm256_add_epi16(near, far), _mm256_slli_epi16(near, 1));
}

// Sixteen pixels on the left of the samples' centres and sixteen on the right -> in turns.
DCTSTREAM_INLINE void store_in_turns(__m256i left, __m256i right, uint8_t* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_or_si256(left, _mm256_slli_epi16(right, 8)));
}

DCTSTREAM_AVX2 void wide_avx2(const uint8_t* row, size_t count, uint8_t* out) {
  const __m256i one = _mm256_set1_epi16(1), two = _mm256_set1_epi16(2);
  for (size_t i = 0; i < count; i += 16) {
    const __m256i near = load16(row + i);
    const __m256i left = thrice_plus(near, load16(row + i - 1)), right = thrice_plus(near, load16(row + i + 1));
    store_in_turns(_mm256_srli_epi16(_mm256_add_epi16(left, one), 2),
                   _mm256_srli_epi16(_mm256_add_epi16(right, two), 2), out + 2 * i);
  }
}

DCTSTREAM_AVX2 void tall_avx2(const uint8_t* near, const uint8_t* far, int rounding, size_t count, uint8_t* out) {
  const __m256i half = _mm256_set1_epi16(short(rounding));
  for (size_t i = 0; i < count; i += 16) {
    const __m256i sum = _mm256_add_epi16(thrice_plus(load16(near + i), load16(far + i)), half);
    const __m256i pixels = _mm256_srli_epi16(sum, 2);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(pixels), _mm256_extracti128_si256(pixels, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), bytes);
  }
}

DCTSTREAM_AVX2 void both_avx2(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out) {
  const __m256i seven = _mm256_set1_epi16(7), eight = _mm256_set1_epi16(8);
  const auto sum_at = [&](ptrdiff_t i) DCTSTREAM_LAMBDA { return thrice_plus(load16(near + i), load16(far + i)); };
  __m256i last = sum_at(-16), sum = sum_at(0);
  for (size_t i = 0; i < count; i += 16) {
    const __m256i next = sum_at(ptrdiff_t(i) + 16);
    const __m256i before = _mm256_alignr_epi8(sum, _mm256_permute2x128_si256(last, sum, 0x21), 14);
    const __m256i behind = _mm256_alignr_epi8(_mm256_permute2x128_si256(sum, next, 0x21), sum, 2);
    const __m256i thrice = _mm256_add_epi16(sum, _mm256_slli_epi16(sum, 1));
    const __m256i left = _mm256_add_epi16(_mm256_add_epi16(thrice, before), eight);
    const __m256i right = _mm256_add_epi16(_mm256_add_epi16(thrice, behind), seven);
    store_in_turns(_mm256_srli_epi16(left, 4), _mm256_srli_epi16(right, 4), out + 2 * i);
    last = sum;
    sum = next;
  }
}

#undef DCTSTREAM_AVX2
#undef DCTSTREAM_INLINE
#undef DCTSTREAM_LAMBDA

constexpr UpsampleKernels kAvx2 = {wide_avx2, tall_avx2, both_avx2};

#endif

}  // namespace

const UpsampleKernels* upsample_kernels_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512 || level == Simd::kAvx2) return &kAvx2;
#endif
  (void)level;
  return &kScalar;
}

}  // namespace dctstream
