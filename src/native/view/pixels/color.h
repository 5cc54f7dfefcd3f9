// Rows of luma and chroma -> pixels of three values: 8-bit RGB as libjpeg converts it, or Y Cb Cr as they are; and
// their scaling to floats.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/simd.h"

namespace dctstream {

// Kernels read kColorSlack bytes around the rows that they are given; they write their pixels alone.
constexpr size_t kColorSlack = 32;

struct ColorRow {
  const uint8_t *y = nullptr, *cb = nullptr, *cr = nullptr;
  size_t width = 0;
  bool mirrored = false;  // the last pixel comes first
};

// What becomes of an 8-bit value in each channel: value * scale + bias, rounded once.
struct ChannelScaling {
  float scale[24] = {}, bias[24] = {};  // of eight pixels, as vectors take them
  float of[256][3] = {};

  // Does nothing when it is of these already.
  void set(const float scales[3], const float biases[3]);
};

struct ColorKernels {
  // Past the caches when `streams`; `out` and the row's length are multiples of 32 bytes then.
  void (*rgb)(const ColorRow& row, bool streams, uint8_t* out);
  void (*as_is)(const ColorRow& row, bool streams, uint8_t* out);
  // `width` pixels of three values; `streams` as above.
  void (*to_floats)(const uint8_t* pixels, size_t width, const ChannelScaling& scaling, bool streams, float* out);
};

// kScalar is the truth that the tests hold the others against, bit for bit.
const ColorKernels* color_kernels_for(Simd level);

}  // namespace dctstream
