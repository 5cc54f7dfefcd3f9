// What a view is asked for and what it is made of: plain data, and what both say about blocks.
#pragma once
#include <vector>

#include "base/blocks.h"
#include "base/status.h"
#include "packed/pack.h"
#include "view/resample.h"

namespace dctstream {

enum class ViewKind {
  kDct,  // y [h/8, w/8, 64], cb and cr [h/8/step, w/8/step, 64]: dequantised, natural order, level-shifted by -128
  // [h, w, 3]: at their own size and in their own colours whole numbers of 0..255 as a decoder gives them; otherwise
  // neither rounded nor clipped in float.
  kPixels,
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

}  // namespace dctstream
