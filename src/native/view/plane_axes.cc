#include "view/plane_axes.h"

#include <algorithm>
#include <cmath>

namespace dctstream {
namespace {

Status invalid(const char* what) { return Status::failure(Code::kInvalidArgument, what); }

int max_sampling(const ViewImage& image, int ViewComponent::*factor) {
  int largest = 1;
  for (const ViewComponent& component : image.components) largest = std::max(largest, component.*factor);
  return largest;
}

bool axis_is_valid(const ViewAxis& axis, int image_size) {
  const bool finite = std::isfinite(axis.box_start) && std::isfinite(axis.box_end) && std::isfinite(axis.scaled_size) &&
                      std::isfinite(axis.out_start);
  return finite && axis.box_start >= 0 && axis.box_end <= image_size && axis.box_start < axis.box_end &&
         axis.scaled_size >= 1 && axis.out_start >= 0 && axis.out_count >= 1 &&
         axis.out_start + axis.out_count <= std::ceil(axis.scaled_size);
}

// Luma samples per sample of a component that is made of it.
int step_of(const ViewImage& image, const ViewSpec& spec, size_t component) {
  const bool grey = image.components.size() == 1;
  if (component == 0 || spec.kind == ViewKind::kPixels || grey) return 1;
  return spec.chroma_step;
}

// The blocks that a component's sides are rounded up to.
int blocks_per_mcu(const ViewImage& image, const ViewSpec& spec, size_t component) {
  if (spec.kind != ViewKind::kMcu || image.components.size() == 1) return 1;
  return spec.chroma_step / step_of(image, spec, component);
}

}  // namespace

Status check_view(const ViewImage& image, const ViewSpec& spec) {
  if (image.width < 1 || image.height < 1) return invalid("the image has no pixels");
  if (image.width > 65535 || image.height > 65535) return invalid("no JPEG has a side of more than 65,535 pixels");
  if (image.components.size() != 1 && image.components.size() != 3) return invalid("a view needs 1 or 3 components");
  if (!axis_is_valid(spec.x, image.width) || !axis_is_valid(spec.y, image.height)) {
    return invalid("the box leaves the image, or the output leaves the scaled box");
  }
  if (spec.chroma_step != 1 && spec.chroma_step != 2) return invalid("chroma is sampled at 1 or 2");
  const int unit = 8 * spec.chroma_step;
  if (spec.kind == ViewKind::kDct && (spec.x.out_count % unit != 0 || spec.y.out_count % unit != 0)) {
    return invalid("a DCT view's sides must be whole blocks");
  }
  const SampleType narrow = spec.kind == ViewKind::kPixels ? SampleType::kUint8 : SampleType::kInt16;
  if (spec.type != SampleType::kFloat32 && (spec.type != narrow || spec.kind == ViewKind::kMcu))
    return invalid("coefficients are float32 or int16, pixels float32 or uint8");
  const int h_max = max_sampling(image, &ViewComponent::h), v_max = max_sampling(image, &ViewComponent::v);
  for (const ViewComponent& component : image.components) {
    if (component.h < 1 || component.v < 1 || component.h > 4 || component.v > 4)
      return invalid("impossible sampling factors");
    const uint32_t wide = ceil_div(uint32_t(image.width) * component.h, h_max),
                   high = ceil_div(uint32_t(image.height) * component.v, v_max);
    if (component.stored.blocks_wide * 8 < wide || component.stored.blocks_high * 8 < high) {
      return invalid("a component's grid is smaller than the image");
    }
  }
  return {};
}

PlaneAxes::PlaneAxes(const ViewImage& image, const ViewSpec& spec, size_t index, size_t rows_padded) {
  const ViewComponent& component = image.components[index];
  const int step = step_of(image, spec, index);
  const size_t side = size_t(blocks_per_mcu(image, spec, index)) * 8;
  out_wide = round_up(ceil_div(uint32_t(spec.x.out_count), uint32_t(step)), side);
  out_high = round_up(ceil_div(uint32_t(spec.y.out_count), uint32_t(step)), side);
  const int h_max = max_sampling(image, &ViewComponent::h), v_max = max_sampling(image, &ViewComponent::v);
  const int plane_width = int(ceil_div(uint32_t(image.width) * component.h, h_max));
  const int plane_height = int(ceil_div(uint32_t(image.height) * component.v, v_max));
  x = {spec.x, double(component.h) / h_max, plane_width, step, out_wide};
  y = {spec.y, double(component.v) / v_max, plane_height, step, round_up(out_high, rows_padded)};
}

BlockRange PlaneAxes::blocks() const {
  const SampleRange columns = samples_touched(x), rows = samples_touched(y);
  return {uint32_t(rows.start) / 8, ceil_div(uint32_t(rows.end), 8), uint32_t(columns.start) / 8,
          ceil_div(uint32_t(columns.end), 8)};
}

Status blocks_of_view(const ViewImage& image, const ViewSpec& spec, BlockRange ranges[3]) {
  if (Status s = check_view(image, spec); !s.ok()) return s;
  for (size_t i = 0; i < image.components.size(); i++) ranges[i] = PlaneAxes(image, spec, i, 1).blocks();
  return {};
}

}  // namespace dctstream
