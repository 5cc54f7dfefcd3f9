// A view: packed coefficients -> a cropped, resized, flipped image, as DCT planes or as RGB pixels, in float32.
// Crop, antialiased resize and flip are one linear operator per axis, so the result is exact up to float rounding:
// equal to dequantise -> inverse DCT -> triangle resample (Pillow's and torchvision's antialiased bilinear) -> forward
// DCT.
#pragma once
#include <vector>

#include "blocks.h"
#include "pack.h"
#include "simd.h"
#include "status.h"

namespace dctstream {

// One axis of a view, in luma pixels. The box is scaled to `scaled_size` pixels, of which `out_count` from `out_start`
// on are produced: RandomResizedCrop takes a random box and the whole result, resize + centre crop the whole image and
// the middle of the result. Taps never leave the box, as if the box were cut out before it is resized.
struct ViewAxis {
  double box_start = 0, box_end = 0;
  double scaled_size = 0, out_start = 0;
  int out_count = 0;
  bool flip = false;
};

enum class ViewKind {
  kDct,  // y [h/8, w/8, 64], cb and cr [h/16, w/16, 64]: dequantised, natural order, level-shifted by -128
  kRgb,  // [h, w, 3], 0..255 before scale and bias, neither rounded nor clipped
  // As kDct for a size of any numbers and chroma of any step: each component [blocks high, blocks wide, 64], in whole
  // MCUs, the edge repeated where the image ends.
  kMcu,
};

struct ViewSpec {
  ViewKind kind = ViewKind::kDct;
  ViewAxis x, y;
  float scale[3] = {1, 1, 1}, bias[3] = {0, 0, 0};  // kRgb: value * scale + bias per channel
  int chroma_step = 1;                              // kMcu: luma samples per chroma sample on each axis, 1 or 2
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

// Luma samples per chroma sample on each axis of a kDct view: 28 x 28 luma blocks go with 14 x 14 chroma blocks.
constexpr int kDctChromaStep = 2;

// Blocks of a kMcu view's component on an axis of `size` luma pixels; `step` is 1 for luma, chroma_step for chroma.
constexpr uint32_t mcu_blocks(int size, int step, int chroma_step) {
  return ceil_div(uint32_t(size), 8 * uint32_t(chroma_step)) * uint32_t(chroma_step / step);
}

struct ViewKernels;

// The taps of one output axis over one plane.
struct AxisTaps {
  int in_start = 0, in_end = 0;   // input samples touched by any output
  int taps = 0;                   // stride of `weights`
  std::vector<int> first, count;  // per output, first relative to the plane
  std::vector<float> weights;     // [out][taps]
};

class Viewer {
 public:
  explicit Viewer(Simd simd);

  // Fills out[0..2] (kRgb: only out[0]). A grey image has zero chroma; with kMcu it has none.
  // CORRUPT_RECORD from damaged bytes; INVALID_ARGUMENT when the box leaves the image or the size does not fit the
  // kind.
  Status render(const ViewImage& image, const uint8_t* packed, size_t packed_size, Codec codec, const ViewSpec& spec,
                float* const out[3]);

 private:
  Status render_plane(const ViewImage& image, size_t component, const ViewSpec& spec, int step, int mcu);
  void store_blocks(size_t component, size_t blocks_wide, size_t blocks_high, float* out) const;
  void store_rgb(const ViewSpec& spec, size_t components, float* out) const;

  const ViewKernels* kernels_;
  Unpacker unpacker_;
  AxisTaps taps_x_, taps_y_;
  std::vector<int16_t> blocks_;
  std::vector<float> columns_, resampled_, transposed_;
  std::vector<float> planes_[3];  // [w, pitch of h]: transposed results
};

}  // namespace dctstream
