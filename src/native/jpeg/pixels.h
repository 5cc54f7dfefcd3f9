// JPEG bytes -> 8-bit pixels, through libjpeg: for files whose coefficients cannot be stored as luma and chroma, or
// that libjpeg decodes only as pixels.
#pragma once
#include <vector>

#include "jpeg/jpeg.h"

namespace dctstream {

struct Pixels {
  int width = 0, height = 0, channels = 0;  // 1: grey, 3: RGB
  std::vector<uint8_t> samples;             // [height, width, channels]
  long warnings = 0;
};

// CMYK and YCCK become RGB without a colour profile, read as Adobe writes them (inverted), as Pillow and the networks
// trained with it do; of files with two components, which no standard gives a meaning, the first is read as grey.
Status read_pixels(const uint8_t* bytes, size_t size, const JpegLimits& limits, Pixels* out);

// Turns the pixels as an EXIF orientation (1 to 8) asks to be shown.
void apply_orientation(int orientation, Pixels* pixels);

// The EXIF orientation, 1 to 8; 0 where the file has none.
int read_orientation(const uint8_t* bytes, size_t size);

}  // namespace dctstream
