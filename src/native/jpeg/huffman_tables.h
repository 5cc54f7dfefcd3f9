// Huffman codes as look-up tables, for reading several symbols of a scan at once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "jpeg/scan_header.h"

namespace dctstream {

// Bits looked up at once. 11 and 12 were slower: their tables leave less of the first-level cache to the data.
constexpr int kAcBits = 11, kDcBits = 9;

// An entry of the AC table, for the next kAcBits bits:
//   bits 0-7    bits used: all of the entry's symbols, or the code alone when bit 23 is set; 0: the code is longer
//   bits 8-15   places advanced; kEndOfBlock is added when the last symbol is the end of the block
//   bits 16-18  values, 0 to 3
//   bit 23      one symbol whose value bits lie beyond the looked-up ones: bits 24-31 hold their number, 8-15 the run
//   bits 24-47  the values, int8
//   bits 48-63  the places of the values, relative to the first
constexpr int kEndOfBlock = 128;
constexpr uint64_t kValueBeyond = 1 << 23;

struct Symbol {
  int length = 0;  // of the code; 0: no code of that length
  int value = 0;
};

// Codes by length, for what the tables do not hold. T.81, F.2.2.3.
struct CodeLengths {
  int32_t limit[17];   // first number that is no code of this length, shifted to 16 bits
  int32_t offset[17];  // index of a length's first symbol, less its first code
  uint8_t symbols[256];

  // False when it is no prefix code, or names a symbol twice.
  bool build(const HuffmanSpec& spec);

  // The code at the top of the next 16 bits, known to be longer than `shorter` bits.
  Symbol find(uint32_t next16, int shorter) const {
    for (int length = shorter + 1; length <= 16; length++) {
      if (int32_t(next16) < limit[length])
        return {length, symbols[(offset[length] + int32_t(next16 >> (16 - length))) & 255]};
    }
    return {};
  }
};

// The value of `size` bits. T.81, F.2.2.1: a leading zero bit stands for a negative one.
inline int extend(uint32_t bits, int size) { return int(bits) - (bits >> (size - 1) & 1 ? 0 : (1 << size) - 1); }

struct AcTable {
  uint64_t entries[1 << kAcBits];
  CodeLengths codes;
  HuffmanSpec spec;

  // False when no encoder would have made it so, or it could be read in two ways; then undefined.
  bool build(const HuffmanSpec& from);
};

struct DcTable {
  struct Entry {
    int16_t difference;
    uint8_t bits;  // 0: look the code up by its length
  };
  Entry entries[1 << kDcBits];
  CodeLengths codes;
  HuffmanSpec spec;

  bool build(const HuffmanSpec& from);
};

bool same_spec(const HuffmanSpec& a, const HuffmanSpec& b);

// Tables by content: most files of a data set share a few. The one built longest ago makes room; a file in hand keeps
// its own alive.
template <typename Table>
class TableCache {
 public:
  // Null when there is no such table.
  std::shared_ptr<const Table> find(const HuffmanSpec& spec) {
    if (!spec.defined) return nullptr;
    for (const auto& table : tables_)
      if (same_spec(table->spec, spec)) return table;
    auto built = std::make_shared<Table>();
    if (!built->build(spec)) return nullptr;
    if (tables_.size() < kCachedTables) {
      tables_.push_back(built);
    } else {
      tables_[next_++ % kCachedTables] = built;
    }
    return built;
  }

 private:
  static constexpr size_t kCachedTables = 32;

  std::vector<std::shared_ptr<const Table>> tables_;
  size_t next_ = 0;
};

}  // namespace dctstream
