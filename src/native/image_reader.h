// A JPEG's bytes -> everything that a record holds of it: read by our own decoder or by libjpeg, resized where asked,
// packed, measured, and found to be rebuildable or not.
#pragma once
#include <vector>

#include "jpeg/baseline.h"
#include "jpeg/frequency_stats.h"
#include "jpeg/jpeg.h"
#include "packed/pack.h"
#include "view/resize.h"

namespace dctstream {

struct ReadOptions {
  JpegLimits limits;
  Codec codec = Codec::kZstd;
  bool libjpeg_only = false;              // leave our own decoder out
  const ResizeOptions* resize = nullptr;  // applied to grey and YCbCr images
};

// Its results stay until the next call; its buffers keep their capacity from image to image.
class ImageReader {
 public:
  explicit ImageReader(Simd simd);

  // Fails as read_jpeg does.
  Status read(const uint8_t* bytes, size_t size, const ReadOptions& options);

  const JpegFacts& facts() const { return *facts_; }
  const FrequencyStats& stats() const { return stats_; }
  const std::vector<uint8_t>& packed() const { return packed_; }
  bool by_own_decoder() const { return by_own_decoder_; }
  // Whether header, scan coded anew and trailer are the file again.
  bool rebuildable() const { return rebuildable_; }
  // The resized image as a file, which everything above is of then; empty when nothing was resized.
  const std::vector<uint8_t>& resized_file() const { return resized_.file; }

 private:
  bool rebuilds(const uint8_t* bytes, size_t size);
  void trim();

  Simd simd_;
  BaselineReader baseline_;
  Resizer resizer_;
  Packer packer_;
  JpegFacts baseline_facts_;
  Jpeg jpeg_;
  std::vector<PlaneStreams> streams_;
  ResizedJpeg resized_;
  std::vector<uint8_t> packed_, rebuilt_;
  const JpegFacts* facts_;
  FrequencyStats stats_;
  bool by_own_decoder_ = false, rebuildable_ = false;
};

}  // namespace dctstream
