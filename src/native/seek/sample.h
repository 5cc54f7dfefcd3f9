// What an index knows of one JPEG file, so that parts of it can be decoded without the rest: where some of its MCUs
// begin, with the DC predictors there, the tables that its header defines, and checksums of its bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "jpeg/scan_header.h"
#include "view/view.h"

namespace dctstream {

// Where reading can begin: in front of an MCU's first code.
struct EntryPoint {
  // From the scan's first byte, in the file's own bytes: stuffed zeros and markers counted. It lies in the byte that
  // holds the next unread bit: behind a restart marker when one precedes the MCU, and never in a stuffed zero.
  uint32_t bit = 0;
  int16_t dc[3] = {};  // the predictors
};

// Bits are counted in 32 bits, and a file's own are no more than half of that.
constexpr uint32_t kMaxSeekFileBytes = 1u << 28;

// What the files of a data set mostly have in common.
struct SeekLayout {
  int components = 0;  // 1 or 3
  int h[3] = {}, v[3] = {};
  int pair[3] = {};  // of Huffman tables
  int restart_interval = 0;
  uint16_t quant[3][kBlockSize] = {};  // natural order
};

struct SeekFacts {
  uint64_t offset = 0;  // of the file in what it lies in
  uint32_t file_bytes = 0;
  uint32_t width = 0, height = 0;
  uint32_t spacing = 0;  // MCUs from entry to entry of a row; 0: an entry per row
  uint32_t scan_start = 0;
  uint32_t trailing_bytes = 0;  // from the end-of-image marker on
  uint32_t crc32c = 0;          // of the file

  uint32_t scan_bytes() const { return file_bytes - scan_start - trailing_bytes; }
};

// The MCUs of a scan, and the entries among them: [high][per_row].
struct SeekGrid {
  uint32_t wide = 0, high = 0;
  uint32_t spacing = 0;  // at most `wide`
  uint32_t per_row = 0;

  size_t entries() const { return size_t(per_row) * high; }
};

struct ByteRange {
  uint32_t start = 0, end = 0;
};

struct SeekSample {
  SeekFacts facts;
  SeekLayout layout;
  SeekGrid grid;
  std::vector<uint8_t> huffman;    // per pair the DC and the AC table, as a DHT segment holds them
  std::vector<uint32_t> row_crcs;  // CRC-32C per MCU row, over row_bytes
  std::vector<EntryPoint> entries;

  // Its layout must outlive the image.
  ViewImage view_image() const;

  // The bytes of an MCU row in the file: whole bytes, so that rows may share one. Restart markers in front of the next
  // row belong to both.
  ByteRange row_bytes(uint32_t row) const;
};

// Whether every MCU row that lies wholly in `range` has its checksum; `bytes` are the range's. Where no row does, there
// is nothing that could be wrong.
bool rows_are_intact(const SeekSample& sample, const uint8_t* bytes, ByteRange range);

// The grid of a file; CORRUPT_RECORD when there can be no such file.
Status seek_grid_of(const SeekFacts& facts, const SeekLayout& layout, SeekGrid* grid);

// The pairs of tables in `huffman`: up to three. CORRUPT_RECORD when they are no tables, or fewer than the layout uses.
struct HuffmanPairs {
  HuffmanSpec dc[3], ac[3];
  int count = 0;
};
Status read_huffman_pairs(const std::vector<uint8_t>& huffman, const SeekLayout& layout, HuffmanPairs* pairs);

// MCUs of a scan: [column_start, column_end) x [row_start, row_end).
using McuRange = BlockRange;

// The MCUs that hold these blocks of all components.
McuRange mcus_of(const SeekLayout& layout, const BlockRange* blocks);

// The bytes of the file that a view needs: whole MCU rows, one range. INVALID_ARGUMENT as Viewer::render.
Status bytes_of_view(const SeekSample& sample, const ViewSpec& spec, ByteRange* range);

}  // namespace dctstream
