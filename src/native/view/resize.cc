#include "view/resize.h"

#include <algorithm>
#include <cmath>

#include "jpeg/encode.h"
#include "jpeg/scan.h"
#include "jpeg/scan_header.h"

namespace dctstream {
namespace {

// One axis: the whole side, scaled, of which the centre or everything is kept.
ViewAxis plan_axis(int side, int shorter, const ResizeOptions& options) {
  ViewAxis axis;
  axis.box_end = side;
  // In integers: torchvision's int(size * long / short).
  const int64_t scaled = int64_t(options.shorter_side) * side / shorter;
  axis.scaled_size = double(std::max<int64_t>(scaled, 1));
  axis.out_count = options.crop > 0 ? options.crop : int(axis.scaled_size);
  // torchvision's CenterCrop: half a pixel rounds to the even side.
  axis.out_start = std::nearbyint((axis.scaled_size - axis.out_count) / 2.0);
  return axis;
}

// The header libjpeg writes for such an image: its tables for the quality, the standard Huffman tables.
Status make_header(const ResizeOptions& options, bool grey, int width, int height, std::vector<uint8_t>* header,
                   ScanHeader* parsed) {
  EncodeOptions encode;
  encode.quality = options.quality;
  encode.luma_h = encode.luma_v = grey ? 1 : options.chroma_step;
  const uint8_t pixel[3] = {128, 128, 128};
  std::vector<uint8_t> file;
  if (Status status = encode_jpeg(pixel, 1, 1, grey ? 1 : 3, encode, &file); !status.ok()) return status;
  if (Status status = parse_scan_header(file.data(), file.size(), parsed); !status.ok()) return status;
  header->assign(file.begin(), file.begin() + long(parsed->end));
  // The frame segment is the only place that knows the size.
  for (size_t at = 2; at + 9 <= header->size(); at += 2 + (size_t((*header)[at + 2]) << 8 | (*header)[at + 3])) {
    if ((*header)[at + 1] != 0xc0) continue;
    uint8_t* p = header->data() + at + 5;
    p[0] = uint8_t(height >> 8);
    p[1] = uint8_t(height);
    p[2] = uint8_t(width >> 8);
    p[3] = uint8_t(width);
  }
  parsed->width = width;
  parsed->height = height;
  return {};
}

// Baseline Huffman tables have no codes beyond these.
constexpr float kLargest = 1023.0f;

void quantise(const std::vector<float>& values, const uint16_t* quant, int16_t* out) {
  float reciprocal[kBlockSize];
  for (int k = 0; k < kBlockSize; k++) reciprocal[k] = 1.0f / float(quant[k]);
  for (size_t block = 0; block < values.size(); block += kBlockSize, out += kBlockSize) {
    for (int k = 0; k < kBlockSize; k++) {
      const float value = std::nearbyint(values[block + k] * reciprocal[k]);
      out[k] = int16_t(std::min(std::max(value, -kLargest), kLargest));
    }
  }
}

ViewImage view_image_of(const JpegFacts& facts) {
  ViewImage image;
  image.width = facts.width;
  image.height = facts.height;
  for (const JpegComponent& c : facts.components) image.components.push_back({c.h, c.v, c.stored, c.quant});
  return image;
}

}  // namespace

Resizer::Resizer(Simd simd) : simd_(simd), viewer_(simd), to_scan_order_(to_scan_order_for(simd)) {}

Status Resizer::resize(const JpegFacts& facts, const std::vector<uint8_t>& packed, const ResizeOptions& options,
                       ResizedJpeg* out) {
  const int shorter = std::min(facts.width, facts.height);
  ViewSpec spec;
  spec.kind = ViewKind::kMcu;
  spec.chroma_step = options.chroma_step;
  spec.x = plan_axis(facts.width, shorter, options);
  spec.y = plan_axis(facts.height, shorter, options);
  const int width = spec.x.out_count, height = spec.y.out_count;
  if (width > kMaxSide || height > kMaxSide)
    return Status::failure(Code::kTooManyPixels, "resized, the image would be larger than a JPEG can be");

  const bool grey = facts.components.size() == 1;
  const int step = grey ? 1 : options.chroma_step;
  ScanHeader header;
  std::vector<uint8_t> header_bytes;
  if (Status status = make_header(options, grey, width, height, &header_bytes, &header); !status.ok()) return status;

  out->facts = JpegFacts{};
  out->facts.width = width;
  out->facts.height = height;
  out->facts.color_space = grey ? ColorSpace::kGrey : ColorSpace::kYCbCr;
  out->facts.warnings = facts.warnings;
  out->facts.components.resize(facts.components.size());
  void* targets[3] = {};
  size_t values = 0;
  for (size_t i = 0; i < facts.components.size(); i++) {
    JpegComponent& component = out->facts.components[i];
    component.h = component.v = i == 0 ? step : 1;
    component.blocks_wide = ceil_div(ceil_div(uint32_t(width), uint32_t(i == 0 ? 1 : step)), 8);
    component.blocks_high = ceil_div(ceil_div(uint32_t(height), uint32_t(i == 0 ? 1 : step)), 8);
    component.stored = {mcu_blocks(width, i == 0 ? 1 : step, step), mcu_blocks(height, i == 0 ? 1 : step, step)};
    std::copy_n(header.quant[header.component[i].quant_table], kBlockSize, component.quant);
    planes_[i].resize(component.stored.blocks() * kBlockSize);
    targets[i] = planes_[i].data();
    values += planes_[i].size();
  }
  const ViewImage image = view_image_of(facts);
  if (Status status = viewer_.render(image, packed.data(), packed.size(), Codec::kNone, spec, targets); !status.ok())
    return status;

  quantised_.resize(values);
  std::vector<PlaneView> planes;
  int16_t* plane = quantised_.data();
  if (out->planes.size() != facts.components.size()) out->planes = std::vector<PlaneStreams>(facts.components.size());
  for (size_t i = 0; i < facts.components.size(); i++) {
    const JpegComponent& component = out->facts.components[i];
    quantise(planes_[i], component.quant, plane);
    planes.push_back({component.stored, plane});
    gather_streams(planes.back(), to_scan_order_, &out->planes[i]);
    plane += planes_[i].size();
  }
  const uint8_t end_of_image[2] = {0xff, 0xd9};
  out->file.clear();
  out->facts.header_bytes = header_bytes.size();
  const Status status = rebuild_jpeg(header_bytes.data(), header_bytes.size(), end_of_image, sizeof(end_of_image),
                                     planes, simd_, &out->file);
  out->facts.trailer_start = out->file.size() - sizeof(end_of_image);
  return status;
}

}  // namespace dctstream
