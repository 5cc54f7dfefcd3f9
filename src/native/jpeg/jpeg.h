// JPEG bytes -> quantised coefficients, through libjpeg. Knows nothing of packing, views or JavaScript.
#pragma once
#include <string>
#include <vector>

#include "base/blocks.h"
#include "base/status.h"

namespace dctstream {

enum class ColorSpace { kGrey, kYCbCr, kRgb, kCmyk, kYcck, kUnknown };

// In that order.
constexpr const char* kColorSpaceNames[] = {"grey", "ycbcr", "rgb", "cmyk", "ycck", "unknown"};

struct JpegComponent {
  int h = 1, v = 1;          // sampling factors
  uint32_t blocks_wide = 0;  // blocks that hold image samples: libjpeg's width_in_blocks
  uint32_t blocks_high = 0;
  Grid stored;                 // the grid of the coefficients, MCU padding included
  uint16_t quant[kBlockSize];  // quantisation table, natural order
};

// Everything about a file but its coefficients.
struct JpegFacts {
  int width = 0, height = 0;
  ColorSpace color_space = ColorSpace::kUnknown;
  bool progressive = false, arithmetic = false;
  long warnings = 0;  // libjpeg's count of recoverable defects
  std::string first_warning;
  size_t header_bytes = 0;   // up to and including the first start-of-scan segment
  size_t trailer_start = 0;  // where the first scan's bytes end
  bool single_scan = false;  // sequential Huffman, all components in the first scan: can be rebuilt by scan.h
  std::vector<JpegComponent> components;
};

struct Jpeg : JpegFacts {
  std::vector<int16_t> coefficients;  // all components one after another, quantised, natural order

  std::vector<PlaneView> planes() const;
};

// libjpeg's own limit on width and height.
constexpr int kMaxSide = 65500;

struct JpegLimits {
  uint64_t max_pixels = 100'000'000;  // checked before anything of the image's size is allocated
  // A progressive file may repeat scans without end, each of them a pass over the image that costs a few bytes of file.
  // Real files have about ten; what is bounded is the work: blocks times the scans they are in.
  int max_scans = 500;
  uint64_t visits_per_block = 32;     // on average over the image's blocks
  uint64_t trusted_visits = 1 << 22;  // of a small image's blocks, whatever that average is: less than a second
};

// Reads all coefficients of `bytes`. `out` is reused: its vectors keep their capacity between calls.
// A defect libjpeg can continue after (a truncated scan, say) is a warning; the coefficients read so far are kept.
Status read_jpeg(const uint8_t* bytes, size_t size, const JpegLimits& limits, Jpeg* out);

}  // namespace dctstream
