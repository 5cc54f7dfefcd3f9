#include "jpeg/baseline.h"

#include <algorithm>
#include <cstring>

#include "jpeg/bit_reader.h"

namespace dctstream {
namespace {

// Bytes readable past the end of the scan: more than any block can take, so that one check per block is enough.
constexpr size_t kSlackBytes = 512;

// Where a row of blocks goes.
struct Row {
  uint64_t* mask = nullptr;
  uint8_t* value = nullptr;
  int left_dc = 0;
  std::vector<int16_t>* escapes = nullptr;
};

__attribute__((noinline)) void put_escape(int value, std::vector<int16_t>* escapes) {
  escapes->push_back(int16_t(value));
}

inline uint8_t* put_value(int value, uint8_t* out, std::vector<int16_t>* escapes) {
  const bool fits = value > -128 && value < 128;
  *out = fits ? uint8_t(value) : kEscape;
  if (__builtin_expect(!fits, 0)) put_escape(value, escapes);
  return out + 1;
}

enum class Step { kMore, kDone, kBad };

// A block being read. The rarer paths get a copy, so that the common one keeps it in registers.
struct Reading {
  BitReader bits;
  int k = 1;  // the next place
  uint64_t mask = 0;
  uint8_t* value = nullptr;
  Step step = Step::kMore;

  void check_end() { step = k < kBlockSize ? Step::kMore : Step::kDone; }
};

// One symbol whose code is longer than `shorter` bits.
__attribute__((noinline)) void read_symbol(Reading* r, const AcTable& table, int shorter,
                                           std::vector<int16_t>* escapes) {
  r->step = Step::kBad;
  r->bits.refill();
  const Symbol symbol = table.codes.find(uint32_t(r->bits.buffer >> 48), shorter);
  if (symbol.length == 0) return;
  r->bits.skip(symbol.length);
  const int run = symbol.value >> 4, size = symbol.value & 15;
  if (size == 0) {
    r->k += run == 0 ? kEndOfBlock : 16;
  } else {
    r->k += run;
    if (r->k >= kBlockSize) return;
    r->value = put_value(extend(r->bits.take(size), size), r->value, escapes);
    r->mask |= uint64_t(1) << r->k++;
  }
  r->bits.refill();
  r->check_end();
}

// The last look-up went past the end of the block: what followed it belongs to the next one. Undone, and read again one
// symbol at a time.
__attribute__((noinline)) void end_block(Reading* r, const AcTable& table, uint64_t entry,
                                         std::vector<int16_t>* escapes) {
  r->bits.rewind(int(entry & 0xff));
  r->k -= int(entry >> 8) & 0xff;
  r->mask &= (uint64_t(1) << r->k) - 1;
  r->value -= entry >> 16 & 7;
  do read_symbol(r, table, 0, escapes);
  while (r->step == Step::kMore);
}

// One look-up: up to three symbols of 11 bits together; or one whose value lies beyond them, of 26 bits, or whose code
// does: these two refill.
__attribute__((always_inline)) inline Reading look_up(Reading r, const AcTable& table, std::vector<int16_t>* escapes) {
  const uint64_t entry = table.entries[r.bits.buffer >> (64 - kAcBits)];
  if (__builtin_expect((entry & (kValueBeyond | 0xff)) - 1 < kValueBeyond - 1, 1)) {
    r.bits.skip(int(entry & 0xff));
    r.mask |= entry >> 48 << r.k;
    r.k += int(entry >> 8) & 0xff;
    const uint32_t values = uint32_t(entry >> 24);
    std::memcpy(r.value, &values, 4);
    r.value += entry >> 16 & 7;
    if (r.k < kBlockSize) return r;
    r.step = Step::kDone;
    const bool past = r.k > kBlockSize && (r.k <= kEndOfBlock || r.k >= kEndOfBlock + kBlockSize);
    if (__builtin_expect(past, 0)) {
      Reading rare = r;
      end_block(&rare, table, entry, escapes);
      return rare;
    }
    return r;
  }
  if (__builtin_expect((entry & kValueBeyond) == 0, 0)) {
    Reading rare = r;
    read_symbol(&rare, table, kAcBits, escapes);
    return rare;
  }
  r.bits.skip(int(entry & 0xff));
  r.k += int(entry >> 8) & 0xff;
  if (__builtin_expect(r.k >= kBlockSize, 0)) {
    r.step = Step::kBad;
    return r;
  }
  const int size = int(entry >> 24) & 0xff;
  r.value = put_value(extend(r.bits.take(size), size), r.value, escapes);
  r.bits.refill();
  r.mask |= uint64_t(1) << r.k++;
  r.check_end();
  return r;
}

// The AC coefficients. A refill gives 56 bits, the DC coefficient leaves 47 of them: enough for one look-up and a
// second whose value lies beyond. Refilling before each would put the load on the critical path twice as often.
__attribute__((always_inline)) inline Reading read_ac(Reading r, const AcTable& table, std::vector<int16_t>* escapes) {
  for (;;) {
    r = look_up(r, table, escapes);
    if (r.step != Step::kMore) return r;
    r = look_up(r, table, escapes);
    if (r.step != Step::kMore) return r;
    r.bits.refill();
  }
}

// One block. False when it is damaged or no encoder would have written it so.
__attribute__((always_inline)) inline bool decode_block(BitReader* shared_bits, const DcTable& dc_table,
                                                        const AcTable& ac_table, int* last_dc, int left_dc, Row* row) {
  Reading r;
  r.bits = *shared_bits;
  r.bits.refill();
  const DcTable::Entry dc = dc_table.entries[r.bits.buffer >> (64 - kDcBits)];
  int difference = dc.difference;
  if (__builtin_expect(dc.bits != 0, 1)) {
    r.bits.skip(dc.bits);
  } else {
    const Symbol size = dc_table.codes.find(uint32_t(r.bits.buffer >> 48), 0);
    if (size.length == 0) return false;
    r.bits.skip(size.length);
    difference = size.value == 0 ? 0 : extend(r.bits.take(size.value), size.value);
    r.bits.refill();
  }
  const int now_dc = *last_dc + difference;
  if (__builtin_expect(now_dc != int16_t(now_dc), 0)) return false;
  *last_dc = now_dc;

  const int stored = int16_t(now_dc - left_dc);
  r.mask = uint64_t(stored != 0);
  if (__builtin_expect(stored == int8_t(stored) && stored != -128, 1)) {
    *row->value = uint8_t(stored);
    r.value = row->value + r.mask;
  } else {
    r.value = put_value(stored, row->value, row->escapes);
  }
  row->left_dc = now_dc;

  r = read_ac(r, ac_table, row->escapes);
  if (r.step == Step::kBad) return false;
  // An encoder ends a block right after its last value: zeros in front of the end of the block are not written.
  const int places = r.k & (kEndOfBlock - 1);
  if (__builtin_expect(64 - __builtin_clzll(r.mask | 1) != places, 0)) return false;
  *row->mask++ = r.mask;
  row->value = r.value;
  *shared_bits = r.bits;
  return true;
}

// Whether MCU rows are whole rows of the stored grids, and frames whole MCU rows.
bool fills_frames(const JpegFacts& facts, const McuGrid& mcus) {
  for (const JpegComponent& component : facts.components) {
    const Grid& stored = component.stored;
    if (kRowsPerFrame % uint32_t(component.v) != 0 || stored.blocks_wide != mcus.wide * uint32_t(component.h) ||
        stored.blocks_high != mcus.high * uint32_t(component.v))
      return false;
  }
  return true;
}

}  // namespace

struct BaselineReader::Component {
  std::shared_ptr<const DcTable> dc;
  std::shared_ptr<const AcTable> ac;
  int h = 1, v = 1;
  int last_dc = 0;   // of the block before, in the scan's order
  int above_dc = 0;  // of the first block in the row above
  Row rows[kMaxComponents];
  size_t values_used = 0;
  // Components with several rows per MCU get these interleaved; each row is kept apart until it is complete.
  GrowingBytes row_values[kMaxComponents];
  std::vector<int16_t> row_escapes[kMaxComponents];
};

BaselineReader::BaselineReader(Simd simd)
    : components_(std::make_unique<Component[]>(kMaxComponents)), decode_(&BaselineReader::decode_plain) {
#if defined(__x86_64__)
  if (simd != Simd::kScalar) decode_ = &BaselineReader::decode_bmi2;  // every processor with AVX2 has it
#endif
  (void)simd;
}
BaselineReader::~BaselineReader() = default;

// Copies the scan without stuffed zeros, split at its restart markers. True when it ends at an end-of-image marker.
bool BaselineReader::split_scan(const uint8_t* bytes, size_t size, size_t start, size_t* scan_end) {
  segments_.clear();
  if (scan_.size() < size - start + kSlackBytes) scan_.resize((size - start + kSlackBytes) * 3 / 2);
  const uint8_t *p = bytes + start, *end = bytes + size;
  uint8_t* out = scan_.data();
  size_t segment_start = 0;
  for (;;) {
    const uint8_t* found = static_cast<const uint8_t*>(std::memchr(p, 0xff, size_t(end - p)));
    if (found == nullptr || found + 1 >= end) return false;
    const size_t length = size_t(found - p);
    std::memcpy(out, p, length);
    out += length;
    p = found + 2;
    const uint8_t marker = found[1];
    if (marker == 0) {
      *out++ = 0xff;
      continue;
    }
    const size_t at = size_t(out - scan_.data());
    segments_.push_back({segment_start, at});
    segment_start = at;
    if (marker == 0xd0 + ((segments_.size() - 1) & 7)) continue;
    if (marker != 0xd9) return false;
    std::memset(out, 0, kSlackBytes);
    *scan_end = size_t(found - bytes);
    return true;
  }
}

bool BaselineReader::prepare(const JpegFacts& facts, std::vector<PlaneStreams>* planes) {
  const size_t count = facts.components.size();
  if (planes->size() != count) *planes = std::vector<PlaneStreams>(count);
  for (size_t i = 0; i < count; i++) {
    Component& component = components_[i];
    const ScanComponent& in = header_.component[i];
    component.dc = dc_tables_.find(header_.dc[in.dc_table]);
    component.ac = ac_tables_.find(header_.ac[in.ac_table]);
    if (component.dc == nullptr || component.ac == nullptr) return false;
    component.h = facts.components[i].h;
    component.v = facts.components[i].v;
    component.last_dc = component.above_dc = 0;
    component.values_used = 0;
    PlaneStreams& plane = (*planes)[i];
    plane.start(facts.components[i].stored);
    for (auto& escapes : component.row_escapes) escapes.clear();
  }
  return true;
}

__attribute__((always_inline)) inline bool BaselineReader::decode(std::vector<PlaneStreams>* planes) {
  const size_t count = planes->size();
  BitReader bits;
  size_t segment = 0;
  bits.start(scan_.data());
  const uint8_t* limit = scan_.data() + segments_[0].end;
  // What is left of a segment's last byte is filled with one bits.
  const auto segment_is_complete = [&] {
    const Segment& s = segments_[segment];
    const size_t used = bits.position(scan_.data() + s.start), whole = (s.end - s.start) * 8;
    if (used > whole || whole - used > 7) return false;
    const uint32_t padding = (1u << (whole - used)) - 1;
    return s.end == s.start ? true : (scan_[s.end - 1] & padding) == padding;
  };
  uint32_t until_restart = header_.restart_interval == 0 ? UINT32_MAX : uint32_t(header_.restart_interval);
  for (uint32_t my = 0; my < mcus_.high; my++) {
    for (size_t i = 0; i < count; i++) {
      Component& c = components_[i];
      PlaneStreams& plane = (*planes)[i];
      const size_t wide = plane.grid.blocks_wide;
      const uint32_t first_row = my * uint32_t(c.v);
      if (first_row % kRowsPerFrame == 0) c.above_dc = 0;
      for (int y = 0; y < c.v; y++) {
        Row& row = c.rows[y];
        row.mask = plane.masks.data() + (first_row + uint32_t(y)) * wide;
        row.value = c.v == 1 ? plane.values.reserve(c.values_used, wide * kBlockSize)
                             : c.row_values[y].reserve(0, wide * kBlockSize);
        row.escapes = c.v == 1 ? &plane.escapes : &c.row_escapes[y];
      }
    }
    for (uint32_t mx = 0; mx < mcus_.wide; mx++) {
      if (__builtin_expect(until_restart-- == 0, 0)) {
        if (!segment_is_complete() || ++segment >= segments_.size()) return false;
        bits.start(scan_.data() + segments_[segment].start);
        limit = scan_.data() + segments_[segment].end;
        for (size_t i = 0; i < count; i++) components_[i].last_dc = 0;
        until_restart = uint32_t(header_.restart_interval) - 1;
      }
      for (size_t i = 0; i < count; i++) {
        Component& c = components_[i];
        for (int y = 0; y < c.v; y++) {
          Row& row = c.rows[y];
          for (int x = 0; x < c.h; x++) {
            const bool first = mx == 0 && x == 0;
            if (!decode_block(&bits, *c.dc, *c.ac, &c.last_dc, first ? c.above_dc : row.left_dc, &row)) return false;
            if (__builtin_expect(first, 0)) c.above_dc = row.left_dc;
            if (__builtin_expect(bits.next > limit + 8, 0)) return false;
          }
        }
      }
    }
    for (size_t i = 0; i < count; i++) {
      Component& c = components_[i];
      PlaneStreams& plane = (*planes)[i];
      if (c.v == 1) {
        c.values_used = size_t(c.rows[0].value - plane.values.data());
      } else {
        for (int y = 0; y < c.v; y++) {
          const size_t length = size_t(c.rows[y].value - c.row_values[y].data());
          std::memcpy(plane.values.reserve(c.values_used, length), c.row_values[y].data(), length);
          c.values_used += length;
          plane.escapes.insert(plane.escapes.end(), c.row_escapes[y].begin(), c.row_escapes[y].end());
          c.row_escapes[y].clear();
        }
      }
      const uint32_t rows_done = (my + 1) * uint32_t(c.v);
      if (rows_done % kRowsPerFrame == 0 || my + 1 == mcus_.high) {
        plane.value_end.push_back(c.values_used);
        plane.escape_end.push_back(plane.escapes.size());
      }
    }
  }
  return segment_is_complete() && segment + 1 == segments_.size();
}

bool BaselineReader::decode_plain(std::vector<PlaneStreams>* planes) { return decode(planes); }

#if defined(__x86_64__)
// Shifts by a variable take one instruction instead of three.
__attribute__((target("bmi,bmi2,lzcnt"))) bool BaselineReader::decode_bmi2(std::vector<PlaneStreams>* planes) {
  return decode(planes);
}
#endif

bool BaselineReader::read(const uint8_t* bytes, size_t size, uint64_t max_pixels, JpegFacts* facts,
                          std::vector<PlaneStreams>* planes) {
  if (size < 4 || bytes[0] != 0xff || bytes[1] != 0xd8) return false;
  header_ = ScanHeader{};
  if (!parse_scan_header(bytes, size, &header_).ok() || !header_.plain || !is_luma_chroma(header_)) return false;
  if (uint64_t(header_.width) * uint64_t(header_.height) > max_pixels || !mcu_grid_of(header_, &mcus_)) return false;
  if (header_.width > kMaxSide || header_.height > kMaxSide) return false;
  if (!describe_scan(header_, mcus_, facts) || !fills_frames(*facts, mcus_)) return false;
  // A block takes two bits at least: a header that promises more than the file can hold is not worth its memory.
  if (uint64_t(mcus_.wide) * mcus_.high / 4 > size - header_.end) return false;
  return split_scan(bytes, size, header_.end, &facts->trailer_start) && prepare(*facts, planes) &&
         (this->*decode_)(planes);
}

}  // namespace dctstream
