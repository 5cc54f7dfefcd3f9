// The innermost loop of reading: significance masks and packed values -> blocks of int16 coefficients.
#pragma once
#include <cstddef>
#include <cstdint>

#include "simd.h"

namespace dctstream {

// Value bytes and 16-bit escapes still to be consumed. The expander advances both and never reads outside them.
struct ValueCursor {
  const uint8_t* values;
  const uint8_t* values_end;
  const uint8_t* escapes;  // little-endian int16
  const uint8_t* escapes_end;
};

// Expands `count` blocks: bit k of masks[i] says that the k-th coefficient in scan order is non-zero; its value is the
// next byte (int8), or, where that byte is -128, the next escape. Writes 64 int16 per block in natural order; the DC
// place holds the stored difference. Returns false, with `out` partly written, when the cursor runs dry.
using ExpandBlocks = bool (*)(const uint64_t* masks, size_t count, ValueCursor* cursor, int16_t* out);

// The implementation for a level. kScalar is the truth that the tests hold the others against, bit for bit.
ExpandBlocks expand_blocks_for(Simd level);

// Skips the values of `count` blocks without expanding them; same failure.
bool skip_blocks(const uint64_t* masks, size_t count, ValueCursor* cursor);

}  // namespace dctstream
