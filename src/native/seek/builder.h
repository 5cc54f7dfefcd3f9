// A whole JPEG -> what an index holds of it, and what its coefficients add up to: read once, and none of them is kept.
#pragma once
#include <memory>
#include <vector>

#include "base/simd.h"
#include "jpeg/block_sums.h"
#include "seek/entropy.h"
#include "seek/sample.h"

namespace dctstream {

struct SeekOptions {
  uint64_t max_pixels = 0;
  // MCUs from entry to entry; 0: an entry per row; kSpacingByWidth: 16 where a row has at least 24 MCUs, otherwise 0.
  // 16 buys 3 to 4 % of speed for half a per cent of the file's size.
  static constexpr int kSpacingByWidth = -1;
  int spacing = kSpacingByWidth;
};

class SeekBuilder {
 public:
  explicit SeekBuilder(Simd simd);

  // UNSUPPORTED_JPEG, with the reason, for every file that cannot be entered and read without a doubt: anything but
  // undamaged 8-bit sequential Huffman files of one scan, grey or Y Cb Cr. All results are undefined then.
  Status build(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample);

  // Of the file built last: what ImageReader says of it.
  const JpegFacts& facts() const { return facts_; }
  const FrequencyStats& stats() const { return stats_; }

 private:
  static constexpr size_t kWaitingBlocks = kMostBlocksAtOnce;

  struct Segment {
    size_t start, end;  // in scan_
  };

  // Of a component: its tables, its grid, and what it adds up to. Blocks wait to be added together: a few hundred, as
  // each interruption of the reading costs a fraction of a microsecond.
  struct Component {
    std::shared_ptr<const DcTable> dc;
    std::shared_ptr<const WindowTable> ac;
    uint32_t h = 1, v = 1;
    uint32_t wide = 0, high = 0;  // blocks that are counted
    uint32_t whole_mcus_wide = 0, whole_mcus_high = 0;
    size_t waiting = 0;
    PlaneSums sums;
    alignas(64) int8_t blocks[kWaitingBlocks * kBlockSize + kWindowSlack];  // in scan order, without their DC
    int16_t dcs[kWaitingBlocks];
  };

  Status describe(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample);
  Status choose_tables(SeekSample* sample);
  bool split_scan(const uint8_t* bytes, size_t size, size_t* scan_end);
  void start_sums();
  void finish_sums();
  void add_waiting(Component* component);
  static uint32_t counted_blocks(const Component& component, uint32_t mx, uint32_t my);
  bool read_blocks(BitReader* bits, const uint8_t* limit, uint32_t counted, int* dc, Component* component);
  bool segment_is_complete(const BitReader& bits, const Segment& segment) const;
  bool walk(SeekSample* sample);
  bool walk_plain(SeekSample* sample);
  bool walk_bmi2(SeekSample* sample);

  bool (SeekBuilder::*walk_)(SeekSample* sample);
  ScanHeader header_;
  std::vector<uint8_t> scan_;  // without stuffing and markers, and slack to read past the end
  // Where bytes of the file are left out of scan_, each by the place of what follows it.
  std::vector<size_t> left_out_;
  std::vector<Segment> segments_;
  TableCache<DcTable> dc_tables_;
  TableCache<WindowTable> ac_tables_;
  Component components_[3];
  PlaneSums padding_sums_;  // what is left of padding, which nobody wants
  AddBlocks add_blocks_;
  JpegFacts facts_;
  FrequencyStats stats_;
};

}  // namespace dctstream
