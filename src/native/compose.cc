#include "compose.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace dctstream {
namespace {

size_t value_bytes(SampleType type) { return type == SampleType::kFloat32 ? 4 : type == SampleType::kInt16 ? 2 : 1; }

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

// The rows of a box in one view: calls `work` with the place of each and how many places it has.
template <typename Work>
void each_row(const BatchPlane& plane, size_t view, const PixelBox& box, Work work) {
  const size_t top = size_t(box.top) / plane.step, left = size_t(box.left) / plane.step;
  const size_t bottom = std::min(size_t(box.bottom) / plane.step, plane.rows);
  const size_t right = std::min(size_t(box.right) / plane.step, plane.columns);
  if (left >= right) return;
  for (size_t row = top; row < bottom; row++) work((view * plane.rows + row) * plane.columns + left, right - left);
}

}  // namespace

void erase_box(const BatchPlane& plane, size_t view, const PixelBox& box) {
  uint8_t* const data = static_cast<uint8_t*>(plane.data);
  each_row(plane, view, box, [&](size_t place, size_t places) {
    void* const row = data + place * plane.depth * value_bytes(plane.type);
    if (plane.type == SampleType::kFloat32) fill_row<float>(row, places, plane.depth, plane.empty);
    if (plane.type == SampleType::kInt16) fill_row<int16_t>(row, places, plane.depth, plane.empty);
    if (plane.type == SampleType::kUint8) fill_row<uint8_t>(row, places, plane.depth, plane.empty);
  });
}

void mix_views(const BatchPlane& plane, size_t a, size_t b, float share) {
  const size_t count = plane.rows * plane.columns * plane.depth, bytes = count * value_bytes(plane.type);
  uint8_t* const data = static_cast<uint8_t*>(plane.data);
  if (plane.type == SampleType::kFloat32) mix<float>(data + a * bytes, data + b * bytes, count, share);
  if (plane.type == SampleType::kInt16) mix<int16_t>(data + a * bytes, data + b * bytes, count, share);
  if (plane.type == SampleType::kUint8) mix<uint8_t>(data + a * bytes, data + b * bytes, count, share);
}

void exchange_box(const BatchPlane& plane, size_t a, size_t b, const PixelBox& box) {
  const size_t unit = plane.depth * value_bytes(plane.type);
  const ptrdiff_t apart = (ptrdiff_t(b) - ptrdiff_t(a)) * ptrdiff_t(plane.rows * plane.columns * unit);
  uint8_t* const data = static_cast<uint8_t*>(plane.data);
  each_row(plane, a, box, [&](size_t place, size_t places) {
    uint8_t* const row = data + place * unit;
    std::swap_ranges(row, row + places * unit, row + apart);
  });
}

}  // namespace dctstream
