// Coefficients -> the coefficients of a resized and cropped image: the planes that the file's blocks stand for,
// resampled as Pillow and torchvision do with antialiasing, transformed and quantised again. No pixels are rounded in
// between.
#pragma once
#include <vector>

#include "jpeg/jpeg.h"
#include "packed/pack.h"
#include "view/view.h"

namespace dctstream {

struct ResizeOptions {
  int shorter_side = 256;  // of the scaled image; the other keeps the proportion, rounded down as torchvision does
  int crop = 0;            // side of the centred square that is kept; 0: everything
  int quality = 95;        // libjpeg's 1..100
  int chroma_step = 2;     // 2: 4:2:0, 1: 4:4:4
};

// A resized image as a JPEG file would hold it.
struct ResizedJpeg {
  JpegFacts facts;
  std::vector<PlaneStreams> planes;
  std::vector<uint8_t> file;  // the file itself: standard Huffman tables, JFIF header
};

class Resizer {
 public:
  explicit Resizer(Simd simd);

  // `packed` holds the coefficients of the image `facts` describes, uncompressed.
  Status resize(const JpegFacts& facts, const std::vector<uint8_t>& packed, const ResizeOptions& options,
                ResizedJpeg* out);

 private:
  Simd simd_;
  Viewer viewer_;
  ToScanOrder to_scan_order_;
  std::vector<float> planes_[3];
  std::vector<int16_t> quantised_;
};

}  // namespace dctstream
