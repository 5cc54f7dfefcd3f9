#include "simd.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace dctstream {

Simd best_simd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
      __builtin_cpu_supports("avx512vpopcntdq")) {
    return Simd::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Simd::kAvx2;
#endif
  return Simd::kScalar;
}

Simd simd_from_environment() {
  const Simd best = best_simd();
  Simd wanted;
  const char* name = std::getenv("DCTSTREAM_SIMD");
  return name != nullptr && parse_simd(name, &wanted) && wanted < best ? wanted : best;
}

const char* simd_name(Simd level) {
  return level == Simd::kAvx512 ? "avx512" : level == Simd::kAvx2 ? "avx2" : "scalar";
}

bool parse_simd(const char* name, Simd* level) {
  for (const Simd candidate : {Simd::kScalar, Simd::kAvx2, Simd::kAvx512}) {
    if (std::strcmp(name, simd_name(candidate)) != 0) continue;
    *level = candidate;
    return true;
  }
  return false;
}

}  // namespace dctstream
