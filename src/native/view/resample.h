// Antialiased resampling along one axis, as weights: the triangle filter of Pillow and torchvision.
#pragma once
#include <cstddef>
#include <vector>

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

// What an axis does to one plane: `plane_size` samples, `density` of them per luma pixel, and one output per `step`
// luma outputs. From the last output on, up to `padded` outputs, the last one is repeated.
struct PlaneAxis {
  ViewAxis axis;
  double density = 1;
  int plane_size = 0, step = 1;
  size_t padded = 0;
};

// Samples of a plane.
struct SampleRange {
  int start = 0, end = 0;
};

// The samples that any output touches, as the taps have them.
SampleRange samples_touched(const PlaneAxis& plane);

// The taps of every output over one plane: output j is the sum over k < taps of weights[k * stride + j] times the
// plane's sample first[j] + k.
struct AxisTaps {
  int in_start = 0, in_end = 0;  // samples_touched
  int taps = 0;
  size_t stride = 0;
  std::vector<int> first;  // per output
  std::vector<float> weights;

  // Every output before the padding is one sample: in_start + j, or in_end - 1 - j when flipped.
  bool copies = false;

  PlaneAxis made_for;
  std::vector<float> offset, total;  // scratch of compute_taps
};

// Centres are computed in double, as Pillow does. Does nothing when `taps` were made for the same.
void compute_taps(const PlaneAxis& plane, AxisTaps* taps);

}  // namespace dctstream
