#include "seek/sample.h"

#include <algorithm>

#include "base/crc32c.h"
#include "jpeg/jpeg.h"

namespace dctstream {
namespace {

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

bool layout_is_possible(const SeekLayout& layout) {
  if (layout.components != 1 && layout.components != 3) return false;
  int blocks = 0;
  for (int i = 0; i < layout.components; i++) {
    const int h = layout.h[i], v = layout.v[i], most = layout.components == 1 ? 1 : 4;
    if (h < 1 || h > most || v < 1 || v > most || layout.pair[i] < 0 || layout.pair[i] > 2) return false;
    blocks += h * v;
  }
  return blocks <= kMaxBlocksPerMcu && layout.restart_interval >= 0 && layout.restart_interval <= 65535;
}

}  // namespace

Status seek_grid_of(const SeekFacts& facts, const SeekLayout& layout, SeekGrid* grid) {
  if (!layout_is_possible(layout)) return corrupt("the index holds a layout that no JPEG has");
  if (facts.width < 1 || facts.height < 1 || facts.width > uint32_t(kMaxSide) || facts.height > uint32_t(kMaxSide))
    return corrupt("the index holds a size that no JPEG has");
  if (facts.file_bytes > kMaxSeekFileBytes || facts.scan_start > facts.file_bytes ||
      facts.trailing_bytes > facts.file_bytes - facts.scan_start)
    return corrupt("the index places a scan outside its file");
  const auto largest = [&](const int* factors) { return *std::max_element(factors, factors + layout.components); };
  grid->wide = ceil_div(facts.width, 8 * uint32_t(largest(layout.h)));
  grid->high = ceil_div(facts.height, 8 * uint32_t(largest(layout.v)));
  grid->spacing = facts.spacing == 0 ? grid->wide : std::min(facts.spacing, grid->wide);
  grid->per_row = ceil_div(grid->wide, grid->spacing);
  return {};
}

Status read_huffman_pairs(const std::vector<uint8_t>& huffman, const SeekLayout& layout, HuffmanPairs* pairs) {
  const uint8_t* p = huffman.data();
  const uint8_t* const end = p + huffman.size();
  for (pairs->count = 0; p != end; pairs->count++) {
    if (pairs->count == 3) return corrupt("the index holds too many Huffman tables");
    p = read_huffman_spec(p, end, &pairs->dc[pairs->count]);
    if (p != nullptr) p = read_huffman_spec(p, end, &pairs->ac[pairs->count]);
    if (p == nullptr) return corrupt("the index holds half a Huffman table");
  }
  for (int i = 0; i < layout.components; i++)
    if (layout.pair[i] >= pairs->count) return corrupt("the index lacks a Huffman table");
  return {};
}

ViewImage SeekSample::view_image() const {
  ViewImage image;
  image.width = int(facts.width);
  image.height = int(facts.height);
  for (int i = 0; i < layout.components; i++) {
    const Grid stored = {grid.wide * uint32_t(layout.h[i]), grid.high * uint32_t(layout.v[i])};
    image.components.push_back({layout.h[i], layout.v[i], stored, layout.quant[i]});
  }
  return image;
}

ByteRange SeekSample::row_bytes(uint32_t row) const {
  const size_t first = size_t(row) * grid.per_row, next = first + grid.per_row;
  const uint32_t end = next < entries.size() ? ceil_div(entries[next].bit, 8) : facts.scan_bytes();
  return {facts.scan_start + entries[first].bit / 8, facts.scan_start + end};
}

bool rows_are_intact(const SeekSample& sample, const uint8_t* bytes, ByteRange range) {
  for (uint32_t row = 0; row < sample.grid.high; row++) {
    const ByteRange of = sample.row_bytes(row);
    if (of.start < range.start || of.end > range.end) continue;
    if (crc32c(bytes + (of.start - range.start), of.end - of.start) != sample.row_crcs[row]) return false;
  }
  return true;
}

McuRange mcus_of(const SeekLayout& layout, const BlockRange* blocks) {
  McuRange mcus = {UINT32_MAX, 0, UINT32_MAX, 0};
  for (int i = 0; i < layout.components; i++) {
    const uint32_t h = uint32_t(layout.h[i]), v = uint32_t(layout.v[i]);
    mcus.row_start = std::min(mcus.row_start, blocks[i].row_start / v);
    mcus.row_end = std::max(mcus.row_end, ceil_div(blocks[i].row_end, v));
    mcus.column_start = std::min(mcus.column_start, blocks[i].column_start / h);
    mcus.column_end = std::max(mcus.column_end, ceil_div(blocks[i].column_end, h));
  }
  return mcus;
}

Status bytes_of_view(const SeekSample& sample, const ViewSpec& spec, ByteRange* range) {
  BlockRange blocks[3];
  if (Status s = blocks_of_view(sample.view_image(), spec, blocks); !s.ok()) return s;
  const McuRange mcus = mcus_of(sample.layout, blocks);
  *range = {sample.row_bytes(mcus.row_start).start, sample.row_bytes(mcus.row_end - 1).end};
  return {};
}

}  // namespace dctstream
