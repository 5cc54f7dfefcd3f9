// Pixels of views that change no pixel: cut out and mirrored at most, at their own size and in their own colours. They
// are what a decoder gives, 8-bit numbers, made in whole numbers by what decoders do: inverse DCT, upsampling, colour.
// Everything else is resampled in float, by the kernels of view_kernels.h.
#pragma once
#include <vector>

#include "view/pixels/color.h"
#include "view/pixels/inverse_dct.h"
#include "view/pixels/upsample.h"
#include "view/plane_axes.h"
#include "view/row_source.h"

namespace dctstream {

class DecodedPixels {
 public:
  explicit DecodedPixels(Simd simd);

  // Whether a view, which check_view finds nothing wrong with, is one of these. Chroma may be halved on either axis.
  static bool fit(const ViewImage& image, const ViewSpec& spec);

  // Fills `out` as Viewer::render does, from rows on which nothing has been called yet. `unpack_time`: null, or what
  // the nanoseconds of reading rows are added to.
  Status render(const ViewImage& image, RowSource* rows, const ViewSpec& spec, double* unpack_time, void* out);

 private:
  // Rows of the image that one row of luma blocks holds: they are made together.
  static constexpr int kBandRows = 8;

  // A component: the last block rows that were read, as samples, and its rows of a band as pixels.
  struct Plane {
    const uint16_t* quant = nullptr;
    size_t blocks_wide = 0;
    SampleRange columns, rows;  // that the view needs
    int base_column = 0;        // sample that the ring's rows begin with
    int end_row = 0;            // rows read so far
    bool half_wide = false, half_high = false;
    size_t pitch = 0, upsampled_pitch = 0;
    std::vector<uint8_t> ring;       // [kRingRows][pitch]
    std::vector<uint8_t> upsampled;  // [kBandRows][upsampled_pitch]
    const uint8_t* pixels[kBandRows];

    uint8_t* row(int index);  // its first sample of those that the view needs
  };

  Status open(const ViewImage& image, const ViewSpec& spec, size_t component);
  Status read_to(size_t component, int row);
  Status make_band(size_t component, int x, int y, int count);
  void upsample_band(Plane* plane, int y, int count);
  void store_band(const ViewSpec& spec, int row, int count, void* out);

  const InverseDct inverse_;
  const UpsampleKernels* const upsample_;
  const ColorKernels* const color_;
  RowSource* rows_ = nullptr;  // of the view being rendered
  double* unpack_time_ = nullptr;
  Plane planes_[3];
  std::vector<uint8_t> no_chroma_, pixels_;
  ChannelScaling scaling_;
};

}  // namespace dctstream
