// The gradient of max pooling without padding: each output's gradient goes to the first position of its window that
// holds the maximum.
#pragma once
#include <cstdint>

namespace dctstream {

// x and dx [batch, height, width, channels]; y and dy [batch, out_height, out_width, channels].
struct MaxPoolGradient {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  int64_t window, stride;
  const float *x, *y, *dy;
  float* dx;
};

void max_pool_gradient(const MaxPoolGradient& op);

}  // namespace dctstream
