#include "max_pool.h"

#include <algorithm>
#include <vector>

#include "clones.h"
#include "threads.h"

namespace dctstream {
namespace {

// Gives what is left of `left` to the positions where x holds the maximum y; what a position took is left to no other.
DCTSTREAM_CLONES
void give(const float* __restrict x, const float* __restrict y, int64_t channels, float* __restrict left,
          float* __restrict dx) {
  for (int64_t i = 0; i < channels; i++) {
    const float value = left[i];
    const bool here = x[i] == y[i];
    dx[i] += here ? value : 0;
    left[i] = here ? 0 : value;
  }
}

void one_image(const MaxPoolGradient& op, int64_t image) {
  const int64_t channels = op.channels, row = op.width * channels;
  const float* const x = op.x + image * op.height * row;
  float* const dx = op.dx + image * op.height * row;
  std::fill(dx, dx + op.height * row, 0.0f);
  std::vector<float> left(channels);
  for (int64_t out_y = 0; out_y < op.out_height; out_y++) {
    for (int64_t out_x = 0; out_x < op.out_width; out_x++) {
      const int64_t out = ((image * op.out_height + out_y) * op.out_width + out_x) * channels;
      std::copy(op.dy + out, op.dy + out + channels, left.begin());
      for (int64_t dy = 0; dy < op.window; dy++) {
        for (int64_t dx_place = 0; dx_place < op.window; dx_place++) {
          const int64_t at = (out_y * op.stride + dy) * row + (out_x * op.stride + dx_place) * channels;
          give(x + at, op.y + out, channels, left.data(), dx + at);
        }
      }
    }
  }
}

}  // namespace

void max_pool_gradient(const MaxPoolGradient& op) {
  parallel_ranges(op.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t image = begin; image < end; image++) one_image(op, image);
  });
}

}  // namespace dctstream
