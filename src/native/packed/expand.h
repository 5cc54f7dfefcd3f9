// The innermost loop of reading: significance masks and packed values -> blocks of int16 coefficients.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/simd.h"

namespace dctstream {

// Value bytes and 16-bit escapes still to be consumed. The expander advances both and never reads outside them.
struct ValueCursor {
  const uint8_t* values;
  const uint8_t* values_end;
  const uint8_t* escapes;  // little-endian int16
  const uint8_t* escapes_end;
};

// Masks are little-endian uint64, aligned anyhow: where records are stored uncompressed they are read in place.
inline uint64_t load_mask(const uint8_t* masks, size_t i) {
  uint64_t mask;
  std::memcpy(&mask, masks + i * sizeof(mask), sizeof(mask));
  return mask;
}

// Values of `count` blocks: the bits of their masks. Inlined, so that it uses what instructions its caller may.
inline __attribute__((always_inline)) size_t count_values(const uint8_t* masks, size_t count) {
  size_t values = 0;
  for (size_t i = 0; i < count; i++) values += size_t(__builtin_popcountll(load_mask(masks, i)));
  return values;
}

// Expands `count` blocks: bit k of the i-th mask means that the k-th coefficient in scan order is non-zero; its value
// is the next byte (int8), or, where that byte is -128, the next escape. Writes 64 int16 per block in natural order;
// the DC's position holds the stored difference. Returns false, with `out` partly written, when the cursor runs dry.
using ExpandBlocks = bool (*)(const uint8_t* masks, size_t count, ValueCursor* cursor, int16_t* out);

// The implementation for a level. kScalar is the truth that the tests hold the others against, bit for bit.
ExpandBlocks expand_blocks_for(Simd level);

// The same, dequantised: DC differences are added up in `dc`, and coefficient k of a block becomes value * scale[k] +
// bias[k]. Blocks are written `step` floats apart, which may be negative; past the caches when `streams`, to whole
// cache lines then. Null where a level has no such form: expand and multiply.
using ExpandFloats = bool (*)(const uint8_t* masks, size_t count, ValueCursor* cursor, int* dc, const float* scale,
                              const float* bias, bool streams, float* out, ptrdiff_t step);

ExpandFloats expand_floats_for(Simd level);

// Goes past `count` blocks; same failure. A form that adds up their DC differences, and one that does not look at them.
struct SkipBlocks {
  bool (*with_dc)(const uint8_t* masks, size_t count, ValueCursor* cursor, int* dc);
  bool (*alone)(const uint8_t* masks, size_t count, ValueCursor* cursor);
  size_t (*count_escapes)(const uint8_t* values, size_t count);
};

SkipBlocks skip_blocks_for(Simd level);

}  // namespace dctstream
