// A whole JPEG -> what an index holds of it. Only lengths are read, no coefficients: two to three times as fast as
// libjpeg reads them.
#pragma once
#include <memory>
#include <vector>

#include "base/simd.h"
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
  // undamaged 8-bit sequential Huffman files of one scan, grey or Y Cb Cr. `sample` is undefined then.
  Status build(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample);

 private:
  struct Segment {
    size_t start, end;  // in scan_
  };

  Status describe(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample);
  Status choose_tables(SeekSample* sample);
  bool split_scan(const uint8_t* bytes, size_t size, size_t* scan_end);
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
  TableCache<SeekTable> ac_tables_;
  std::shared_ptr<const DcTable> dc_[3];
  std::shared_ptr<const SeekTable> ac_[3];
};

}  // namespace dctstream
