// Which vector instructions the kernels may use: picked once from the processor, or forced with DCTSTREAM_SIMD.
#pragma once
#include <vector>

namespace dctstream {

enum class Simd { kScalar, kNeon, kAvx2, kAvx512 };

// The best level of this processor. kAvx512 means F, BW, VL, VBMI and VBMI2, which vpexpandb and vpermb need, and
// VPOPCNTDQ, which came with them.
Simd best_simd();

// The levels of this kind of processor, lowest first.
std::vector<Simd> simd_levels();

// best_simd(), lowered to what DCTSTREAM_SIMD (scalar, neon, avx2, avx512) names. A level the processor lacks is not
// raised.
Simd simd_from_environment();

const char* simd_name(Simd level);
bool parse_simd(const char* name, Simd* level);

}  // namespace dctstream
