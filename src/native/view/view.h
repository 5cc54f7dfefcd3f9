// A view: packed coefficients -> a cropped, resized, flipped image, as DCT planes or as pixels.
// Crop, antialiased resize and flip are one linear operator per axis, so the result is exact up to float rounding:
// equal to dequantise -> inverse DCT -> triangle resample (Pillow's and torchvision's antialiased bilinear) -> forward
// DCT. Brightness, contrast, saturation and normalisation are linear too, and fold into the last scaling.
#pragma once
#include <vector>

#include "base/blocks.h"
#include "base/simd.h"
#include "base/status.h"
#include "view/packed_rows.h"
#include "view/resample.h"
#include "view/row_source.h"

namespace dctstream {

enum class ViewKind {
  kDct,     // y [h/8, w/8, 64], cb and cr [h/8/step, w/8/step, 64]: dequantised, natural order, level-shifted by -128
  kPixels,  // [h, w, 3], neither rounded nor clipped in float
  // As kDct for a size of any numbers: each component [blocks high, blocks wide, 64], in whole MCUs, the edge repeated
  // where the image ends. A grey image has no chroma planes.
  kMcu,
};

enum class SampleType { kFloat32, kInt16, kUint8 };

constexpr size_t value_bytes(SampleType type) {
  return type == SampleType::kFloat32 ? 4 : type == SampleType::kInt16 ? 2 : 1;
}

// int16 coefficients are in sixteenths: half a step is 96 dB below the largest coefficient.
constexpr float kInt16Steps = 16;

// What happens to the values, in this order. Factors apply to the spatial samples, the level shift taken off.
struct ColorChange {
  float luma = 1, chroma = 1;  // factors
  float offset = 0;            // added to luma, in grey levels
  float offset_of_mean = 0;    // this times the view's mean luma, minus 128, is added too
};

struct ViewSpec {
  ViewKind kind = ViewKind::kDct;
  SampleType type = SampleType::kFloat32;
  ViewAxis x, y;
  int chroma_step = 1;  // kDct, kMcu: luma samples per chroma sample on each axis, 1 or 2
  ColorChange color;
  // kPixels: RGB, or Y Cb Cr with chroma centred on 128. Per channel, value * scale + bias, of values in 0..255.
  bool rgb = true;
  float scale[3] = {1, 1, 1}, bias[3] = {0, 0, 0};
  // kDct: per component and frequency, coefficient * scale + bias; null: as it is. [3][64]
  const float* frequency_scale = nullptr;
  const float* frequency_bias = nullptr;
  // kDct: which frequencies are kept, in their order; null: all 64.
  const uint8_t* kept[3] = {};
  int kept_count[3] = {kBlockSize, kBlockSize, kBlockSize};
};

struct ViewComponent {
  int h = 1, v = 1;
  Grid stored;
  const uint16_t* quant = nullptr;  // 64, natural order
};

struct ViewImage {
  int width = 0, height = 0;
  std::vector<ViewComponent> components;  // Y, or Y Cb Cr
};

// Blocks of a kMcu view's component on an axis of `size` luma pixels; `step` is 1 for luma, chroma_step for chroma.
constexpr uint32_t mcu_blocks(int size, int step, int chroma_step) {
  return ceil_div(uint32_t(size), 8 * uint32_t(chroma_step)) * uint32_t(chroma_step / step);
}

// The blocks of each component that a view needs, from the same taps that it is rendered with. INVALID_ARGUMENT where
// Viewer::render would say so.
Status blocks_of_view(const ViewImage& image, const ViewSpec& spec, BlockRange ranges[3]);

struct ViewKernels;
struct PlaneWork;

class Viewer {
 public:
  explicit Viewer(Simd simd);
  ~Viewer();
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;

  // Fills out[0..2] (kPixels: only out[0]) with values of the spec's type. A grey image has zero chroma; with kMcu it
  // has none. CORRUPT_RECORD from damaged bytes; INVALID_ARGUMENT when the box leaves the image or the size does not
  // fit the kind.
  Status render(const ViewImage& image, const uint8_t* packed, size_t packed_size, Codec codec, const ViewSpec& spec,
                void* const out[3]);

  // The same of rows from elsewhere, bit for bit. What they fail with comes back.
  Status render(const ViewImage& image, RowSource* rows, const ViewSpec& spec, void* const out[3]);

  // Adds the nanoseconds that the next renders spend on unpacking to `*nanoseconds`; null: they are not timed.
  void time_unpacking(double* nanoseconds) { unpack_time_ = nanoseconds; }

 private:
  template <typename Work>
  Status unpacking(Work work);
  Status open_plane(const ViewImage& image, size_t component, const ViewSpec& spec);
  Status read_rows(size_t component, int end);
  Status fill_columns(size_t component, size_t group);
  Status render_planes(const ViewImage& image, const ViewSpec& spec, void* const out[3]);
  void begin_plane(const ViewImage& image, size_t component, const ViewSpec& spec, void* out);
  Status step_plane(size_t component, const ViewSpec& spec);
  Status copy_row(size_t component, const ViewSpec& spec, size_t row);
  void end_plane(const ViewImage& image, size_t component, const ViewSpec& spec);
  Status render_pixels(const ViewImage& image, const ViewSpec& spec, void* out);

  const ViewKernels* kernels_;
  PackedRows packed_rows_;
  RowSource* rows_ = nullptr;  // of the view being rendered
  double* unpack_time_ = nullptr;
  std::vector<PlaneWork> planes_;
  std::vector<int16_t> blocks_;
  std::vector<float> pixels_;
};

}  // namespace dctstream
