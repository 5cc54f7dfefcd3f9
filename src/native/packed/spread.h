// Packed values spread over a block's mask, for instruction sets that have no expanding load. Parts of a block are
// joined in registers: a wide load of what narrow stores have just written waits until they are in the cache.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {

// Where each lane of eight finds its value, for every byte of a mask; 0x80 (which gives zero) where it has none.
struct SpreadTable {
  alignas(16) uint8_t spread[256][8];
};

constexpr SpreadTable make_spread_table() {
  SpreadTable table{};
  for (int mask = 0; mask < 256; mask++) {
    uint8_t next = 0;
    for (int bit = 0; bit < 8; bit++) table.spread[mask][bit] = mask >> bit & 1 ? next++ : 0x80;
  }
  return table;
}

inline constexpr SpreadTable kSpread = make_spread_table();

// Bytes from a block's first value on that a spread may read: eight at a time, whatever the mask is.
constexpr ptrdiff_t kSpreadBytes = kBlockSize + 8;

#if defined(__x86_64__)

#define DCTSTREAM_SPREAD __attribute__((target("avx2,popcnt,bmi"), always_inline)) inline

DCTSTREAM_SPREAD __m128i spread_eight(unsigned bits, const uint8_t** values) {
  const __m128i packed = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(*values));
  const __m128i control = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSpread.spread[bits]));
  *values += __builtin_popcount(bits);
  return _mm_shuffle_epi8(packed, control);
}

// A block in scan order, 16 bytes in each of `quarters`; values that the mask leaves out are zero. Advances `values`
// by the block's own, and reads kSpreadBytes of them.
DCTSTREAM_SPREAD void spread_block(uint64_t mask, const uint8_t** values, __m128i quarters[4]) {
  for (int q = 0; q < 4; q++) {
    const __m128i low = spread_eight(unsigned(mask >> (16 * q)) & 0xff, values);
    const __m128i high = spread_eight(unsigned(mask >> (16 * q + 8)) & 0xff, values);
    quarters[q] = _mm_unpacklo_epi64(low, high);
  }
}

#undef DCTSTREAM_SPREAD

#endif

}  // namespace dctstream
