#include "seek/rows.h"

#include <algorithm>
#include <cstdio>

#include "base/crc32c.h"
#include "seek/unstuff.h"

namespace dctstream {
namespace {

constexpr const char* kAnotherFile = "the file is not the one that the index was made of";

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

}  // namespace

// Where the decoding of an MCU row stands.
struct SeekRows::Reading {
  BitReader bits;
  int dc[3] = {};
  uint32_t until_restart = UINT32_MAX;  // MCUs
  size_t segment = 0;                   // the next one
};

SeekRows::SeekRows(Simd simd) : decode_row_(&SeekRows::decode_row_plain) {
#if defined(__x86_64__)
  if (simd != Simd::kScalar) decode_row_ = &SeekRows::decode_row_bmi2;  // every processor with AVX2 has it
#endif
  (void)simd;
}

Status SeekRows::open(const SeekSample& sample, const uint8_t* bytes, ByteRange range, bool checked) {
  sample_ = &sample;
  bytes_ = bytes;
  available_ = range;
  checked_ = checked;
  return make_tables();
}

Status SeekRows::make_tables() {
  HuffmanPairs pairs;
  if (Status s = read_huffman_pairs(sample_->huffman, sample_->layout, &pairs); !s.ok()) return s;
  for (int i = 0; i < sample_->layout.components; i++) {
    const int pair = sample_->layout.pair[i];
    dc_[i] = dc_tables_.find(pairs.dc[pair]);
    ac_[i] = ac_tables_.find(pairs.ac[pair]);
    if (dc_[i] == nullptr || ac_[i] == nullptr) return corrupt("the index holds impossible Huffman tables");
    tables_[i] = {dc_[i].get(), ac_[i].get()};
  }
  return {};
}

Status SeekRows::begin(size_t component, BlockRange range) {
  const SeekLayout& layout = sample_->layout;
  if (component >= size_t(layout.components)) return corrupt("the file has fewer components");
  const uint32_t wide = sample_->grid.wide * uint32_t(layout.h[component]),
                 high = sample_->grid.high * uint32_t(layout.v[component]);
  if (range.row_start >= range.row_end || range.row_end > high || range.column_start >= range.column_end ||
      range.column_end > wide)
    return Status::failure(Code::kInvalidArgument, "block range outside the component's grid");
  ranges_[component] = range;
  return {};
}

Status SeekRows::start(size_t components) {
  mcus_ = mcus_of(sample_->layout, ranges_);
  asked_components_ = components;
  for (size_t i = 0; i < components; i++) next_[i] = ranges_[i].row_start;
  for (std::unique_ptr<McuRow>& row : held_)
    if (row != nullptr) free_.push_back(std::move(row));
  held_.clear();
  held_.resize(mcus_.row_end - mcus_.row_start);
  decoded_ = given_back_ = mcus_.row_start;
  return {};
}

Status SeekRows::next_row(size_t component, const int16_t** blocks) {
  const BlockRange& range = ranges_[component];
  const uint32_t row = next_[component], h = uint32_t(sample_->layout.h[component]),
                 v = uint32_t(sample_->layout.v[component]);
  if (row >= range.row_end) return Status::failure(Code::kInvalidArgument, "no row is left in the range");
  while (decoded_ <= row / v)
    if (Status s = decode_next_mcu_row(); !s.ok()) return s;
  const McuRow& held = *held_[row / v - mcus_.row_start];
  const size_t wide = size_t(mcus_.column_end - mcus_.column_start) * h;
  const size_t block = held.starts[component] + row % v * wide + (range.column_start - mcus_.column_start * h);
  *blocks = held.blocks[block].coefficients;
  next_[component]++;
  return {};
}

// Rows that every component is past are used again.
void SeekRows::give_rows_back() {
  const auto passed = [&](uint32_t row) {
    for (size_t i = 0; i < asked_components_; i++)
      if (next_[i] < std::min((row + 1) * uint32_t(sample_->layout.v[i]), ranges_[i].row_end)) return false;
    return true;
  };
  for (; given_back_ < decoded_ && passed(given_back_); given_back_++)
    free_.push_back(std::move(held_[given_back_ - mcus_.row_start]));
}

SeekRows::McuRow* SeekRows::take_row() {
  std::unique_ptr<McuRow>& row = held_[decoded_ - mcus_.row_start];
  if (free_.empty()) {
    row = std::make_unique<McuRow>();
  } else {
    row = std::move(free_.back());
    free_.pop_back();
  }
  const SeekLayout& layout = sample_->layout;
  const size_t wide = mcus_.column_end - mcus_.column_start;
  size_t blocks = 0;
  for (int i = 0; i < layout.components; i++) {
    row->starts[i] = blocks;
    blocks += wide * size_t(layout.h[i] * layout.v[i]) + 1;
  }
  if (row->blocks.size() < blocks) row->blocks.resize(blocks);
  return row.get();
}

Status SeekRows::decode_next_mcu_row() {
  give_rows_back();
  if (Status s = check_row(decoded_); !s.ok()) return s;
  if (Status s = unstuff_row(decoded_); !s.ok()) return s;
  if (Status s = (this->*decode_row_)(decoded_, take_row()); !s.ok()) return s;
  decoded_++;
  return {};
}

Status SeekRows::check_row(uint32_t row) const {
  const ByteRange range = sample_->row_bytes(row);
  if (range.start < available_.start || range.end > available_.end)
    return corrupt("the bytes that were read are not those of the view");
  if (!checked_) return {};
  const uint32_t found = crc32c(bytes_ + (range.start - available_.start), range.end - range.start);
  if (found == sample_->row_crcs[row]) return {};
  char text[96];
  std::snprintf(text, sizeof(text), "bytes %u to %u of the image have crc32c %08x, expected %08x", range.start,
                range.end, found, sample_->row_crcs[row]);
  return Status::failure(Code::kChecksumMismatch, text);
}

// The bytes from the last entry in front of the columns to the first one behind them, entry by entry: so that each
// entry's place among the copied bytes is known.
Status SeekRows::unstuff_row(uint32_t row) {
  const SeekGrid& grid = sample_->grid;
  const uint32_t first = mcus_.column_start / grid.spacing, last = ceil_div(mcus_.column_end, grid.spacing);
  const size_t base = size_t(row) * grid.per_row;
  const uint32_t scan_bits = sample_->facts.scan_bytes() * 8;
  const auto bit_of = [&](size_t entry) {
    return entry < sample_->entries.size() ? sample_->entries[entry].bit : scan_bits;
  };
  const uint8_t* const scan = bytes_ + sample_->facts.scan_start - available_.start;
  const size_t most = ceil_div(bit_of(base + last), 8) - bit_of(base + first) / 8 + kCopySlack + kSlackBytes;
  if (plain_.size() < most) plain_.resize(most + most / 2);
  segments_.clear();
  entry_bits_.clear();
  uint8_t* out = plain_.data();
  for (uint32_t e = first; e < last; e++) {
    const uint32_t from = bit_of(base + e), to = bit_of(base + e + 1);
    entry_bits_.push_back(size_t(out - plain_.data()) * 8 + from % 8);
    const uint32_t end = e + 1 == last ? ceil_div(to, 8) : to / 8;
    if (Status s = unstuff(scan + from / 8, scan + end, &out); !s.ok()) return s;
    // Past the bits that belong to the next entry.
    if (e + 1 == last) entry_bits_.push_back(size_t(out - plain_.data()) * 8 - (-to & 7));
  }
  plain_end_ = out;
  return {};
}

Status SeekRows::unstuff(const uint8_t* p, const uint8_t* end, uint8_t** shared_out) {
  uint8_t* out = *shared_out;
  while (p < end) {
    copy_plain(&p, end, &out);
    if (p == end) break;
    // An 0xff that ends the bytes is data: its zero belongs to the next ones.
    const uint8_t marker = end - p >= 2 ? p[1] : 0;
    p += 2;
    if (marker >= 0xd0 && marker <= 0xd7) {
      segments_.push_back(size_t(out - plain_.data()));
    } else if (marker == 0) {
      *out++ = 0xff;
    } else {
      return corrupt(kAnotherFile);
    }
  }
  *shared_out = out;
  return {};
}

SeekRows::Reading SeekRows::begin_row(uint32_t row) const {
  const SeekGrid& grid = sample_->grid;
  const uint32_t first = mcus_.column_start / grid.spacing;
  const EntryPoint& entry = sample_->entries[size_t(row) * grid.per_row + first];
  Reading reading;
  reading.bits.start(plain_.data());
  reading.bits.refill();
  reading.bits.skip(int(entry.bit % 8));
  std::copy(entry.dc, entry.dc + 3, reading.dc);
  // An entry where a restart is due stands behind it.
  const uint32_t interval = uint32_t(sample_->layout.restart_interval);
  if (interval != 0) {
    const uint64_t mcu = uint64_t(row) * grid.wide + uint64_t(first) * grid.spacing;
    reading.until_restart = interval - uint32_t(mcu % interval);
  }
  return reading;
}

// Restarts where that is due.
DCTSTREAM_ALWAYS_INLINE bool SeekRows::enter_mcu(Reading* reading) const {
  if (__builtin_expect(reading->until_restart == 0, 0)) {
    if (reading->segment == segments_.size()) return false;
    reading->bits.start(plain_.data() + segments_[reading->segment++]);
    std::fill(reading->dc, reading->dc + 3, 0);
    reading->until_restart = uint32_t(sample_->layout.restart_interval);
  }
  return true;
}

DCTSTREAM_ALWAYS_INLINE bool SeekRows::skip_mcus(Reading* reading, uint32_t count) const {
  const SeekLayout& layout = sample_->layout;
  for (; count > 0; count--) {
    if (!enter_mcu(reading)) return false;
    for (int i = 0; i < layout.components; i++) {
      for (int n = layout.h[i] * layout.v[i]; n > 0; n--)
        if (!skip_block(&reading->bits, tables_[i], &reading->dc[i]) || reading->bits.next > plain_end_ + 8)
          return false;
    }
    reading->until_restart--;
  }
  return true;
}

DCTSTREAM_ALWAYS_INLINE bool SeekRows::decode_mcus(Reading* reading, uint32_t column, uint32_t end, McuRow* out) const {
  const SeekLayout& layout = sample_->layout;
  const size_t wide = mcus_.column_end - mcus_.column_start;
  for (; column < end; column++) {
    if (!enter_mcu(reading)) return false;
    for (int i = 0; i < layout.components; i++) {
      const size_t h = size_t(layout.h[i]);
      Block* row = out->blocks.data() + out->starts[i] + (column - mcus_.column_start) * h;
      for (int y = 0; y < layout.v[i]; y++, row += wide * h) {
        for (size_t x = 0; x < h; x++) {
          if (!decode_block(&reading->bits, tables_[i], &reading->dc[i], row[x].coefficients)) return false;
          if (__builtin_expect(reading->bits.next > plain_end_ + 8, 0)) return false;
        }
      }
    }
    reading->until_restart--;
  }
  return true;
}

// At the column of an entry: whether the reading has come to where the index has it.
DCTSTREAM_ALWAYS_INLINE bool SeekRows::agrees_with_entry(Reading* reading, size_t entry, size_t bit) const {
  if (!enter_mcu(reading)) return false;
  bool same = reading->bits.position(plain_.data()) == bit;
  for (int i = 0; i < sample_->layout.components; i++) same &= reading->dc[i] == sample_->entries[entry].dc[i];
  return same;
}

// Behind the last column.
DCTSTREAM_ALWAYS_INLINE bool SeekRows::ends_right(Reading* reading, size_t next_entry) const {
  const SeekGrid& grid = sample_->grid;
  const size_t used = reading->bits.position(plain_.data()), all = size_t(plain_end_ - plain_.data()) * 8;
  const bool at_entry = mcus_.column_end == grid.wide || mcus_.column_end % grid.spacing == 0;
  if (!at_entry) return used <= all;
  const bool scan_ends = next_entry == sample_->entries.size();
  if (!scan_ends && reading->until_restart != 0) return agrees_with_entry(reading, next_entry, entry_bits_.back());
  // A segment ends here, with a byte that may have bits left.
  const bool marker_follows = reading->segment < segments_.size();
  const size_t end = marker_follows ? segments_[reading->segment] * 8 : all;
  return marker_follows != scan_ends && used <= end && end - used < 8;
}

DCTSTREAM_ALWAYS_INLINE Status SeekRows::decode_row(uint32_t row, McuRow* out) {
  const SeekGrid& grid = sample_->grid;
  const uint32_t first = mcus_.column_start / grid.spacing, last = ceil_div(mcus_.column_end, grid.spacing);
  const size_t base = size_t(row) * grid.per_row;
  Reading reading = begin_row(row);
  if (!skip_mcus(&reading, mcus_.column_start - first * grid.spacing)) return corrupt(kAnotherFile);
  uint32_t column = mcus_.column_start;
  for (uint32_t entry = first; entry < last; entry++) {
    if (entry > first && !agrees_with_entry(&reading, base + entry, entry_bits_[entry - first]))
      return corrupt(kAnotherFile);
    const uint32_t end = std::min((entry + 1) * grid.spacing, mcus_.column_end);
    if (!decode_mcus(&reading, column, end, out)) return corrupt(kAnotherFile);
    column = end;
  }
  return ends_right(&reading, base + last) ? Status{} : corrupt(kAnotherFile);
}

Status SeekRows::decode_row_plain(uint32_t row, McuRow* out) { return decode_row(row, out); }

#if defined(__x86_64__)
// Shifts by a variable take one instruction instead of three.
__attribute__((target("bmi,bmi2,lzcnt"))) Status SeekRows::decode_row_bmi2(uint32_t row, McuRow* out) {
  return decode_row(row, out);
}
#endif

}  // namespace dctstream
