// Pixels -> a JPEG file, through libjpeg: for generated data sets, fixtures and files that must be converted.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"

namespace dctstream {

struct EncodeOptions {
  int quality = 90;            // libjpeg's 1..100
  int luma_h = 1, luma_v = 1;  // luma sampling factors over chroma's 1 x 1: 2,2 is 4:2:0
  bool progressive = false;
  bool arithmetic = false;
  int restart_interval = 0;  // in MCUs
  bool keep_rgb = false;     // store RGB components instead of YCbCr
};

// `pixels` is [height, width, channels], 8 bit; 1 channel is grey, 3 RGB, 4 CMYK.
Status encode_jpeg(const uint8_t* pixels, int width, int height, int channels, const EncodeOptions& options,
                   std::vector<uint8_t>* out);

}  // namespace dctstream
