#include "frequency_stats.h"

#include <algorithm>

namespace dctstream {

void add_frequencies(const Jpeg& jpeg, FrequencyStats* stats) {
  const size_t components = std::min<size_t>(jpeg.components.size(), 3);
  for (size_t i = 0; i < components; i++) {
    const JpegComponent& component = jpeg.components[i];
    const int16_t* plane = jpeg.coefficients.data() + component.offset;
    for (uint32_t row = 0; row < component.blocks_high; row++) {
      // A row of 8,192 blocks (the widest JPEG) of squares up to 2^22 fits 36 bits: floats would lose, int64 does not.
      int32_t sum[kBlockSize] = {};
      int64_t squares[kBlockSize] = {};
      const int16_t* block = plane + size_t(row) * component.stored.blocks_wide * kBlockSize;
      for (uint32_t column = 0; column < component.blocks_wide; column++, block += kBlockSize) {
        for (int k = 0; k < kBlockSize; k++) {
          sum[k] += block[k];
          squares[k] += int32_t(block[k]) * block[k];
        }
      }
      for (int k = 0; k < kBlockSize; k++) {
        const double q = component.quant[k];
        stats->sum[i][k] += q * sum[k];
        stats->sum_of_squares[i][k] += q * q * double(squares[k]);
      }
    }
    stats->count[i] += double(component.blocks_wide) * component.blocks_high;
  }
}

}  // namespace dctstream
