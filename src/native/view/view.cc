#include "view/view.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "view/plane_axes.h"
#include "view/unpack_timer.h"
#include "view/view_kernels.h"

namespace dctstream {

// Coefficient * scale + bias: colour and normalisation of a component.
struct FrequencyChange {
  float scale[kBlockSize], bias[kBlockSize];
};

// A component on its way through a view.
struct PlaneWork {
  AxisTaps x, y;
  size_t wide = 0, groups = 0;  // blocks of a row that are read, and the column groups they fill
  size_t out_wide = 0, out_high = 0;
  int base_column = 0;             // sample that the columns begin with
  std::vector<float> table;        // [8][lanes]: dequantisation and the inverse transforms' factors
  std::vector<float> strips;       // [group][pitch]
  size_t pitch = 0;                // floats of a strip
  int first_row = 0, end_row = 0;  // rows in the strips
  std::vector<float> columns;

  // On its way into blocks of frequencies: steps of a group of output rows, or of a block row where blocks are copied.
  bool copies = false;
  size_t step = 0, steps = 0;
  FrequencyChange change;
  float scale[kBlockSize * 2], bias[kBlockSize * 2];  // [8][lanes]
  BlockTarget target;
  uint8_t* out = nullptr;
  bool needs_mean = false;
  double copied_sum = 0;  // of the quantised DC

  PixelPlane pixel_plane() const { return {columns.data(), &x, base_column}; }
};

namespace {

// What a view may hold of its rows: 256 MiB. A square of 40,000 pixels makes a view of 64 within it.
constexpr size_t kMaxStripFloats = size_t(1) << 26;

// What the transforms of Arai, Agui and Nakajima leave out, by frequency: their inverse wants coefficients times
// this / sqrt(8), and their DCT gives coefficients times this * sqrt(8).
constexpr float kAanFactor[8] = {1.0f, 1.387039845f, 1.306562965f, 1.175875602f,
                                 1.0f, 0.785694958f, 0.541196100f, 0.275899379f};

float inverse_factor(int k) { return kAanFactor[k / 8] * kAanFactor[k % 8] / 8; }
float forward_factor(int k) { return 1 / (kAanFactor[k / 8] * kAanFactor[k % 8] * 8); }

// [64] -> [8][lanes]: every row of eight as often as fits.
void spread(const float values[kBlockSize], int lanes, float* table) {
  for (int u = 0; u < 8; u++)
    for (int lane = 0; lane < lanes; lane++) table[u * lanes + lane] = values[8 * u + lane % 8];
}

FrequencyChange frequency_change(const ViewSpec& spec, size_t component) {
  FrequencyChange change;
  for (int k = 0; k < kBlockSize; k++) {
    const size_t at = component * kBlockSize + size_t(k);
    const float scale = spec.frequency_scale != nullptr ? spec.frequency_scale[at] : 1;
    change.scale[k] = scale * (component == 0 ? spec.color.luma : spec.color.chroma);
    change.bias[k] = spec.frequency_bias != nullptr ? spec.frequency_bias[at] : 0;
    if (component == 0 && k == 0) change.bias[k] += 8 * spec.color.offset * scale;
  }
  return change;
}

int16_t to_int16(float value) {
  return int16_t(std::lrintf(std::min(std::max(value * kInt16Steps, -32768.0f), 32767.0f)));
}

void finish_block(const BlockTarget& target, const float* block, size_t index) {
  const size_t start = index * size_t(target.kept_count);
  for (int i = 0; i < target.kept_count; i++) {
    const float value = block[target.kept != nullptr ? target.kept[i] : i];
    if (target.type == SampleType::kInt16) {
      static_cast<int16_t*>(target.out)[start + size_t(i)] = to_int16(value);
    } else {
      static_cast<float*>(target.out)[start + size_t(i)] = value;
    }
  }
}

BlockTarget block_target(const ViewSpec& spec, size_t component) {
  BlockTarget target;
  target.type = spec.type;
  target.kept = spec.kept[component];
  target.kept_count = spec.kept_count[component];
  target.direct = target.type == SampleType::kFloat32 && target.kept == nullptr;
  target.finish = finish_block;
  return target;
}

// Adds what the colour change makes of the view's mean luma to the DC of every block; where DC is not kept there is
// nothing to add to.
void add_offset_of_mean(const ViewSpec& spec, const BlockTarget& target, void* out, size_t blocks, double mean) {
  const float unit = spec.frequency_scale != nullptr ? spec.frequency_scale[0] : 1;
  const float value = float(8 * spec.color.offset_of_mean * mean) * unit;
  int place = 0;
  if (target.kept != nullptr) {
    while (place < target.kept_count && target.kept[place] != 0) place++;
    if (place == target.kept_count) return;
  }
  for (size_t i = 0; i < blocks; i++) {
    const size_t at = i * size_t(target.kept_count) + size_t(place);
    if (target.type == SampleType::kInt16) {
      int16_t* const dc = static_cast<int16_t*>(out) + at;
      *dc = to_int16(float(*dc) / kInt16Steps + value);
    } else {
      static_cast<float*>(out)[at] += value;
    }
  }
}

}  // namespace

Viewer::Viewer(Simd simd) : kernels_(view_kernels_for(simd)), decoded_pixels_(simd), packed_rows_(simd), planes_(3) {}

Viewer::~Viewer() = default;

// Prepares a component: taps, the range of blocks that they reach, and room for as many rows as a group needs.
Status Viewer::open_plane(const ViewImage& image, size_t index, const ViewSpec& spec) {
  const ViewComponent& component = image.components[index];
  const size_t lanes = size_t(kernels_->lanes);
  PlaneWork& plane = planes_[index];
  const PlaneAxes axes(image, spec, index, lanes);
  plane.out_wide = axes.out_wide;
  plane.out_high = axes.out_high;
  if (index == 2 && component.h == image.components[1].h && component.v == image.components[1].v) {
    plane.x = planes_[1].x;
    plane.y = planes_[1].y;
  } else {
    compute_taps(axes.x, &plane.x);
    compute_taps(axes.y, &plane.y);
  }

  const BlockRange range = axes.blocks();
  plane.wide = range.column_end - range.column_start;
  plane.groups = ceil_div(uint32_t(plane.wide * 8), uint32_t(lanes));
  plane.base_column = int(range.column_start) * 8;
  plane.first_row = plane.end_row = int(range.row_start) * 8;

  float table[kBlockSize];
  for (int k = 0; k < kBlockSize; k++) table[k] = component.quant[k] * inverse_factor(k);
  plane.table.resize(8 * lanes);
  spread(table, int(lanes), plane.table.data());

  // From the first row that a group needs, or the last one read before it, to its last one.
  int most = 0, before = spec.y.flip ? plane.y.first.back() : plane.y.first.front();
  const size_t groups = plane.y.first.size() / lanes;
  for (size_t i = 0; i < groups; i++) {
    const size_t row = (spec.y.flip ? groups - 1 - i : i) * lanes;
    const auto [first, last] = std::minmax(plane.y.first[row], plane.y.first[row + lanes - 1]);
    most = std::max(most, last + plane.y.taps - std::min(first, before));
    before = last + plane.y.taps;
  }
  // A group's rows, what is left of the block rows around them, and some that are read before the next move. The odd
  // vector keeps strips off each other's cache sets.
  plane.pitch = (round_up(size_t(most), 8) + 8 + 16) * lanes + lanes;
  if (plane.groups * plane.pitch > kMaxStripFloats)
    return Status::failure(Code::kTooManyPixels, "the image has too many pixels for so small a view of it");
  plane.strips.resize(plane.groups * plane.pitch);
  plane.columns.resize(plane.groups * lanes * lanes);
  return rows_->begin(index, range);
}

// Rows from the group's first up to `end` are in the strips afterwards; earlier ones are dropped when room is needed.
Status Viewer::read_rows(size_t index, int end) {
  PlaneWork& plane = planes_[index];
  const size_t lanes = size_t(kernels_->lanes);
  while (plane.end_row < end) {
    const int16_t* blocks = nullptr;
    if (Status s = timed(unpack_time_, [&] { return rows_->next_row(index, &blocks); }); !s.ok()) return s;
    // Where two blocks make a group, an odd row's last one has a block of any value beside it, which no tap reaches.
    kernels_->inverse_rows(blocks, plane.groups, plane.table.data(),
                           plane.strips.data() + size_t(plane.end_row - plane.first_row) * lanes, plane.pitch);
    plane.end_row += 8;
  }
  return {};
}

// The columns of output rows group * lanes and on. Groups are asked for in the order of their input rows.
Status Viewer::fill_columns(size_t index, size_t group) {
  PlaneWork& plane = planes_[index];
  const size_t lanes = size_t(kernels_->lanes), row = group * lanes;
  const auto [first, last] = std::minmax(plane.y.first[row], plane.y.first[row + lanes - 1]);
  const int end = last + plane.y.taps;
  const size_t capacity = plane.pitch / lanes - 1;
  if (round_up(size_t(end), 8) - size_t(plane.first_row) > capacity) {
    const int dropped = std::min(first, plane.end_row) - plane.first_row;
    const size_t left = size_t(plane.end_row - plane.first_row - dropped) * lanes;
    for (size_t g = 0; g < plane.groups && left > 0; g++) {
      float* const strip = plane.strips.data() + g * plane.pitch;
      std::memmove(strip, strip + size_t(dropped) * lanes, left * sizeof(float));
    }
    plane.first_row += dropped;
  }
  if (Status s = read_rows(index, end); !s.ok()) return s;
  kernels_->resample_columns(plane.strips.data(), plane.pitch, plane.groups, plane.y, row, plane.first_row,
                             plane.columns.data());
  return {};
}

void Viewer::begin_plane(const ViewImage& image, size_t index, const ViewSpec& spec, void* out) {
  PlaneWork& plane = planes_[index];
  const size_t lanes = size_t(kernels_->lanes);
  plane.out = static_cast<uint8_t*>(out);
  plane.step = 0;
  plane.change = frequency_change(spec, index);
  plane.target = block_target(spec, index);
  plane.needs_mean = index == 0 && spec.color.offset_of_mean != 0;
  plane.copied_sum = 0;
  // Where neither axis changes anything but the side it begins from, blocks are copied: dequantised, in order.
  plane.copies = spec.kind == ViewKind::kDct && plane.x.copies && plane.y.copies && plane.x.in_start % 8 == 0 &&
                 plane.y.in_start % 8 == 0;
  if (plane.copies) {
    plane.steps = plane.out_high / 8;
    plane.target.out = out;
    for (int k = 0; k < kBlockSize; k++) {
      // Mirrored, the odd frequencies of an axis change their sign.
      const bool odd = (spec.x.flip && k % 2 == 1) != (spec.y.flip && k / 8 % 2 == 1);
      const float quant = float(image.components[index].quant[k]);
      plane.change.scale[k] *= odd ? -quant : quant;
    }
    return;
  }
  plane.steps = plane.y.first.size() / lanes;
  for (int k = 0; k < kBlockSize; k++) plane.change.scale[k] *= forward_factor(k);
  spread(plane.change.scale, int(lanes), plane.scale);
  spread(plane.change.bias, int(lanes), plane.bias);
  plane.target.blocks_wide = plane.out_wide / 8;
  plane.target.scale = plane.scale;
  plane.target.bias = plane.bias;
}

// The next group of output rows, in the order of the input rows.
Status Viewer::step_plane(size_t index, const ViewSpec& spec) {
  PlaneWork& plane = planes_[index];
  const size_t at = spec.y.flip ? plane.steps - 1 - plane.step : plane.step;
  plane.step++;
  if (plane.copies) return copy_row(index, spec, at);
  const size_t rows_per_group = size_t(kernels_->lanes) / 8, row = at * rows_per_group;
  if (Status s = fill_columns(index, at); !s.ok()) return s;
  const size_t row_bytes = plane.out_wide / 8 * size_t(plane.target.kept_count) * value_bytes(spec.type);
  plane.target.out = plane.out + row * row_bytes;
  plane.target.block_rows = int(std::min(rows_per_group, plane.out_high / 8 - row));
  kernels_->store_blocks(plane.columns.data(), plane.x, plane.base_column, &plane.target);
  return {};
}

Status Viewer::copy_row(size_t index, const ViewSpec& spec, size_t row) {
  PlaneWork& plane = planes_[index];
  const size_t wide = plane.wide;
  const BlockTarget& target = plane.target;
  const float *scale = plane.change.scale, *bias = plane.change.bias;
  const bool streams = target.direct && reinterpret_cast<uintptr_t>(plane.out) % 64 == 0;
  float* const start = reinterpret_cast<float*>(plane.out) + row * wide * kBlockSize;
  if (target.direct && rows_->can_dequantise() && !plane.needs_mean) {
    DequantisedRow blocks = {scale, bias, streams, start, kBlockSize};
    if (spec.x.flip) {
      blocks.out = start + (wide - 1) * kBlockSize;
      blocks.step = -kBlockSize;
    }
    return timed(unpack_time_, [&] { return rows_->next_row_dequantised(index, blocks); });
  }
  const int16_t* blocks = nullptr;
  if (Status s = timed(unpack_time_, [&] { return rows_->next_row(index, &blocks); }); !s.ok()) return s;
  if (plane.needs_mean)
    for (size_t b = 0; b < wide; b++) plane.copied_sum += blocks[b * kBlockSize];
  if (spec.x.flip) {
    blocks_.resize(std::max(blocks_.size(), wide * kBlockSize));
    for (size_t b = 0; b < wide; b++)
      std::copy_n(blocks + b * kBlockSize, kBlockSize, blocks_.data() + (wide - 1 - b) * kBlockSize);
    blocks = blocks_.data();
  }
  if (target.direct) {
    kernels_->dequantise(blocks, wide, scale, bias, streams, start);
    return {};
  }
  pixels_.resize(std::max(pixels_.size(), wide * kBlockSize));
  kernels_->dequantise(blocks, wide, scale, bias, false, pixels_.data());
  for (size_t b = 0; b < wide; b++) finish_block(target, pixels_.data() + b * kBlockSize, row * wide + b);
  return {};
}

void Viewer::end_plane(const ViewImage& image, size_t index, const ViewSpec& spec) {
  PlaneWork& plane = planes_[index];
  if (!plane.needs_mean) return;
  const size_t blocks = plane.out_wide / 8 * (plane.out_high / 8);
  const double sum =
      plane.copies ? plane.copied_sum * image.components[index].quant[0] : plane.target.dc_sum * forward_factor(0);
  add_offset_of_mean(spec, plane.target, plane.out, blocks, sum / 8 / double(blocks));
}

// Components go in step with each other: rows may have to be held until all of them are past.
Status Viewer::render_planes(const ViewImage& image, const ViewSpec& spec, void* const out[3]) {
  const size_t count = image.components.size();
  for (size_t i = 0; i < count; i++) begin_plane(image, i, spec, out[i]);
  const size_t luma_steps = planes_[0].steps;
  for (size_t step = 0; step < luma_steps; step++) {
    if (Status s = step_plane(0, spec); !s.ok()) return s;
    for (size_t i = 1; i < count; i++) {
      const PlaneWork& plane = planes_[i];
      while (plane.step * luma_steps < (step + 1) * plane.steps && plane.step < plane.steps)
        if (Status s = step_plane(i, spec); !s.ok()) return s;
    }
  }
  end_streams();
  for (size_t i = 0; i < count; i++) end_plane(image, i, spec);
  if (spec.kind == ViewKind::kMcu || count > 1) return {};
  for (size_t i = 1; i < 3; i++) {
    // No chroma is a chroma of zero, which normalisation moves.
    const FrequencyChange change = frequency_change(spec, i);
    const int side = 8 * spec.chroma_step;
    const size_t blocks = size_t(spec.x.out_count / side) * size_t(spec.y.out_count / side);
    BlockTarget target = block_target(spec, i);
    target.out = out[i];
    for (size_t b = 0; b < blocks; b++) finish_block(target, change.bias, b);
  }
  return {};
}

namespace {

// ITU-T T.871 (JFIF), full range; or Y Cb Cr as they are. Behind it the colour change and the channels' scaling.
ColorMatrix color_matrix(const ViewSpec& spec, double mean_luma) {
  constexpr float kToRgb[9] = {1, 0, 1.402f, 1, -0.344136286f, -0.714136286f, 1, 1.772f, 0};
  constexpr float kAsIs[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  const float* const matrix = spec.rgb ? kToRgb : kAsIs;
  const float offset = spec.color.offset + spec.color.offset_of_mean * float(mean_luma);
  ColorMatrix color;
  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < 3; i++)
      color.factor[3 * c + i] = matrix[3 * c + i] * (i == 0 ? spec.color.luma : spec.color.chroma) * spec.scale[c];
    color.offset[c] = (matrix[3 * c] * offset + 128) * spec.scale[c] + spec.bias[c];
  }
  return color;
}

}  // namespace

// Fused over the components: a group of rows of all three is made and written together.
Status Viewer::render_pixels(const ViewImage& image, const ViewSpec& spec, void* out) {
  const size_t lanes = size_t(kernels_->lanes), width = size_t(spec.x.out_count), height = size_t(spec.y.out_count);
  const size_t groups = planes_[0].y.first.size() / lanes;
  const auto group_at = [&](size_t i) { return spec.y.flip ? groups - 1 - i : i; };
  double mean = 0;
  if (spec.color.offset_of_mean != 0) {
    if (Status s = timed(unpack_time_, [&] { return rows_->start(1); }); !s.ok()) return s;
    for (size_t i = 0; i < groups; i++) {
      if (Status s = fill_columns(0, group_at(i)); !s.ok()) return s;
      pixels_.resize(width * lanes);
      kernels_->resample_samples(planes_[0].pixel_plane(), 0, width, pixels_.data());
      const size_t rows = std::min(lanes, height - group_at(i) * lanes);
      for (size_t x = 0; x < width; x++)
        for (size_t row = 0; row < rows; row++) mean += pixels_[x * lanes + row];
    }
    mean /= double(width * height);
    if (Status s = open_plane(image, 0, spec); !s.ok()) return s;
  }
  if (Status s = timed(unpack_time_, [&] { return rows_->start(image.components.size()); }); !s.ok()) return s;
  const ColorMatrix color = color_matrix(spec, mean);
  for (size_t i = 0; i < groups; i++) {
    const size_t row = group_at(i) * lanes;
    PixelPlane planes[3];
    for (size_t c = 0; c < image.components.size(); c++) {
      if (Status s = fill_columns(c, group_at(i)); !s.ok()) return s;
      planes[c] = planes_[c].pixel_plane();
    }
    kernels_->store_pixels(planes, width, std::min(lanes, height - row), color, spec.type,
                           static_cast<uint8_t*>(out) + row * width * 3 * value_bytes(spec.type));
  }
  end_streams();
  return {};
}

Status Viewer::render(const ViewImage& image, const uint8_t* packed, size_t packed_size, Codec codec,
                      const ViewSpec& spec, void* const out[3]) {
  if (Status s = check_view(image, spec); !s.ok()) return s;
  std::vector<Grid> grids;
  for (const ViewComponent& component : image.components) grids.push_back(component.stored);
  if (Status s = timed(unpack_time_, [&] { return packed_rows_.open(packed, packed_size, grids, codec); }); !s.ok())
    return s;
  return render(image, &packed_rows_, spec, out);
}

Status Viewer::render(const ViewImage& image, RowSource* rows, const ViewSpec& spec, void* const out[3]) {
  if (Status s = check_view(image, spec); !s.ok()) return s;
  if (DecodedPixels::fit(image, spec)) return decoded_pixels_.render(image, rows, spec, unpack_time_, out[0]);
  rows_ = rows;
  for (size_t i = 0; i < image.components.size(); i++)
    if (Status s = open_plane(image, i, spec); !s.ok()) return s;
  if (spec.kind == ViewKind::kPixels) return render_pixels(image, spec, out[0]);
  if (Status s = timed(unpack_time_, [&] { return rows_->start(image.components.size()); }); !s.ok()) return s;
  return render_planes(image, spec, out);
}

}  // namespace dctstream
