#include "seek/builder.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "jpeg/jpeg.h"
#include "seek/unstuff.h"

namespace dctstream {
namespace {

constexpr uint32_t kSpacing = 16, kSpacedFrom = 24;

Status refused(const char* why) { return Status::failure(Code::kUnsupportedJpeg, why); }

uint32_t spacing_of(const SeekOptions& options, uint32_t mcus_wide) {
  if (options.spacing != SeekOptions::kSpacingByWidth) return uint32_t(options.spacing);
  return mcus_wide >= kSpacedFrom ? kSpacing : 0;
}

void append_table(const HuffmanSpec& spec, std::vector<uint8_t>* out) {
  out->insert(out->end(), spec.counts, spec.counts + 16);
  out->insert(out->end(), spec.symbols, spec.symbols + spec.total);
}

void check_sum_rows(const uint8_t* bytes, SeekSample* sample) {
  sample->row_crcs.resize(sample->grid.high);
  for (uint32_t row = 0; row < sample->grid.high; row++) {
    const ByteRange range = sample->row_bytes(row);
    sample->row_crcs[row] = crc32c(bytes + range.start, range.end - range.start);
  }
}

}  // namespace

SeekBuilder::SeekBuilder(Simd simd) : walk_(&SeekBuilder::walk_plain), add_blocks_(add_blocks_for(simd)) {
#if defined(__x86_64__)
  if (simd != Simd::kScalar) walk_ = &SeekBuilder::walk_bmi2;  // every processor with AVX2 has it
#endif
  (void)simd;
}

// Everything that the header says.
Status SeekBuilder::describe(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample) {
  if (size < 4 || bytes[0] != 0xff || bytes[1] != 0xd8) return refused("not a JPEG");
  if (size > kMaxSeekFileBytes) return refused("a file of more than 256 MiB");
  header_ = ScanHeader{};
  if (Status s = parse_scan_header(bytes, size, &header_); !s.ok()) return refused(s.message.c_str());
  if (!header_.plain) return refused("a header with unusual segments");
  if (!is_luma_chroma(header_)) return refused("neither grey nor Y Cb Cr");
  McuGrid mcus;
  if (!mcu_grid_of(header_, &mcus)) return refused("impossible size or sampling factors");
  if (uint64_t(header_.width) * uint64_t(header_.height) > options.max_pixels) return refused("too many pixels");

  if (!describe_scan(header_, mcus, &facts_)) return refused("a quantisation table is missing, or an MCU is too large");

  SeekLayout& layout = sample->layout;
  layout = SeekLayout{};
  layout.components = header_.components;
  layout.restart_interval = header_.restart_interval;
  for (int i = 0; i < header_.components; i++) {
    const JpegComponent& component = facts_.components[size_t(i)];
    layout.h[i] = component.h;
    layout.v[i] = component.v;
    std::memcpy(layout.quant[i], component.quant, sizeof(layout.quant[i]));
  }
  SeekFacts& facts = sample->facts;
  facts = SeekFacts{};
  facts.file_bytes = uint32_t(size);
  facts.width = uint32_t(header_.width);
  facts.height = uint32_t(header_.height);
  facts.spacing = spacing_of(options, mcus.wide);
  facts.scan_start = uint32_t(header_.end);
  if (!seek_grid_of(facts, layout, &sample->grid).ok()) return refused("impossible size or sampling factors");
  // A block takes two bits at least: a header that promises more than the file can hold is not worth its memory.
  if (uint64_t(mcus.wide) * mcus.high / 4 > size - header_.end) return refused("a scan that is too short");
  return {};
}

// Distinct pairs of tables, in the order of the components.
Status SeekBuilder::choose_tables(SeekSample* sample) {
  SeekLayout& layout = sample->layout;
  sample->huffman.clear();
  int pairs = 0;
  for (int i = 0; i < layout.components; i++) {
    const ScanComponent& component = header_.component[i];
    const HuffmanSpec &dc = header_.dc[component.dc_table], &ac = header_.ac[component.ac_table];
    Component& own = components_[i];
    own.dc = dc_tables_.find(dc);
    own.ac = ac_tables_.find(ac);
    if (own.dc == nullptr || own.ac == nullptr) return refused("missing or impossible Huffman tables");
    int same = 0;
    while (same < i && (components_[same].dc != own.dc || components_[same].ac != own.ac)) same++;
    layout.pair[i] = same < i ? layout.pair[same] : pairs++;
    if (same < i) continue;
    append_table(dc, &sample->huffman);
    append_table(ac, &sample->huffman);
  }
  return {};
}

// Copies the scan without stuffed zeros, split at its restart markers. True when it ends at an end-of-image marker.
bool SeekBuilder::split_scan(const uint8_t* bytes, size_t size, size_t* scan_end) {
  segments_.clear();
  left_out_.clear();
  const size_t wanted = size - header_.end + kSlackBytes;
  if (scan_.size() < wanted) scan_.resize(wanted + wanted / 2);
  const uint8_t *p = bytes + header_.end, *const end = bytes + size;
  uint8_t* out = scan_.data();
  size_t segment_start = 0;
  for (;;) {
    copy_plain(&p, end, &out);
    if (end - p < 2) return false;
    const uint8_t marker = p[1];
    p += 2;
    if (marker == 0) {
      *out++ = 0xff;
      left_out_.push_back(size_t(out - scan_.data()));
      continue;
    }
    const size_t at = size_t(out - scan_.data());
    const uint8_t next_restart = uint8_t(0xd0 + (segments_.size() & 7));
    segments_.push_back({segment_start, at});
    segment_start = at;
    if (marker == next_restart) {
      left_out_.insert(left_out_.end(), 2, at);
      continue;
    }
    std::memset(out, 0, kSlackBytes);
    *scan_end = size_t(p - 2 - bytes);
    return marker == 0xd9;
  }
}

// What is left of a segment's last byte is filled with one bits.
bool SeekBuilder::segment_is_complete(const BitReader& bits, const Segment& segment) const {
  const size_t used = bits.position(scan_.data() + segment.start), whole = (segment.end - segment.start) * 8;
  if (used > whole || whole - used > 7) return false;
  const uint32_t padding = (1u << (whole - used)) - 1;
  return segment.end == segment.start || (scan_[segment.end - 1] & padding) == padding;
}

void SeekBuilder::start_sums() {
  for (size_t i = 0; i < facts_.components.size(); i++) {
    Component& component = components_[i];
    const JpegComponent& of = facts_.components[i];
    component.h = uint32_t(of.h);
    component.v = uint32_t(of.v);
    component.wide = of.blocks_wide;
    component.high = of.blocks_high;
    component.whole_mcus_wide = component.wide / component.h;
    component.whole_mcus_high = component.high / component.v;
    component.waiting = 0;
    component.sums = PlaneSums{};
  }
}

void SeekBuilder::finish_sums() {
  stats_ = FrequencyStats{};
  for (size_t i = 0; i < facts_.components.size(); i++) {
    add_waiting(&components_[i]);
    set_frequencies(facts_, i, components_[i].sums, &stats_);
  }
}

// Adds the blocks that wait to the sums, filled up with empty ones.
void SeekBuilder::add_waiting(Component* component) {
  const size_t count = component->waiting, rest = (kWaitingBlocks - count) % kBlocksPerStep;
  int8_t* const blocks = component->blocks;
  std::memset(blocks + count * kBlockSize, 0, rest * kBlockSize);
  std::fill_n(component->dcs + count, rest, int16_t(0));
  add_blocks_(blocks, component->dcs, count + rest, &component->sums);
  component->waiting = 0;
}

// Which of an MCU's blocks are no padding, the first one lowest.
uint32_t SeekBuilder::counted_blocks(const Component& component, uint32_t mx, uint32_t my) {
  uint32_t counted = 0;
  for (uint32_t n = 0; n < component.h * component.v; n++) {
    const uint32_t x = mx * component.h + n % component.h, y = my * component.v + n / component.h;
    counted |= uint32_t(x < component.wide && y < component.high) << n;
  }
  return counted;
}

// An MCU's blocks of a component; `counted` has a bit for each. The next block takes the place of one that is padding.
DCTSTREAM_ALWAYS_INLINE bool SeekBuilder::read_blocks(BitReader* bits, const uint8_t* limit, uint32_t counted, int* dc,
                                                      Component* component) {
  if (component->waiting + kMaxBlocksPerMcu > kWaitingBlocks) add_waiting(component);
  const DcTable& dc_table = *component->dc;
  const WindowTable& ac_table = *component->ac;
  size_t at = component->waiting;
  for (uint32_t n = component->h * component->v; n > 0; n--, counted >>= 1) {
    PlaneSums* const sums = counted & 1 ? &component->sums : &padding_sums_;
    if (!measure_block(bits, dc_table, ac_table, dc, component->blocks + at * kBlockSize, sums)) return false;
    if (__builtin_expect(bits->next > limit + 8, 0)) return false;
    component->dcs[at] = int16_t(*dc);
    at += counted & 1;
  }
  component->waiting = at;
  return true;
}

// Goes over all blocks, notes the entries and adds up the coefficients.
__attribute__((always_inline)) inline bool SeekBuilder::walk(SeekSample* sample) {
  const SeekLayout& layout = sample->layout;
  const SeekGrid& grid = sample->grid;
  const int components = layout.components;
  BitReader bits;
  bits.start(scan_.data());
  size_t segment = 0, passed = 0;
  const uint8_t* limit = scan_.data() + segments_[0].end;
  uint32_t until_restart = layout.restart_interval == 0 ? UINT32_MAX : uint32_t(layout.restart_interval);
  int dc[3] = {};
  EntryPoint* entry = sample->entries.data();
  for (uint32_t my = 0; my < grid.high; my++) {
    uint32_t until_entry = 0;
    for (uint32_t mx = 0; mx < grid.wide; mx++) {
      if (__builtin_expect(until_restart-- == 0, 0)) {
        if (!segment_is_complete(bits, segments_[segment]) || ++segment >= segments_.size()) return false;
        bits.start(scan_.data() + segments_[segment].start);
        limit = scan_.data() + segments_[segment].end;
        std::fill(dc, dc + 3, 0);
        until_restart = uint32_t(layout.restart_interval) - 1;
      }
      if (until_entry-- == 0) {
        const size_t at = bits.position(scan_.data());
        while (passed < left_out_.size() && left_out_[passed] <= at / 8) passed++;
        *entry++ = {uint32_t(at + 8 * passed), {int16_t(dc[0]), int16_t(dc[1]), int16_t(dc[2])}};
        until_entry = grid.spacing - 1;
      }
      for (int i = 0; i < components; i++) {
        Component& component = components_[i];
        const bool whole = mx < component.whole_mcus_wide && my < component.whole_mcus_high;
        const uint32_t counted = whole ? UINT32_MAX : counted_blocks(component, mx, my);
        if (!read_blocks(&bits, limit, counted, &dc[i], &component)) return false;
      }
    }
  }
  return segment_is_complete(bits, segments_[segment]) && segment + 1 == segments_.size();
}

bool SeekBuilder::walk_plain(SeekSample* sample) { return walk(sample); }

#if defined(__x86_64__)
// Shifts by a variable take one instruction instead of three.
__attribute__((target("avx2,bmi,bmi2,lzcnt"))) bool SeekBuilder::walk_bmi2(SeekSample* sample) { return walk(sample); }
#endif

Status SeekBuilder::build(const uint8_t* bytes, size_t size, const SeekOptions& options, SeekSample* sample) {
  if (Status s = describe(bytes, size, options, sample); !s.ok()) return s;
  if (Status s = choose_tables(sample); !s.ok()) return s;
  size_t scan_end = 0;
  if (!split_scan(bytes, size, &scan_end)) return refused("a scan with stray markers, or without an end");
  facts_.trailer_start = scan_end;
  sample->facts.trailing_bytes = uint32_t(size - scan_end);
  sample->entries.resize(sample->grid.entries());
  start_sums();
  if (!(this->*walk_)(sample)) return refused("a damaged scan");
  finish_sums();
  sample->facts.crc32c = crc32c(bytes, size);
  check_sum_rows(bytes, sample);
  return {};
}

}  // namespace dctstream
