// Rows of a view's blocks, decoded from the bytes of a JPEG file that the view needs: entered where the index says,
// and checked against it.
#pragma once
#include <memory>
#include <vector>

#include "base/simd.h"
#include "seek/entropy.h"
#include "seek/sample.h"
#include "view/row_source.h"

namespace dctstream {

// Keeps its memory, and the decoding tables of the files that it met last.
class SeekRows : public RowSource {
 public:
  explicit SeekRows(Simd simd);

  // `bytes` are those of the file that `range` states, and must outlive the reading, as `sample` must. `checked`: the
  // CRC-32C of every row is compared before it is decoded, CHECKSUM_MISMATCH. CORRUPT_RECORD for tables that no encoder
  // makes.
  Status open(const SeekSample& sample, const uint8_t* bytes, ByteRange range, bool checked);

  // CORRUPT_RECORD where the file is not the one that the index was made of. Bytes outside bytes_of_view are not read.
  Status begin(size_t component, BlockRange range) override;
  Status start(size_t components) override;
  Status next_row(size_t component, const int16_t** blocks) override;

 private:
  struct alignas(64) Block {
    int16_t coefficients[kBlockSize];
  };
  // A decoded MCU row: per component its block rows, and one block more, which may be read behind the last one.
  struct McuRow {
    std::vector<Block> blocks;
    size_t starts[3] = {};
  };
  struct Reading;

  Status make_tables();
  Status decode_next_mcu_row();
  void give_rows_back();
  McuRow* take_row();
  Status check_row(uint32_t row) const;
  Status unstuff_row(uint32_t row);
  Status unstuff(const uint8_t* p, const uint8_t* end, uint8_t** out);
  Reading begin_row(uint32_t row) const;
  bool enter_mcu(Reading* reading) const;
  bool skip_mcus(Reading* reading, uint32_t count) const;
  bool decode_mcus(Reading* reading, uint32_t column, uint32_t end, McuRow* out) const;
  bool agrees_with_entry(Reading* reading, size_t entry, size_t bit) const;
  bool ends_right(Reading* reading, size_t next_entry) const;
  Status decode_row(uint32_t row, McuRow* out);
  Status decode_row_plain(uint32_t row, McuRow* out);
  Status decode_row_bmi2(uint32_t row, McuRow* out);

  Status (SeekRows::*decode_row_)(uint32_t row, McuRow* out);
  const SeekSample* sample_ = nullptr;
  const uint8_t* bytes_ = nullptr;
  ByteRange available_;
  bool checked_ = false;

  TableCache<DcTable> dc_tables_;
  TableCache<SeekTable> ac_tables_;
  std::shared_ptr<const DcTable> dc_[3];
  std::shared_ptr<const SeekTable> ac_[3];
  BlockTables tables_[3];

  BlockRange ranges_[3];
  McuRange mcus_;
  size_t asked_components_ = 0;
  uint32_t next_[3] = {};                      // block rows
  uint32_t decoded_ = 0, given_back_ = 0;      // MCU rows: those between them are held
  std::vector<std::unique_ptr<McuRow>> held_;  // by MCU row, from mcus_.row_start on
  std::vector<std::unique_ptr<McuRow>> free_;  // the one used last on top, which the caches still hold

  // Of the MCU row being decoded: its bytes without stuffing and markers, where the segments in them begin, and the bit
  // at which each entry lies, from the first one used to the one behind the last MCU.
  std::vector<uint8_t> plain_;
  const uint8_t* plain_end_ = nullptr;
  std::vector<size_t> segments_, entry_bits_;
};

}  // namespace dctstream
