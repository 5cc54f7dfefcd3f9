// Sums per component and frequency over an image's coefficients, from which a data set's statistics are made. All are
// whole numbers, so that they add up to the same in any order.
#pragma once
#include <algorithm>
#include <cstdlib>

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

// Sums over one plane, in scan order, before dequantisation.
struct PlaneSums {
  int64_t sum[kBlockSize] = {};
  int64_t squares[kBlockSize] = {};
  int64_t nonzero[kBlockSize] = {};
  int64_t largest[kBlockSize] = {};

  // But for the count of values that are not zero.
  void add(int k, int value) {
    sum[k] += value;
    squares[k] += int64_t(value) * value;
    largest[k] = std::max<int64_t>(largest[k], std::abs(value));
  }
};

// What the sums of one of the first three components say of it.
void set_frequencies(const JpegFacts& facts, size_t component, const PlaneSums& sums, FrequencyStats* stats);

// The statistics of an image; components beyond the third are ignored. `planes` are whole and consistent.
void measure_frequencies(const JpegFacts& facts, const std::vector<PlaneStreams>& planes, Simd simd,
                         FrequencyStats* stats);

}  // namespace dctstream
