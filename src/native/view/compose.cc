#include "view/compose.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace dctstream {
namespace {

template <typename T>
T narrowed(float value) {
  return T(std::lrintf(value));
}
template <>
float narrowed<float>(float value) {
  return value;
}

template <typename T>
void fill_row(void* row, size_t places, size_t depth, const float* empty) {
  T* out = static_cast<T*>(row);
  for (size_t i = 0; i < places; i++)
    for (size_t k = 0; k < depth; k++) *out++ = narrowed<T>(empty[k]);
}

template <typename T>
void mix(void* first, void* second, size_t count, float share) {
  T *a = static_cast<T*>(first), *b = static_cast<T*>(second);
  for (size_t i = 0; i < count; i++) {
    const float x = a[i], y = b[i];
    a[i] = narrowed<T>(y + share * (x - y));
    b[i] = narrowed<T>(x + share * (y - x));
  }
}

// The rows of a box in one view: calls `work` with where each begins and how many places it has.
template <typename Work>
void each_row(const BatchPlane& plane, size_t view, const PixelBox& box, Work work) {
  const size_t top = size_t(box.top) / plane.step, left = size_t(box.left) / plane.step;
  const size_t bottom = std::min(size_t(box.bottom) / plane.step, plane.rows);
  const size_t right = std::min(size_t(box.right) / plane.step, plane.columns);
  if (left >= right) return;
  const size_t unit = plane.depth * value_bytes(plane.type);
  for (size_t row = top; row < bottom; row++)
    work(plane.view(view) + (row * plane.columns + left) * unit, right - left);
}

}  // namespace

void erase_box(const BatchPlane& plane, size_t view, const PixelBox& box) {
  each_row(plane, view, box, [&](uint8_t* row, size_t places) {
    if (plane.type == SampleType::kFloat32) fill_row<float>(row, places, plane.depth, plane.empty);
    if (plane.type == SampleType::kInt16) fill_row<int16_t>(row, places, plane.depth, plane.empty);
    if (plane.type == SampleType::kUint8) fill_row<uint8_t>(row, places, plane.depth, plane.empty);
  });
}

void mix_views(const BatchPlane& plane, size_t a, size_t b, float share) {
  uint8_t *const first = plane.view(a), *const second = plane.view(b);
  if (plane.type == SampleType::kFloat32) mix<float>(first, second, plane.values(), share);
  if (plane.type == SampleType::kInt16) mix<int16_t>(first, second, plane.values(), share);
  if (plane.type == SampleType::kUint8) mix<uint8_t>(first, second, plane.values(), share);
}

void exchange_box(const BatchPlane& plane, size_t a, size_t b, const PixelBox& box) {
  const ptrdiff_t apart = plane.view(b) - plane.view(a);
  const size_t unit = plane.depth * value_bytes(plane.type);
  each_row(plane, a, box,
           [&](uint8_t* row, size_t places) { std::swap_ranges(row, row + places * unit, row + apart); });
}

}  // namespace dctstream
