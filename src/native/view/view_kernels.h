// The loops of a view: dequantising, transforms, resampling and storing, for one instruction set each.
#pragma once
#include "base/simd.h"
#include "view/resample.h"
#include "view/view_spec.h"

namespace dctstream {

// Where rows of blocks go, and how their values are finished.
struct BlockTarget {
  void* out = nullptr;  // of the first block of the group
  size_t blocks_wide = 0;
  int block_rows = 0;                             // of the group, that exist
  const float *scale = nullptr, *bias = nullptr;  // [8][lanes]
  bool direct = true;  // all 64 frequencies as float32; otherwise `finish` is called per block
  void (*finish)(const BlockTarget&, const float* block, size_t index) = nullptr;
  SampleType type = SampleType::kFloat32;
  const uint8_t* kept = nullptr;
  int kept_count = kBlockSize;
  double dc_sum = 0;  // of the unscaled results, added to
};

// Y Cb Cr, centred on zero -> three channels: factor is [3][3].
struct ColorMatrix {
  float factor[9];
  float offset[3];
};

// A group of rows of a component, as columns of samples, and what resamples them; no columns: all zero.
struct PixelPlane {
  const float* columns = nullptr;
  const AxisTaps* axis = nullptr;
  int base = 0;
};

struct ViewKernels {
  int lanes;
  void (*inverse_rows)(const int16_t* blocks, size_t groups, const float* table, float* strips, size_t strip_pitch);
  void (*resample_columns)(const float* strips, size_t strip_pitch, size_t groups, const AxisTaps& axis, size_t row,
                           int base, float* columns);
  void (*store_blocks)(const float* columns, const AxisTaps& axis, int base, BlockTarget* target);
  void (*resample_samples)(const PixelPlane& plane, size_t j, size_t count, float* out);
  void (*store_pixels)(const PixelPlane planes[3], size_t width, size_t rows, const ColorMatrix& color, SampleType type,
                       void* out);
  void (*dequantise)(const int16_t* blocks, size_t count, const float* scale, const float* bias, bool streams,
                     float* out);
};

// Every level gives the same up to the order of additions.
const ViewKernels* view_kernels_for(Simd level);

// Stores that went past the caches are seen by other threads in their turn again.
void end_streams();

}  // namespace dctstream
