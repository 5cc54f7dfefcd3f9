#include "view.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dctstream {

struct ViewKernels {
  void (*inverse_columns)(const int16_t* blocks, const float* quant, size_t block_count, float* out, size_t pitch);
  void (*transform_rows)(float* rows, size_t row_groups, size_t pitch, bool forward);
  void (*resample_rows)(const float* in, size_t pitch, const AxisTaps& taps, int in_start, float* out);
  void (*transpose)(const float* in, size_t rows, size_t columns, size_t in_pitch, float* out, size_t out_pitch);
};

namespace scalar {
#include "view_kernels.inl"
}

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
#include "view_kernels.inl"
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#define DCTSTREAM_VIEW_AVX2 1
#endif

namespace {

const ViewKernels* kernels_for(Simd level) {
#if defined(DCTSTREAM_VIEW_AVX2)
  if (level != Simd::kScalar) return &avx2::kKernels;
#endif
  (void)level;
  return &scalar::kKernels;
}

size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

// Rows from `rows` to `padded` become copies of the one before.
void repeat_last_row(float* plane, size_t rows, size_t padded, size_t pitch) {
  for (size_t row = rows; row < padded; row++) std::copy_n(plane + (rows - 1) * pitch, pitch, plane + row * pitch);
}

Status invalid(const char* what) { return Status::failure(Code::kInvalidArgument, what); }

int max_sampling(const ViewImage& image, int ViewComponent::*factor) {
  int largest = 1;
  for (const ViewComponent& component : image.components) largest = std::max(largest, component.*factor);
  return largest;
}

// Taps of every output of `axis` over a plane with `density` samples per luma pixel and `plane_size` samples, with
// `step` luma outputs per output. Same arithmetic as Pillow's precompute_coeffs for the triangle filter, in double.
void compute_taps(const ViewAxis& axis, double density, int plane_size, int step, AxisTaps* taps) {
  const int count = int(ceil_div(uint32_t(axis.out_count), uint32_t(step)));
  const double luma_scale = (axis.box_end - axis.box_start) / axis.scaled_size;
  const double scale = luma_scale * density * step;
  const double support = std::max(scale, 1.0);
  const int low = std::clamp(int(std::floor(axis.box_start * density)), 0, plane_size - 1);
  const int high = std::clamp(int(std::ceil(axis.box_end * density)), low + 1, plane_size);
  taps->taps = int(std::ceil(support)) * 2 + 2;
  taps->first.assign(count, 0);
  taps->count.assign(count, 0);
  taps->weights.assign(size_t(count) * taps->taps, 0.0f);
  taps->in_start = plane_size;
  taps->in_end = 0;
  std::vector<double> exact(taps->taps);
  for (int j = 0; j < count; j++) {
    const double center = (axis.box_start + (axis.out_start + (j + 0.5) * step) * luma_scale) * density;
    const int first = std::clamp(int(std::floor(center - support + 0.5)), low, high - 1);
    const int end = std::clamp(int(std::floor(center + support + 0.5)), first + 1, high);
    double total = 0;
    for (int x = first; x < end; x++) {
      exact[x - first] = std::max(0.0, 1.0 - std::abs(x + 0.5 - center) / support);
      total += exact[x - first];
    }
    // Outside the plane's last sample (an odd size, subsampled) nothing is in reach: the nearest sample stands in.
    if (total <= 0) total = exact[0] = 1;
    const int at = axis.flip ? count - 1 - j : j;
    taps->first[at] = first;
    taps->count[at] = end - first;
    for (int k = 0; k < end - first; k++) taps->weights[size_t(at) * taps->taps + k] = float(exact[k] / total);
    taps->in_start = std::min(taps->in_start, first);
    taps->in_end = std::max(taps->in_end, end);
  }
}

bool axis_is_valid(const ViewAxis& axis, int image_size) {
  const bool finite = std::isfinite(axis.box_start) && std::isfinite(axis.box_end) && std::isfinite(axis.scaled_size) &&
                      std::isfinite(axis.out_start);
  return finite && axis.box_start >= 0 && axis.box_end <= image_size && axis.box_start < axis.box_end &&
         axis.scaled_size >= 1 && axis.out_start >= 0 && axis.out_count >= 1 &&
         axis.out_start + axis.out_count <= std::ceil(axis.scaled_size);
}

Status check(const ViewImage& image, const ViewSpec& spec) {
  if (image.width < 1 || image.height < 1) return invalid("the image has no pixels");
  if (image.components.size() != 1 && image.components.size() != 3) return invalid("a view needs 1 or 3 components");
  if (!axis_is_valid(spec.x, image.width) || !axis_is_valid(spec.y, image.height)) {
    return invalid("the box leaves the image, or the output leaves the scaled box");
  }
  const int unit = 8 * kDctChromaStep;
  if (spec.kind == ViewKind::kDct && (spec.x.out_count % unit != 0 || spec.y.out_count % unit != 0)) {
    return invalid("a DCT view's sides must be multiples of 16");
  }
  if (spec.kind == ViewKind::kMcu && spec.chroma_step != 1 && spec.chroma_step != 2)
    return invalid("chroma is sampled at 1 or 2");
  const int h_max = max_sampling(image, &ViewComponent::h), v_max = max_sampling(image, &ViewComponent::v);
  for (const ViewComponent& component : image.components) {
    if (component.h < 1 || component.v < 1 || component.h > 4 || component.v > 4)
      return invalid("impossible sampling factors");
    const uint32_t wide = ceil_div(uint32_t(image.width) * component.h, h_max),
                   high = ceil_div(uint32_t(image.height) * component.v, v_max);
    if (component.stored.blocks_wide * 8 < wide || component.stored.blocks_high * 8 < high) {
      return invalid("a component's grid is smaller than the image");
    }
  }
  return {};
}

}  // namespace

Viewer::Viewer(Simd simd) : kernels_(kernels_for(simd)), unpacker_(simd) {}

// Leaves the plane in planes_[component], transposed: [out width][pitch of out height], of frequencies in whole blocks
// unless the view is of pixels; `mcu` is how many blocks the sides are rounded up to. The vertical operator is
// applied whole (inverse DCT, resample, forward DCT) while the horizontal axis is still in frequencies, then the
// horizontal one.
Status Viewer::render_plane(const ViewImage& image, size_t index, const ViewSpec& spec, int step, int mcu) {
  const ViewComponent& component = image.components[index];
  const int h_max = max_sampling(image, &ViewComponent::h), v_max = max_sampling(image, &ViewComponent::v);
  const int plane_width = int(ceil_div(uint32_t(image.width) * component.h, h_max));
  const int plane_height = int(ceil_div(uint32_t(image.height) * component.v, v_max));
  compute_taps(spec.x, double(component.h) / h_max, plane_width, step, &taps_x_);
  compute_taps(spec.y, double(component.v) / v_max, plane_height, step, &taps_y_);

  const BlockRange range = {uint32_t(taps_y_.in_start) / 8, ceil_div(taps_y_.in_end, 8), uint32_t(taps_x_.in_start) / 8,
                            ceil_div(taps_x_.in_end, 8)};
  const size_t wide = range.column_end - range.column_start, high = range.row_end - range.row_start;
  const size_t pitch = wide * 8, out_rows = taps_y_.first.size(), out_columns = taps_x_.first.size();
  const size_t out_pitch = round_up(out_rows, size_t(mcu) * 8), out_wide = round_up(out_columns, size_t(mcu) * 8);
  const bool frequencies = spec.kind != ViewKind::kRgb;

  blocks_.resize(wide * high * kBlockSize);
  if (Status s = unpacker_.unpack(index, range, blocks_.data()); !s.ok()) return s;
  float quant[kBlockSize];
  for (int k = 0; k < kBlockSize; k++) quant[k] = component.quant[k];
  columns_.resize(high * 8 * pitch);
  for (size_t row = 0; row < high; row++) {
    kernels_->inverse_columns(blocks_.data() + row * wide * kBlockSize, quant, wide, columns_.data() + row * 8 * pitch,
                              pitch);
  }
  resampled_.assign(out_pitch * pitch, 0.0f);
  kernels_->resample_rows(columns_.data(), pitch, taps_y_, int(range.row_start) * 8, resampled_.data());
  if (frequencies) {
    repeat_last_row(resampled_.data(), out_rows, out_pitch, pitch);
    kernels_->transform_rows(resampled_.data(), out_pitch / 8, pitch, true);
  }
  transposed_.resize(pitch * out_pitch);
  kernels_->transpose(resampled_.data(), out_pitch, pitch, pitch, transposed_.data(), out_pitch);
  kernels_->transform_rows(transposed_.data(), wide, out_pitch, false);
  planes_[index].resize(out_wide * out_pitch);
  kernels_->resample_rows(transposed_.data(), out_pitch, taps_x_, int(range.column_start) * 8, planes_[index].data());
  if (frequencies) {
    repeat_last_row(planes_[index].data(), out_columns, out_wide, out_pitch);
    kernels_->transform_rows(planes_[index].data(), out_wide / 8, out_pitch, true);
  }
  return {};
}

// Transposed plane -> [blocks_high][blocks_wide][64], natural order.
void Viewer::store_blocks(size_t index, size_t blocks_wide, size_t blocks_high, float* out) const {
  const size_t pitch = blocks_high * 8;
  for (size_t row = 0; row < blocks_high; row++) {
    for (size_t column = 0; column < blocks_wide; column++, out += kBlockSize) {
      kernels_->transpose(planes_[index].data() + column * 8 * pitch + row * 8, 8, 8, pitch, out, 8);
    }
  }
}

// Three transposed planes -> interleaved RGB.
void Viewer::store_rgb(const ViewSpec& spec, size_t components, float* out) const {
  const size_t width = spec.x.out_count, height = spec.y.out_count, pitch = round_up(height, 8);
  for (size_t y = 0; y < height; y++) {
    for (size_t x = 0; x < width; x++, out += 3) {
      const size_t at = x * pitch + y;
      const float luma = planes_[0][at] + 128.0f;
      const float cb = components == 3 ? planes_[1][at] : 0.0f, cr = components == 3 ? planes_[2][at] : 0.0f;
      // ITU-T T.871 (JFIF), full range.
      const float rgb[3] = {luma + 1.402f * cr, luma - 0.344136286f * cb - 0.714136286f * cr, luma + 1.772f * cb};
      for (int c = 0; c < 3; c++) out[c] = rgb[c] * spec.scale[c] + spec.bias[c];
    }
  }
}

Status Viewer::render(const ViewImage& image, const uint8_t* packed, size_t packed_size, Codec codec,
                      const ViewSpec& spec, float* const out[3]) {
  if (Status s = check(image, spec); !s.ok()) return s;
  std::vector<Grid> grids;
  for (const ViewComponent& component : image.components) grids.push_back(component.stored);
  if (Status s = unpacker_.open(packed, packed_size, grids, codec); !s.ok()) return s;
  for (size_t i = 0; i < image.components.size(); i++) {
    const bool alone = image.components.size() == 1;
    const int chroma_step = spec.kind == ViewKind::kDct             ? kDctChromaStep
                            : spec.kind == ViewKind::kMcu && !alone ? spec.chroma_step
                                                                    : 1;
    const int step = i > 0 ? chroma_step : 1;
    if (Status s = render_plane(image, i, spec, step, chroma_step / step); !s.ok()) return s;
    if (spec.kind != ViewKind::kRgb)
      store_blocks(i, mcu_blocks(spec.x.out_count, step, chroma_step), mcu_blocks(spec.y.out_count, step, chroma_step),
                   out[i]);
  }
  if (spec.kind == ViewKind::kRgb) {
    store_rgb(spec, image.components.size(), out[0]);
  } else if (spec.kind == ViewKind::kDct && image.components.size() == 1) {
    const size_t values = size_t(spec.x.out_count / kDctChromaStep) * (spec.y.out_count / kDctChromaStep);
    std::fill_n(out[1], values, 0.0f);
    std::fill_n(out[2], values, 0.0f);
  }
  return {};
}

}  // namespace dctstream
