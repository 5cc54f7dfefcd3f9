#include "view/view_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {

namespace portable {
#define DCTSTREAM_QUADS
#define DCTSTREAM_LANES 8
#define DCTSTREAM_STREAM(p, v) store(p, v)
#include "view/view_kernels.inl"
}  // namespace portable

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
#define DCTSTREAM_LANES 8
#define DCTSTREAM_STREAM(p, v) _mm256_stream_ps(p, __m256(v))
#include "view/view_kernels.inl"
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma,prefer-vector-width=512")
#endif
namespace avx512 {
#define DCTSTREAM_LANES 16
#define DCTSTREAM_STREAM(p, v) _mm512_stream_ps(p, __m512(v))
#include "view/view_kernels.inl"
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

const ViewKernels* view_kernels_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return &avx512::kKernels;
  if (level == Simd::kAvx2) return &avx2::kKernels;
#endif
  (void)level;
  return &portable::kKernels;
}

void end_streams() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace dctstream
