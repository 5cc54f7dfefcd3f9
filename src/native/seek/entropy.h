// Blocks of a sequential Huffman scan: decoded, or gone past. Inlined into the loops of the builder and the reader, so
// that each is compiled for the instructions it may use.
#pragma once
#include "jpeg/bit_reader.h"
#include "jpeg/frequency_stats.h"
#include "seek/seek_table.h"

namespace dctstream {

// Bytes readable past the end of a scan's bytes: more than any block can take, so that one check per block is enough.
constexpr size_t kSlackBytes = 512;

struct BlockTables {
  const DcTable* dc = nullptr;
  const SeekTable* ac = nullptr;
};

#define DCTSTREAM_ALWAYS_INLINE inline __attribute__((always_inline))

// Natural positions by places in scan order. Places past the block's end lead to the DC, which is written last.
struct PlaceTable {
  alignas(64) uint8_t natural[256];
};
constexpr PlaceTable make_places() {
  PlaceTable table{};
  for (int k = 0; k < kBlockSize; k++) table.natural[k] = kZigzag[k];
  return table;
}
inline constexpr PlaceTable kPlaces = make_places();

// Where the reading of a block stands after a symbol that was read by itself, and its value; 0: it has none.
struct SingleSymbol {
  BitReader bits;
  int k = -1;  // the next place; -1: no such code, or it leaves the block
  int value = 0;
};

// Reads the symbol at place `k`, whatever the length of its code.
SingleSymbol read_symbol(BitReader bits, int k, const CodeLengths& codes);

// False when the difference has no code or leads outside int16. At least 47 bits are left in the buffer.
DCTSTREAM_ALWAYS_INLINE bool read_dc(BitReader* bits, const DcTable& table, int* dc) {
  bits->refill();
  const DcTable::Entry entry = table.entries[bits->buffer >> (64 - kDcBits)];
  int difference = entry.difference;
  if (__builtin_expect(entry.bits != 0, 1)) {
    bits->skip(entry.bits);
  } else {
    const Symbol size = table.codes.find(uint32_t(bits->buffer >> 48), 0);
    if (size.length == 0) return false;
    bits->skip(size.length);
    difference = size.value == 0 ? 0 : extend(bits->take(size.value), size.value);
    bits->refill();
  }
  *dc += difference;
  return __builtin_expect(*dc == int16_t(*dc), 1);
}

// Whether a place that is none of the block's is where it ends. Every other one is past the end, of which what followed
// the block was taken for a part, or stands for a long code.
constexpr bool ends_block(int k) { return k == kBlockSize || (k > kEndOfBlock && k < kEndOfBlock + kBlockSize); }

// The AC coefficients: `look_up(bits, k)` takes what one table entry stands for and returns its bits and places. Two
// look-ups of at most 22 bits follow each refill. `put(k, value)` gets what is read by itself, instead.
struct LookedUp {
  int bits, places;
};
template <typename LookUp, typename Put>
DCTSTREAM_ALWAYS_INLINE bool read_ac(BitReader* bits, const CodeLengths& codes, LookUp look_up, Put put) {
  int k = 1;
  for (;;) {
    LookedUp last = look_up(bits, k);
    k += last.places;
    if (k < kBlockSize) {
      last = look_up(bits, k);
      k += last.places;
      if (k < kBlockSize) {
        bits->refill();
        continue;
      }
    }
    if (__builtin_expect(ends_block(k), 1)) return true;
    bits->rewind(last.bits);
    const SingleSymbol single = read_symbol(*bits, k - last.places, codes);
    if (single.k < 0) return false;
    if (single.value != 0) put(single.k - 1, single.value);
    *bits = single.bits;
    k = single.k;
    if (k >= kBlockSize) return true;
  }
}

// Goes past a block; `dc` is its component's, before and after. False when it is damaged.
DCTSTREAM_ALWAYS_INLINE bool skip_block(BitReader* shared_bits, const BlockTables& tables, int* dc) {
  BitReader bits = *shared_bits;  // in registers
  if (!read_dc(&bits, *tables.dc, dc)) return false;
  const uint16_t* const skips = tables.ac->skips;
  const auto look_up = [skips](BitReader * b, int) __attribute__((always_inline)) {
    const int entry = skips[b->buffer >> (64 - kSkipBits)];
    b->skip(entry & 255);
    return LookedUp{entry & 255, entry >> 8};
  };
  if (!read_ac(&bits, tables.ac->codes, look_up, [](int, int) {})) return false;
  *shared_bits = bits;
  return true;
}

// The same, into 64 quantised coefficients in natural order.
DCTSTREAM_ALWAYS_INLINE bool decode_block(BitReader* shared_bits, const BlockTables& tables, int* dc, int16_t* block) {
  BitReader bits = *shared_bits;
  if (!read_dc(&bits, *tables.dc, dc)) return false;
  std::memset(block, 0, kBlockSize * sizeof(int16_t));
  const CoefficientEntry* const entries = tables.ac->coefficients;
  const auto look_up = [ entries, block ](BitReader * b, int k) __attribute__((always_inline)) {
    const CoefficientEntry& entry = entries[b->buffer >> (64 - kCoefficientBits)];
    const uint8_t* const places = kPlaces.natural + k;
    // The entry's last bits; of none the mask is zero, and so is the value.
    const uint32_t mask = (1u << entry.size) - 1, value = uint32_t(b->buffer >> (-entry.bits & 63)) & mask;
    block[places[entry.at[0]]] = entry.first;
    block[places[entry.at[1]]] = entry.second;
    block[places[entry.at[2]]] = int16_t(value - (2 * value <= mask ? mask : 0));
    b->skip(entry.bits);
    return LookedUp{entry.bits, entry.places};
  };
  const auto put = [block](int k, int value) { block[kZigzag[k]] = int16_t(value); };
  if (!read_ac(&bits, tables.ac->codes, look_up, put)) return false;
  block[0] = int16_t(*dc);
  *shared_bits = bits;
  return true;
}

// Values by their bits and the mask of these, added: each size has places of its own.
struct ExtendedTable {
  alignas(64) int8_t values[256];
};
constexpr ExtendedTable make_extended() {
  ExtendedTable table{};
  for (int mask = 1; mask < 128; mask = 2 * mask + 1)
    for (int bits = 0; bits <= mask; bits++) table.values[mask + bits] = int8_t(2 * bits > mask ? bits : bits - mask);
  return table;
}
inline constexpr ExtendedTable kExtended = make_extended();

// The same, for adding up: AC values of up to seven bits into 64 int8 in scan order, larger ones into `sums` at once.
// Of what follows the block up to kWindowSlack bytes are overwritten.
constexpr size_t kWindowSlack = 64;
DCTSTREAM_ALWAYS_INLINE bool measure_block(BitReader* shared_bits, const DcTable& dc_table, const WindowTable& table,
                                           int* dc, int8_t* block, PlaneSums* sums) {
  BitReader bits = *shared_bits;
  if (!read_dc(&bits, dc_table, dc)) return false;
  std::memset(block, 0, kBlockSize);
  const auto look_up = [&table, block ](BitReader * b, int k) __attribute__((always_inline)) {
    const size_t index = b->buffer >> (64 - kWindowBits);
    const int step = table.steps[index], used = step & 255;
    const uint64_t window = table.windows[index];
    const WindowTable::Last last = table.lasts[index];
    const uint32_t bits_of_last = uint32_t(b->buffer >> (-used & 63)) & last.mask;
    const int8_t value = kExtended.values[last.mask + bits_of_last];
    b->skip(used);
    // Everything is read by now: the compiler must take the block for a part of any table.
    int8_t* const out = block + size_t(uint32_t(k));
    std::memcpy(out, &window, sizeof(window));
    out[last.at] = value;
    return LookedUp{used, step >> 8};
  };
  const auto put = [block, sums](int k, int value) {
    if (value > -128 && value < 128) {
      block[k] = int8_t(value);
    } else {
      sums->add(k, value);
      sums->nonzero[k]++;
    }
  };
  if (!read_ac(&bits, table.codes, look_up, put)) return false;
  *shared_bits = bits;
  return true;
}

}  // namespace dctstream
