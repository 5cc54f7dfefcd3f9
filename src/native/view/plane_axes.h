// What a view does to each component on each axis, and which of its blocks that takes: geometry, before any sample is
// touched.
#pragma once
#include "view/resample.h"
#include "view/view_spec.h"

namespace dctstream {

// INVALID_ARGUMENT for what no image or no view can be; the rest of the kernel relies on it.
Status check_view(const ViewImage& image, const ViewSpec& spec);

// What both axes do to a component; `rows_padded`: its rows are rounded up to a multiple of that.
struct PlaneAxes {
  PlaneAxis x, y;
  size_t out_wide, out_high;

  PlaneAxes(const ViewImage& image, const ViewSpec& spec, size_t index, size_t rows_padded);

  // Those that a tap of an output lies in.
  BlockRange blocks() const;
};

}  // namespace dctstream
