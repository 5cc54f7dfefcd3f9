#include "view/resample.h"

#include <algorithm>
#include <cmath>

namespace dctstream {

namespace {

bool same(const PlaneAxis& a, const PlaneAxis& b) {
  return a.axis.box_start == b.axis.box_start && a.axis.box_end == b.axis.box_end &&
         a.axis.scaled_size == b.axis.scaled_size && a.axis.out_start == b.axis.out_start &&
         a.axis.out_count == b.axis.out_count && a.axis.flip == b.axis.flip && a.density == b.density &&
         a.plane_size == b.plane_size && a.step == b.step && a.padded == b.padded;
}

// Where the taps of an axis lie.
struct Placing {
  int count;           // outputs, without the padding
  double scale;        // samples from output to output
  double support;      // samples on either side of a centre that are in reach
  double origin;       // where the first output begins
  int low, high;       // samples of the box
  bool whole, copies;  // every output is one sample; of the box, too
  int taps;

  explicit Placing(const PlaneAxis& plane) {
    const auto& [axis, density, plane_size, step, padded] = plane;
    count = (axis.out_count + step - 1) / step;
    const double luma_scale = (axis.box_end - axis.box_start) / axis.scaled_size;
    scale = luma_scale * density * step;
    support = std::max(scale, 1.0);
    low = std::clamp(int(std::floor(axis.box_start * density)), 0, plane_size - 1);
    high = std::clamp(int(std::ceil(axis.box_end * density)), low + 1, plane_size);
    origin = (axis.box_start + axis.out_start * luma_scale) * density;
    // At scale 1 on whole samples every output is one sample. The last one may lie outside an odd plane.
    whole = scale == 1.0 && origin == std::floor(origin);
    copies = whole && origin >= low && origin + count <= high;
    // The open interval of 2 * support samples around a centre holds at most so many sample centres.
    const int wanted = whole ? 1 : int(std::ceil(2 * support - 1e-9));
    taps = std::min(wanted, high - low);
  }

  double centre(int j) const { return origin + (j + 0.5) * scale; }
  // Sample x is in reach of a centre when |x + 0.5 - centre| < support. Near the box's ends the taps move inwards;
  // those that lie out of reach weigh nothing.
  int first(int j) const {
    const int at = whole ? int(origin) + j : int(std::floor(centre(j) - support - 0.5)) + 1;
    return std::clamp(at, low, high - taps);
  }
};

}  // namespace

SampleRange samples_touched(const PlaneAxis& plane) {
  const Placing placing(plane);
  return {placing.first(0), placing.first(placing.count - 1) + placing.taps};
}

void compute_taps(const PlaneAxis& plane, AxisTaps* taps) {
  if (same(plane, taps->made_for)) return;
  taps->made_for = plane;
  const Placing placing(plane);
  const int count = placing.count;
  const size_t padded = plane.padded;
  taps->copies = placing.copies;
  taps->taps = placing.taps;
  taps->stride = padded;
  taps->first.resize(padded);
  taps->weights.resize(padded * size_t(taps->taps));

  std::vector<float>& offset = taps->offset;  // of the first tap from its centre
  std::vector<float>& total = taps->total;
  offset.resize(size_t(count));
  total.assign(size_t(count), 0.0f);
  for (int j = 0; j < count; j++) {
    const size_t at = size_t(plane.axis.flip ? count - 1 - j : j);
    taps->first[at] = placing.first(j);
    offset[at] = float(taps->first[at] + 0.5 - placing.centre(j));
  }
  const float inverse = float(1.0 / placing.support);
  for (int k = 0; k < taps->taps; k++) {
    float* const weights = taps->weights.data() + size_t(k) * padded;
    for (int j = 0; j < count; j++) {
      weights[j] = std::max(0.0f, 1.0f - std::abs(offset[size_t(j)] + float(k)) * inverse);
      total[size_t(j)] += weights[j];
    }
  }
  for (int j = 0; j < count; j++) {
    // Outside the plane's last sample (an odd size, subsampled) nothing is in reach: the nearest sample stands in.
    if (total[size_t(j)] <= 0) taps->weights[size_t(taps->taps - 1) * padded + size_t(j)] = total[size_t(j)] = 1;
    total[size_t(j)] = 1.0f / total[size_t(j)];
  }
  for (int k = 0; k < taps->taps; k++) {
    float* const weights = taps->weights.data() + size_t(k) * padded;
    for (int j = 0; j < count; j++) weights[j] *= total[size_t(j)];
    for (size_t j = size_t(count); j < padded; j++) weights[j] = weights[count - 1];
  }
  std::fill(taps->first.begin() + count, taps->first.end(), taps->first[size_t(count) - 1]);
  taps->in_start = placing.first(0);
  taps->in_end = placing.first(count - 1) + taps->taps;
}

}  // namespace dctstream
