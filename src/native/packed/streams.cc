#include "packed/streams.h"

#include <algorithm>

namespace dctstream {

void gather_streams(const PlaneView& plane, ToScanOrder to_scan_order, PlaneStreams* out) {
  out->start(plane.grid);
  const uint32_t wide = plane.grid.blocks_wide;
  uint64_t* mask = out->masks.data();
  size_t used = 0;
  int first_dc = 0;
  for (uint32_t row = 0; row < plane.grid.blocks_high; row++) {
    if (row % kRowsPerFrame == 0) first_dc = 0;
    const int16_t* block = plane.coefficients + size_t(row) * wide * kBlockSize;
    uint8_t* const start = out->values.reserve(used, size_t(wide) * kBlockSize);
    uint8_t* value = start;
    int previous_dc = first_dc;
    first_dc = block[0];
    for (uint32_t column = 0; column < wide; column++, block += kBlockSize) {
      int16_t scan[kBlockSize];
      *mask = to_scan_order(block, scan);
      // Stored modulo 2^16, so that any pair of int16 values has a difference.
      scan[0] = int16_t(block[0] - previous_dc);
      previous_dc = block[0];
      *mask = (*mask & ~uint64_t(1)) | uint64_t(scan[0] != 0);
      for (uint64_t left = *mask++; left != 0; left &= left - 1) {
        const int coefficient = scan[__builtin_ctzll(left)];
        const bool fits = coefficient > -128 && coefficient < 128;
        *value++ = fits ? uint8_t(coefficient) : kEscape;
        if (!fits) out->escapes.push_back(int16_t(coefficient));
      }
    }
    used += size_t(value - start);
    if ((row + 1) % kRowsPerFrame == 0 || row + 1 == plane.grid.blocks_high) {
      out->value_end.push_back(used);
      out->escape_end.push_back(out->escapes.size());
    }
  }
}

}  // namespace dctstream
