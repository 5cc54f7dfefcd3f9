// A view: packed coefficients -> a cropped, resized, flipped image, as DCT planes or as pixels.
// Crop, antialiased resize and flip are one linear operator per axis, so the result is exact up to float rounding:
// equal to dequantise -> inverse DCT -> triangle resample (Pillow's and torchvision's antialiased bilinear) -> forward
// DCT. Brightness, contrast, saturation and normalisation are linear too, and fold into the last scaling. Pixels at
// their own size and in their own colours are those of a decoder instead: DecodedPixels.
#pragma once
#include <vector>

#include "base/simd.h"
#include "base/status.h"
#include "view/packed_rows.h"
#include "view/pixels/decoded_pixels.h"
#include "view/row_source.h"
#include "view/view_spec.h"

namespace dctstream {

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
  DecodedPixels decoded_pixels_;
  PackedRows packed_rows_;
  RowSource* rows_ = nullptr;  // of the view being rendered
  double* unpack_time_ = nullptr;
  std::vector<PlaneWork> planes_;
  std::vector<int16_t> blocks_;
  std::vector<float> pixels_;
};

}  // namespace dctstream
