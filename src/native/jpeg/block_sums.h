// Adding up whole blocks, where they are at hand: a lane per place, and many blocks at a time.
#pragma once
#include "base/simd.h"
#include "jpeg/frequency_stats.h"

namespace dctstream {

// Blocks are added so many at a time: the squares of as many small values fit 16 bits.
constexpr size_t kBlocksPerStep = 4;
// The sum of as many fits 16 bits, and a count of them 8.
constexpr size_t kMostBlocksAtOnce = 252;

// Adds `count` blocks to `sums`: int8 in scan order, [count][64], none of them -128, and their DC coefficients, for
// which the blocks have zeros. `count` is a multiple of kBlocksPerStep, and at most kMostBlocksAtOnce.
using AddBlocks = void (*)(const int8_t* blocks, const int16_t* dcs, size_t count, PlaneSums* sums);
AddBlocks add_blocks_for(Simd level);

}  // namespace dctstream
