// An AC table's codes as two look-up tables: one gives up to three coefficients at a time, the other only says how many
// bits and places they take, for blocks that nobody looks at.
#pragma once
#include <cstdint>

#include "jpeg/huffman_tables.h"

namespace dctstream {

// Bits looked up at once. With 11 bits of coefficients, or 12 of windows, two tables fill the first-level cache, and
// build slower.
constexpr int kCoefficientBits = 10, kSkipBits = 12, kWindowBits = 11;

// AC values of more bits do not occur in a scan of 8-bit samples; two look-ups fit into one refill because of that.
constexpr int kMaxAcSize = 10;

// Stands for the places of an entry whose code is longer than what is looked up.
constexpr uint8_t kCodeIsLonger = 64;

// Up to three values and the end of the block. Of the third the entry knows only the size: its bits are the last ones
// used, and may lie beyond those looked up. Values that are not there are zeros at places not written so far, so that
// three stores are always right.
struct CoefficientEntry {
  uint8_t bits;    // used
  uint8_t places;  // advanced; kEndOfBlock more behind the end of the block
  int8_t first, second;
  uint8_t at[3];  // places of the values, from where the entry begins
  uint8_t size;   // of the third value
};

// An AC table's codes as pieces of blocks in scan order, for adding up coefficients: a look-up stores eight places at
// once, runs of zeros among them, and one value that it takes from the stream. They lie apart so that what the next
// look-up waits for stays in the first-level cache.
constexpr int kWindowPlaces = 8, kMaxWindowSize = 7;
struct WindowTable {
  // The last value, whose bits are the last ones used, where it is not among those of the window.
  struct Last {
    uint8_t mask;  // of its bits; zero: there is none
    uint8_t at;    // its place, from where the entry begins; where there is none, one that is still empty
  };
  uint16_t steps[1 << kWindowBits];    // bits used, and 256 times the places advanced
  uint64_t windows[1 << kWindowBits];  // int8 in scan order: runs, and values that are known; the first one lowest
  Last lasts[1 << kWindowBits];
  CodeLengths codes;
  HuffmanSpec spec;

  // As SeekTable's. Values of more than kMaxWindowSize bits are left to read_symbol.
  bool build(const HuffmanSpec& from);
};

struct SeekTable {
  CoefficientEntry coefficients[1 << kCoefficientBits];
  uint16_t skips[1 << kSkipBits];  // bits used, and 256 times the places advanced
  CodeLengths codes;
  HuffmanSpec spec;

  // False when no encoder of 8-bit samples would have made it so, or it could be read in two ways; then undefined.
  bool build(const HuffmanSpec& from);
};

}  // namespace dctstream
