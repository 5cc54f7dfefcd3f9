#include "view/pixels/decoded_pixels.h"

#include <algorithm>
#include <cmath>

#include "view/unpack_timer.h"
#include "view/view_kernels.h"

namespace dctstream {
namespace {

// Two block rows: halved chroma of a band needs a row before it and one behind it, of which one is in another.
constexpr size_t kRingRows = 16;

// In front of and behind every row of samples: kernels read and write whole vectors.
constexpr size_t kSlack = 64;
static_assert(kSlack >= kUpsampleSlack + kColorSlack, "vectors leave the rows");

constexpr uint8_t kNoChroma = 128;

bool keeps_pixels(const ViewAxis& axis, int side) {
  const double origin = axis.box_start + axis.out_start;
  return axis.scaled_size == axis.box_end - axis.box_start && origin == std::floor(origin) &&
         origin + axis.out_count <= side;
}

bool keeps_colors(const ColorChange& color) {
  return color.luma == 1 && color.chroma == 1 && color.offset == 0 && color.offset_of_mean == 0;
}

int first_pixel(const ViewAxis& axis) { return int(axis.box_start + axis.out_start); }

}  // namespace

DecodedPixels::DecodedPixels(Simd simd)
    : inverse_(inverse_dct_for(simd)), upsample_(upsample_kernels_for(simd)), color_(color_kernels_for(simd)) {}

bool DecodedPixels::fit(const ViewImage& image, const ViewSpec& spec) {
  if (spec.kind != ViewKind::kPixels || !keeps_colors(spec.color)) return false;
  if (!keeps_pixels(spec.x, image.width) || !keeps_pixels(spec.y, image.height)) return false;
  for (size_t i = 0; i < image.components.size(); i++) {
    const PlaneAxes axes(image, spec, i, 1);
    const auto fits = [&](double density) { return density == 1 || (i > 0 && density == 0.5); };
    if (!fits(axes.x.density) || !fits(axes.y.density)) return false;
  }
  return true;
}

uint8_t* DecodedPixels::Plane::row(int index) {
  return ring.data() + (size_t(index) % kRingRows) * pitch + kSlack + size_t(columns.start - base_column);
}

Status DecodedPixels::open(const ViewImage& image, const ViewSpec& spec, size_t index) {
  const PlaneAxes axes(image, spec, index, 1);
  const BlockRange range = axes.blocks();
  Plane& plane = planes_[index];
  plane.quant = image.components[index].quant;
  plane.blocks_wide = range.column_end - range.column_start;
  plane.columns = samples_touched(axes.x);
  plane.rows = samples_touched(axes.y);
  plane.base_column = int(range.column_start) * 8;
  plane.end_row = int(range.row_start) * 8;
  plane.half_wide = axes.x.density < 1;
  plane.half_high = axes.y.density < 1;
  plane.pitch = round_up(plane.blocks_wide, 2) * 8 + 2 * kSlack;
  plane.ring.resize(kRingRows * plane.pitch);
  plane.upsampled_pitch = 2 * size_t(plane.columns.end - plane.columns.start) + 2 * kSlack;
  if (plane.half_wide || plane.half_high) plane.upsampled.resize(size_t(kBandRows) * plane.upsampled_pitch);
  return rows_->begin(index, range);
}

// Reads block rows until `row` is among those that were read.
Status DecodedPixels::read_to(size_t index, int row) {
  Plane& plane = planes_[index];
  while (plane.end_row <= row) {
    const int16_t* blocks = nullptr;
    if (Status s = timed(unpack_time_, [&] { return rows_->next_row(index, &blocks); }); !s.ok()) return s;
    uint8_t* samples = plane.row(plane.end_row);
    inverse_(blocks, plane.blocks_wide, plane.quant, samples - (plane.columns.start - plane.base_column), plane.pitch);
    plane.end_row += 8;
    if (!plane.half_wide) continue;
    // What lies outside the view's box repeats its edge.
    const ptrdiff_t count = plane.columns.end - plane.columns.start;
    for (int i = 0; i < 8; i++, samples += plane.pitch) {
      samples[-1] = samples[0];
      samples[count] = samples[count - 1];
    }
  }
  return {};
}

// The pixels of the component in `count` rows of the image, from row y and pixel x on.
Status DecodedPixels::make_band(size_t index, int x, int y, int count) {
  Plane& plane = planes_[index];
  const int last = y + count - 1;
  const int last_row = plane.half_high ? std::min((last + 1) / 2, plane.rows.end - 1) : last;
  if (Status s = read_to(index, last_row); !s.ok()) return s;
  if (plane.half_wide || plane.half_high) {
    upsample_band(&plane, y, count);
  } else {
    for (int i = 0; i < count; i++) plane.pixels[i] = plane.row(y + i);
  }
  const int skipped = x - plane.columns.start * (plane.half_wide ? 2 : 1);
  for (int i = 0; i < count; i++) plane.pixels[i] += skipped;
  return {};
}

void DecodedPixels::upsample_band(Plane* plane, int y, int count) {
  const size_t samples = size_t(plane->columns.end - plane->columns.start);
  uint8_t* pixels = plane->upsampled.data() + kSlack;
  for (int i = 0; i < count; i++, y++, pixels += plane->upsampled_pitch) {
    plane->pixels[i] = pixels;
    if (!plane->half_high) {
      upsample_->wide(plane->row(y), samples, pixels);
      continue;
    }
    const bool upper = y % 2 == 0;  // of the two rows of pixels that a row of samples stands for
    const int near = y / 2, other = upper ? near - 1 : near + 1;
    const uint8_t* const far = plane->row(std::min(std::max(other, plane->rows.start), plane->rows.end - 1));
    if (plane->half_wide) {
      upsample_->both(plane->row(near), far, samples, pixels);
    } else {
      upsample_->tall(plane->row(near), far, upper ? 1 : 2, samples, pixels);
    }
  }
}

// To rows of `out` from `row` on, or, where it is mirrored, from the last but `row` on upwards.
void DecodedPixels::store_band(const ViewSpec& spec, int row, int count, void* out) {
  const size_t width = size_t(spec.x.out_count), values = 3 * width;
  const bool streams = reinterpret_cast<uintptr_t>(out) % 64 == 0 && values * value_bytes(spec.type) % 32 == 0;
  const auto convert = spec.rgb ? color_->rgb : color_->as_is;
  for (int i = 0; i < count; i++) {
    const ColorRow from = {planes_[0].pixels[i], planes_[1].pixels[i], planes_[2].pixels[i], width, spec.x.flip};
    const size_t at = size_t(spec.y.flip ? spec.y.out_count - 1 - row - i : row + i) * values;
    if (spec.type == SampleType::kUint8) {
      convert(from, streams, static_cast<uint8_t*>(out) + at);
    } else {
      convert(from, false, pixels_.data());
      color_->to_floats(pixels_.data(), width, scaling_, streams, static_cast<float*>(out) + at);
    }
  }
}

Status DecodedPixels::render(const ViewImage& image, RowSource* rows, const ViewSpec& spec, double* unpack_time,
                             void* out) {
  rows_ = rows;
  unpack_time_ = unpack_time;
  const size_t components = image.components.size(), width = size_t(spec.x.out_count);
  for (size_t i = 0; i < components; i++)
    if (Status s = open(image, spec, i); !s.ok()) return s;
  if (Status s = timed(unpack_time, [&] { return rows->start(components); }); !s.ok()) return s;
  if (spec.type == SampleType::kFloat32) {
    pixels_.resize(3 * width);
    scaling_.set(spec.scale, spec.bias);
  }
  if (components == 1) {
    no_chroma_.resize(std::max(no_chroma_.size(), width + 2 * kSlack), kNoChroma);
    for (Plane* plane : {&planes_[1], &planes_[2]}) std::fill_n(plane->pixels, kBandRows, no_chroma_.data() + kSlack);
  }
  const int left = first_pixel(spec.x), top = first_pixel(spec.y), bottom = top + spec.y.out_count;
  for (int y = top; y < bottom;) {
    const int count = std::min(bottom, y / kBandRows * kBandRows + kBandRows) - y;
    for (size_t i = 0; i < components; i++)
      if (Status s = make_band(i, left, y, count); !s.ok()) return s;
    store_band(spec, y - top, count, out);
    y += count;
  }
  end_streams();
  return {};
}

}  // namespace dctstream
