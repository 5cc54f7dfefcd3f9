#include "base/simd.h"

#include <cstdlib>
#include <cstring>

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
#if defined(__aarch64__)
  return Simd::kNeon;  // every 64-bit Arm processor has it
#endif
  return Simd::kScalar;
}

std::vector<Simd> simd_levels() {
#if defined(__x86_64__)
  return {Simd::kScalar, Simd::kAvx2, Simd::kAvx512};
#elif defined(__aarch64__)
  return {Simd::kScalar, Simd::kNeon};
#else
  return {Simd::kScalar};
#endif
}

Simd simd_from_environment() {
  const Simd best = best_simd();
  Simd wanted;
  const char* name = std::getenv("DCTSTREAM_SIMD");
  return name != nullptr && parse_simd(name, &wanted) && wanted < best ? wanted : best;
}

const char* simd_name(Simd level) {
  switch (level) {
    case Simd::kScalar:
      return "scalar";
    case Simd::kNeon:
      return "neon";
    case Simd::kAvx2:
      return "avx2";
    case Simd::kAvx512:
      return "avx512";
  }
  return "scalar";
}

bool parse_simd(const char* name, Simd* level) {
  for (const Simd candidate : simd_levels()) {
    if (std::strcmp(name, simd_name(candidate)) != 0) continue;
    *level = candidate;
    return true;
  }
  return false;
}

}  // namespace dctstream
