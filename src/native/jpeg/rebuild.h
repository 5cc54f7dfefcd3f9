// A packed record and the bytes around its scan -> the JPEG file. Rows of MCUs are unpacked as they are written, so
// that memory is one row's, whatever size the record claims to have.
#pragma once
#include <vector>

#include "jpeg/scan.h"
#include "packed/pack.h"

namespace dctstream {

struct PackedImage {
  const uint8_t* packed = nullptr;
  size_t size = 0;
  std::vector<Grid> grids;
  Codec codec = Codec::kNone;
};

// Appends to `out`, as rebuild_jpeg does. CORRUPT_RECORD when the packed bytes are not of the grids.
Status rebuild_packed(const uint8_t* header, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                      const PackedImage& image, Unpacker* unpacker, Simd simd, std::vector<uint8_t>* out);

}  // namespace dctstream
