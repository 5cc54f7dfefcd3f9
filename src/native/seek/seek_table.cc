#include "seek/seek_table.h"

#include <algorithm>
#include <cstring>

namespace dctstream {
namespace {

// A symbol with its code.
struct CodedSymbol {
  uint32_t code;
  int length, run, size;

  bool ends_block() const { return size == 0 && run == 0; }
  int bits() const { return length + size; }
  int places() const { return ends_block() ? kEndOfBlock : run + 1; }
};

struct SymbolList {
  CodedSymbol symbols[256];  // by length
  int count = 0;

  const CodedSymbol* begin() const { return symbols; }
  const CodedSymbol* end() const { return symbols + count; }

  bool read(const HuffmanSpec& spec) {
    uint32_t code = 0;
    const uint8_t* next = spec.symbols;
    for (int length = 1; length <= 16; length++, code <<= 1) {
      for (int i = 0; i < spec.counts[length - 1]; i++, code++, next++) {
        const int run = *next >> 4, size = *next & 15;
        // Runs without a value, other than 16 zeros and the end of the block, mean nothing in a sequential scan.
        if ((size == 0 && run != 0 && run != 15) || size > kMaxAcSize) return false;
        symbols[count++] = {code, length, run, size};
      }
    }
    return true;
  }
};

// A CoefficientEntry as a number, whose fields add up without a carry when one entry follows another.
constexpr uint64_t word_of(int bits, int places, int first_at, int second_at, int third_at, int size) {
  return uint64_t(bits) | uint64_t(places) << 8 | uint64_t(first_at) << 32 | uint64_t(second_at) << 40 |
         uint64_t(third_at) << 48 | uint64_t(size) << 56;
}
constexpr int kFirstShift = 16, kSecondShift = 24;

// Tables for every number of bits up to the wanted one: what is left behind a symbol is looked up in the table of the
// bits that are left. That makes a table by filling and adding, some times faster than to look entry by entry. The
// table of n bits begins at 1 << n.
template <typename Entry, int kBits>
struct Levels {
  Entry entries[2 << kBits];

  Entry* of(int bits) { return entries + (size_t(1) << bits); }
  const Entry* of(int bits) const { return entries + (size_t(1) << bits); }
};

using WordLevels = Levels<uint64_t, kCoefficientBits>;

// Single symbols, their values taken from the stream.
void fill_thirds(const SymbolList& list, WordLevels* levels) {
  std::fill(std::begin(levels->entries), std::end(levels->entries), 0);
  for (int bits = 1; bits <= kCoefficientBits; bits++) {
    for (const CodedSymbol& s : list) {
      if (s.length > bits) break;
      const int spare = bits - s.length;
      const uint64_t word = word_of(s.bits(), s.places(), 0, 0, s.size == 0 ? 0 : s.run, s.size);
      std::fill_n(levels->of(bits) + (size_t(s.code) << spare), size_t(1) << spare, word);
    }
  }
}

// Puts a value in front of what `behind` makes of the bits that are left, wherever all of the value's bits are there
// and it fits an int8. `second`: as the entry's second value, otherwise as its first.
void put_in_front(const SymbolList& list, int bits, bool second, const WordLevels& behind, uint64_t* table) {
  for (const CodedSymbol& s : list) {
    if (s.length >= bits) break;
    const int left = bits - s.bits(), places = s.places();
    if (s.size == 0 || s.size > 7 || left < 0) continue;
    const uint64_t plain =
        second ? word_of(s.bits(), places, 0, s.run, places, 0) : word_of(s.bits(), places, s.run, places, places, 0);
    const uint64_t* const rest = behind.of(left);
    uint64_t* out = table + (size_t(s.code) << (bits - s.length));
    for (uint32_t value = 0; value < 1u << s.size; value++, out += size_t(1) << left) {
      const uint64_t byte = uint8_t(extend(value, s.size));
      const uint64_t front = plain | byte << (second ? kSecondShift : kFirstShift);
      for (size_t i = 0; i < size_t(1) << left; i++) out[i] = rest[i] + front;
    }
  }
}

void build_coefficients(const SymbolList& list, CoefficientEntry* out) {
  WordLevels thirds, seconds;
  fill_thirds(list, &thirds);
  seconds = thirds;
  for (int bits = 0; bits < kCoefficientBits; bits++) put_in_front(list, bits, true, thirds, seconds.of(bits));
  uint64_t* const last = thirds.of(kCoefficientBits);
  put_in_front(list, kCoefficientBits, false, seconds, last);
  for (int i = 0; i < 1 << kCoefficientBits; i++) {
    const uint64_t w = last[i];
    const auto byte = [w](int at) { return uint8_t(w >> (8 * at)); };
    out[i] = {byte(0), byte(1), int8_t(byte(2)), int8_t(byte(3)), {byte(4), byte(5), byte(6)}, byte(7)};
    if (out[i].bits == 0) out[i].places = kCodeIsLonger;
  }
}

// Symbols are joined as long as their places stay inside a block that has only begun.
void build_skips(const SymbolList& list, uint16_t* out) {
  Levels<uint16_t, kSkipBits> levels;
  for (int bits = 0; bits <= kSkipBits; bits++) {
    uint16_t* const table = levels.of(bits);
    std::fill_n(table, size_t(1) << bits, uint16_t(0));
    for (const CodedSymbol& s : list) {
      if (s.length > bits) break;
      const int spare = bits - s.length, left = spare - s.size;
      uint16_t* const first = table + (size_t(s.code) << spare);
      const uint16_t word = uint16_t(s.bits() | s.places() << 8);
      if (left < 0 || s.ends_block()) {
        std::fill_n(first, size_t(1) << spare, word);
        continue;
      }
      const uint16_t* const rest = levels.of(left);
      const int most = kBlockSize - s.places();
      const size_t count = size_t(1) << left;
      for (size_t i = 0; i < count; i++) {
        const bool fits = (rest[i] >> 8 & (kEndOfBlock - 1)) < most;
        first[i] = uint16_t(word + (fits ? rest[i] : 0));
      }
      // Whatever the value is, the same follows it.
      for (size_t value = 1; value < size_t(1) << s.size; value++)
        std::memcpy(first + value * count, first, count * sizeof(uint16_t));
    }
  }
  const uint16_t* const last = levels.of(kSkipBits);
  for (int i = 0; i < 1 << kSkipBits; i++) out[i] = last[i] == 0 ? uint16_t(kCodeIsLonger << 8) : last[i];
}

// `lasts`: mask, and 256 times the place. Places add up, and only what comes last has a mask.
struct WindowLevels {
  Levels<uint16_t, kWindowBits> steps, lasts;
  Levels<uint64_t, kWindowBits> windows;
};

// A symbol with all of its value's bits, in front of what the bits that are left begin with, at places `first` on.
void put_in_window(const CodedSymbol& s, int left, const WindowLevels& behind, size_t first, WindowLevels* out) {
  const uint16_t step = uint16_t(s.bits() | s.places() << 8), place = uint16_t(s.places() << 8);
  const int unused = 8 * (kWindowPlaces - s.places());
  uint16_t *const steps = out->steps.entries + first, *const lasts = out->lasts.entries + first;
  uint64_t* const windows = out->windows.entries + first;
  const uint16_t *const rest_steps = behind.steps.of(left), *const rest_lasts = behind.lasts.of(left);
  const uint64_t* const rest = behind.windows.of(left);
  const size_t count = size_t(1) << left;
  for (size_t i = 0; i < count; i++) {
    const bool fits = rest[i] >> unused == 0;
    steps[i] = uint16_t(step + (fits ? rest_steps[i] : 0));
    lasts[i] = uint16_t(place + (fits ? rest_lasts[i] : 0));
    windows[i] = fits ? rest[i] << 8 * s.run << 8 : 0;
  }
  // Whatever the value is, the same follows it. The first one is what the others are copied from.
  for (size_t value = size_t(1) << s.size; value-- > 0;) {
    const size_t at = value * count;
    const uint64_t front = uint64_t(uint8_t(extend(uint32_t(value), s.size))) << 8 * s.run;
    for (size_t i = 0; i < count; i++) {
      steps[at + i] = steps[i];
      lasts[at + i] = lasts[i];
      windows[at + i] = windows[i] | front;
    }
  }
}

// The tables of so many bits, from those of fewer.
void fill_windows(const SymbolList& list, int bits, WindowLevels* levels) {
  const size_t all = size_t(1) << bits;
  std::fill_n(levels->steps.of(bits), all, uint16_t(0));
  std::fill_n(levels->lasts.of(bits), all, uint16_t(0));
  std::fill_n(levels->windows.of(bits), all, uint64_t(0));
  for (const CodedSymbol& s : list) {
    if (s.length > bits) break;
    if (s.size > kMaxWindowSize) continue;
    const int spare = bits - s.length, left = spare - s.size;
    const size_t first = all + (size_t(s.code) << spare), count = size_t(1) << spare;
    if (s.size > 0 && left >= 0 && s.places() <= kWindowPlaces) {
      put_in_window(s, left, *levels, first, levels);
      continue;
    }
    const int at = s.size > 0 ? s.run : s.places() & (kEndOfBlock - 1);
    std::fill_n(levels->steps.entries + first, count, uint16_t(s.bits() | s.places() << 8));
    std::fill_n(levels->lasts.entries + first, count, uint16_t(((1 << s.size) - 1) | at << 8));
  }
}

void build_windows(const SymbolList& list, WindowTable* out) {
  WindowLevels levels;
  for (int bits = 0; bits <= kWindowBits; bits++) fill_windows(list, bits, &levels);
  const uint16_t *const steps = levels.steps.of(kWindowBits), *const lasts = levels.lasts.of(kWindowBits);
  for (int i = 0; i < 1 << kWindowBits; i++) {
    out->steps[i] = steps[i] == 0 ? uint16_t(kCodeIsLonger << 8) : steps[i];
    out->lasts[i] = {uint8_t(lasts[i]), uint8_t(lasts[i] >> 8)};
  }
  std::copy_n(levels.windows.of(kWindowBits), size_t(1) << kWindowBits, out->windows);
}

}  // namespace

bool WindowTable::build(const HuffmanSpec& from) {
  SymbolList list;
  if (!codes.build(from) || !list.read(from)) return false;
  spec = from;
  build_windows(list, this);
  return true;
}

bool SeekTable::build(const HuffmanSpec& from) {
  SymbolList list;
  if (!codes.build(from) || !list.read(from)) return false;
  spec = from;
  build_coefficients(list, coefficients);
  build_skips(list, skips);
  return true;
}

}  // namespace dctstream
