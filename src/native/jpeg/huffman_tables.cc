#include "jpeg/huffman_tables.h"

#include <cstring>

namespace dctstream {
namespace {

constexpr int kMaxEntryValues = 3;
constexpr int kPatternBits = 16;
constexpr int kAcEntries = 1 << kAcBits;

bool has_duplicates(const HuffmanSpec& spec) {
  bool seen[256] = {};
  for (int i = 0; i < spec.total; i++) {
    if (seen[spec.symbols[i]]) return true;
    seen[spec.symbols[i]] = true;
  }
  return false;
}

// The entries of single symbols; 0 where there is none within the looked-up bits.
bool make_single_entries(const HuffmanSpec& spec, uint64_t entries[kAcEntries]) {
  std::memset(entries, 0, kAcEntries * sizeof(uint64_t));
  int code = 0;
  const uint8_t* next = spec.symbols;
  for (int length = 1; length <= 16; length++, code <<= 1) {
    for (int i = 0; i < spec.counts[length - 1]; i++, code++) {
      const int run = *next >> 4, size = *next & 15;
      next++;
      // Runs without a value, other than 16 zeros and the end of the block, mean nothing in a sequential scan.
      if (size == 0 && run != 0 && run != 15) return false;
      if (length > kAcBits) continue;
      const int spare = kAcBits - length;
      for (int rest = 0; rest < 1 << spare; rest++) {
        uint64_t entry = uint64_t(length + size) | uint64_t(run + 1) << 8;
        if (size == 0) {
          entry = uint64_t(length) | uint64_t(run == 0 ? kEndOfBlock : 16) << 8;
        } else if (size <= spare && size <= 7) {
          const int value = extend(uint32_t(rest >> (spare - size)) & ((1u << size) - 1), size);
          entry |= 1 << 16 | uint64_t(uint8_t(value)) << 24 | uint64_t(1) << (48 + run);
        } else {
          entry = uint64_t(length) | uint64_t(run) << 8 | kValueBeyond | uint64_t(size) << 24;
        }
        entries[code << spare | rest] = entry;
      }
    }
  }
  return true;
}

}  // namespace

bool CodeLengths::build(const HuffmanSpec& spec) {
  if (has_duplicates(spec)) return false;
  int32_t code = 0, index = 0;
  for (int length = 1; length <= 16; length++) {
    offset[length] = index - code;
    code += spec.counts[length - 1];
    index += spec.counts[length - 1];
    if (code > 1 << length) return false;
    limit[length] = code << (16 - length);
    code <<= 1;
  }
  std::memcpy(symbols, spec.symbols, sizeof(symbols));
  return true;
}

// Single symbols, then as many more as fit: the rest of an index, looked up again.
bool AcTable::build(const HuffmanSpec& from) {
  if (!codes.build(from)) return false;
  spec = from;
  uint64_t single[kAcEntries];
  if (!make_single_entries(spec, single)) return false;
  constexpr uint64_t kCounts = 0x7ffff;  // bits, places and values of an entry: they add up
  for (int index = 0; index < kAcEntries; index++) {
    uint64_t entry = single[index];
    while (entry != 0 && (entry & kValueBeyond) == 0) {
      const int bits = int(entry & 0xff), advance = int(entry >> 8 & 0xff), values = int(entry >> 16 & 7);
      const uint64_t more = single[(index << bits) & (kAcEntries - 1)];
      const int more_advance = int(more >> 8 & 0xff) & (kEndOfBlock - 1);
      if (more == 0 || (more & kValueBeyond) != 0 || advance >= kEndOfBlock || bits + int(more & 0xff) > kAcBits ||
          values + int(more >> 16 & 7) > kMaxEntryValues || advance + more_advance > kPatternBits)
        break;
      entry += more & kCounts;
      entry |= (more >> 24 & 0xff) << (24 + 8 * values);
      entry |= (more >> 48 << advance) << 48;
    }
    entries[index] = entry;
  }
  return true;
}

bool DcTable::build(const HuffmanSpec& from) {
  if (!codes.build(from)) return false;
  spec = from;
  std::memset(entries, 0, sizeof(entries));
  int code = 0;
  const uint8_t* next = spec.symbols;
  for (int length = 1; length <= 16; length++, code <<= 1) {
    for (int i = 0; i < spec.counts[length - 1]; i++, code++) {
      const int size = *next++;
      if (size > 15) return false;
      if (length + size > kDcBits) continue;
      const int spare = kDcBits - length;
      for (int rest = 0; rest < 1 << spare; rest++) {
        const int value = size == 0 ? 0 : extend(uint32_t(rest >> (spare - size)) & ((1u << size) - 1), size);
        entries[code << spare | rest] = {int16_t(value), uint8_t(length + size)};
      }
    }
  }
  return true;
}

bool same_spec(const HuffmanSpec& a, const HuffmanSpec& b) {
  return a.total == b.total && std::memcmp(a.counts, b.counts, sizeof(a.counts)) == 0 &&
         std::memcmp(a.symbols, b.symbols, size_t(a.total)) == 0;
}

}  // namespace dctstream
