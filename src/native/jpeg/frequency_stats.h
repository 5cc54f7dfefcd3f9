// Sums per component and frequency over an image's coefficients, from which a data set's statistics are made. All are
// whole numbers, so that they add up to the same in any order.
#pragma once
#include "jpeg/jpeg.h"
#include "packed/expand.h"
#include "packed/streams.h"

namespace dctstream {

// Of the dequantised coefficients of Y, Cb and Cr, natural order; blocks of MCU padding are not counted. Magnitudes
// stay below 2^52: larger sums, of tables that no encoder writes, stop there.
struct FrequencyStats {
  int64_t blocks[3] = {};
  int64_t sum[3][kBlockSize] = {};
  int64_t squares[3][kBlockSize] = {};
  int64_t nonzero[3][kBlockSize] = {};
  int64_t largest[3][kBlockSize] = {};  // magnitude
};

// The statistics of an image; components beyond the third are ignored. `planes` are whole and consistent.
void measure_frequencies(const JpegFacts& facts, const std::vector<PlaneStreams>& planes, Simd simd,
                         FrequencyStats* stats);

}  // namespace dctstream
