#include "image_reader.h"

#include <cstring>

#include "jpeg/scan.h"

namespace dctstream {

ImageReader::ImageReader(Simd simd) : simd_(simd), baseline_(simd), resizer_(simd), facts_(&baseline_facts_) {}

// What one very large image left is given back: the next thousand do not need it.
void ImageReader::trim() {
  constexpr size_t kKept = 32 << 20;
  if (jpeg_.coefficients.capacity() * sizeof(int16_t) > kKept) std::vector<int16_t>().swap(jpeg_.coefficients);
  for (std::vector<uint8_t>* bytes : {&packed_, &rebuilt_})
    if (bytes->capacity() > kKept) std::vector<uint8_t>().swap(*bytes);
  for (const PlaneStreams& plane : streams_) {
    if (plane.values.capacity() <= kKept) continue;
    streams_.clear();
    break;
  }
}

bool ImageReader::rebuilds(const uint8_t* bytes, size_t size) {
  if (!jpeg_.single_scan) return false;
  rebuilt_.clear();
  rebuilt_.reserve(size + 64);
  const Status status = rebuild_jpeg(bytes, jpeg_.header_bytes, bytes + jpeg_.trailer_start, size - jpeg_.trailer_start,
                                     jpeg_.planes(), simd_, &rebuilt_);
  return status.ok() && rebuilt_.size() == size && std::memcmp(rebuilt_.data(), bytes, size) == 0;
}

Status ImageReader::read(const uint8_t* bytes, size_t size, const ReadOptions& options) {
  trim();
  resized_.file.clear();
  by_own_decoder_ =
      !options.libjpeg_only && baseline_.read(bytes, size, options.limits.max_pixels, &baseline_facts_, &streams_);
  if (!by_own_decoder_) {
    if (Status status = read_jpeg(bytes, size, options.limits, &jpeg_); !status.ok()) return status;
    const std::vector<PlaneView> planes = jpeg_.planes();
    if (streams_.size() != planes.size()) streams_ = std::vector<PlaneStreams>(planes.size());
    for (size_t i = 0; i < planes.size(); i++) gather_streams(planes[i], to_scan_order_for(simd_), &streams_[i]);
  }
  facts_ = by_own_decoder_ ? &baseline_facts_ : &jpeg_;
  const std::vector<PlaneStreams>* planes = &streams_;
  const bool viewable = facts_->color_space == ColorSpace::kGrey || facts_->color_space == ColorSpace::kYCbCr;
  if (options.resize != nullptr && viewable) {
    Status status = packer_.pack(streams_, Codec::kNone, &packed_);
    if (status.ok()) status = resizer_.resize(*facts_, packed_, *options.resize, &resized_);
    if (!status.ok()) return status;
    facts_ = &resized_.facts;
    planes = &resized_.planes;
    rebuildable_ = true;
  } else {
    rebuildable_ = by_own_decoder_ || rebuilds(bytes, size);
  }
  measure_frequencies(*facts_, *planes, simd_, &stats_);
  return packer_.pack(*planes, options.codec, &packed_);
}

}  // namespace dctstream
