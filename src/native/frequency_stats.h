// Sums per component and frequency over an image's dequantised coefficients, from which a data set's mean and standard
// deviation are made.
#pragma once
#include "jpeg.h"

namespace dctstream {

struct FrequencyStats {
  double count[3] = {};            // blocks of Y, Cb, Cr; MCU padding is not counted
  double sum[3][kBlockSize] = {};  // dequantised, natural order
  double sum_of_squares[3][kBlockSize] = {};
};

// Adds every block that holds image samples. Components beyond the third are ignored.
void add_frequencies(const Jpeg& jpeg, FrequencyStats* stats);

}  // namespace dctstream
