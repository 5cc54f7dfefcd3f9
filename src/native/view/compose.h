// What happens between finished views of a batch: parts erased, and pairs mixed. All of it is linear, so it is as exact
// on coefficients as it is on pixels (mixup: Zhang et al. 2018; CutMix: Yun et al. 2019; random erasing: Zhong et al.
// 2020).
#pragma once
#include <cstddef>

#include "view/view.h"

namespace dctstream {

// One array of a batch: views one behind the other, each of `rows` x `columns` places of `depth` values.
struct BatchPlane {
  void* data = nullptr;
  SampleType type = SampleType::kFloat32;
  size_t rows = 0, columns = 0, depth = 0;
  size_t step = 1;               // luma pixels per place on each axis: 1, 8 or 16
  const float* empty = nullptr;  // the values of a place that shows mid-grey, `depth` of them

  size_t values() const { return rows * columns * depth; }
  size_t view_bytes() const { return values() * value_bytes(type); }
  uint8_t* view(size_t i) const { return static_cast<uint8_t*>(data) + i * view_bytes(); }
};

// In luma pixels.
struct PixelBox {
  int top = 0, left = 0, bottom = 0, right = 0;
};

// Mid-grey inside the box.
void erase_box(const BatchPlane& plane, size_t view, const PixelBox& box);

// share * a + (1 - share) * b in place of a, and the same with a and b exchanged in place of b.
void mix_views(const BatchPlane& plane, size_t a, size_t b, float share);

// Exchanges what lies inside the box.
void exchange_box(const BatchPlane& plane, size_t a, size_t b, const PixelBox& box);

}  // namespace dctstream
