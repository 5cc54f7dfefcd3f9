// Subsampled chroma -> chroma for every pixel, in whole numbers: linear between the samples' centres, which libjpeg
// calls fancy upsampling, rounded as it rounds.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/simd.h"

namespace dctstream {

// Kernels read kUpsampleSlack bytes around the samples, of which those next to the first and the last count: they stand
// for what is not there and repeat those. They write room for whole steps of as many pixels.
constexpr size_t kUpsampleSlack = 32;

struct UpsampleKernels {
  // `count` samples -> 2 * count pixels.
  void (*wide)(const uint8_t* row, size_t count, uint8_t* out);
  // The row nearest to a row of pixels and the next nearest -> `count` pixels; `rounding` is 1 where that lies above
  // and 2 where it lies below.
  void (*tall)(const uint8_t* near, const uint8_t* far, int rounding, size_t count, uint8_t* out);
  // The same two -> 2 * count pixels.
  void (*both)(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out);
};

// kScalar is the truth that the tests hold the others against, byte for byte.
const UpsampleKernels* upsample_kernels_for(Simd level);

}  // namespace dctstream
