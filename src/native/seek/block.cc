#include "seek/block.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/crc32c.h"
#include "seek/entry_code.h"

namespace dctstream {
namespace {

constexpr uint32_t kSealedMagic = 0x31494b53, kOpenMagic = 0x314f4b53;  // "SKI1", "SKO1"

// Numbers of a sample in an open block. Positions are counted from the block's first byte.
enum SampleRow {
  kRowOffsetLow,
  kRowOffsetHigh,
  kRowFileBytes,
  kRowWidth,
  kRowHeight,
  kRowSpacing,
  kRowScanStart,
  kRowTrailingBytes,
  kRowCrc32c,
  kRowLayout,
  kRowSet,         // where its bytes are
  kRowSetBytes,    //
  kRowData,        // where its row checksums are, and behind them its entries
  kRowEntryBytes,  //
  kOpenRowNumbers
};

constexpr size_t kOpenHeaderBytes = 16, kRowBytes = 4 * size_t(kOpenRowNumbers);
constexpr size_t kOpenLayoutBytes = 1 + 9 + 2 + 3 * 2 * kBlockSize;
constexpr size_t kMaxSetBytes = 3 * 2 * (16 + 256);

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }
Status invalid(const char* what) { return Status::failure(Code::kInvalidArgument, what); }

void put_u16(uint32_t value, std::vector<uint8_t>* out) {
  out->push_back(uint8_t(value));
  out->push_back(uint8_t(value >> 8));
}
void put_u32(uint32_t value, std::vector<uint8_t>* out) {
  put_u16(value, out);
  put_u16(value >> 16, out);
}
void set_u32(uint32_t value, uint8_t* p) { std::memcpy(p, &value, 4); }
void put_varint(uint64_t value, std::vector<uint8_t>* out) {
  for (; value > 127; value >>= 7) out->push_back(uint8_t(value | 128));
  out->push_back(uint8_t(value));
}
uint32_t get_u16(const uint8_t* p) { return uint32_t(p[0] | p[1] << 8); }
uint32_t get_u32(const uint8_t* p) { return get_u16(p) | get_u16(p + 2) << 16; }

void append_layout(const SeekLayout& layout, std::vector<uint8_t>* out) {
  out->push_back(uint8_t(layout.components));
  for (int i = 0; i < 3; i++)
    for (const int value : {layout.h[i], layout.v[i], layout.pair[i]}) out->push_back(uint8_t(value));
  put_u16(uint32_t(layout.restart_interval), out);
  for (const auto& table : layout.quant)
    for (const uint16_t step : table) put_u16(step, out);
}

void read_layout(const uint8_t* p, SeekLayout* layout) {
  layout->components = *p++;
  for (int i = 0; i < 3; i++, p += 3) {
    layout->h[i] = p[0];
    layout->v[i] = p[1];
    layout->pair[i] = p[2];
  }
  layout->restart_interval = int(get_u16(p));
  p += 2;
  for (auto& table : layout->quant)
    for (uint16_t& step : table) step = uint16_t(get_u16(p)), p += 2;
}

// A run of bytes of a block.
struct Part {
  const uint8_t* data = nullptr;
  size_t size = 0;

  bool operator==(const Part& other) const { return size == other.size && std::memcmp(data, other.data, size) == 0; }
};

// A sample whose parts are where the block has them.
struct RawSample {
  SeekFacts facts;
  size_t layout = 0, set = 0;  // index in the block's lists
  Part row_crcs, entries;
};

struct RawBlock {
  std::vector<RawSample> samples;
  std::vector<Part> layouts, sets;
};

// Layouts and sets, as both forms hold them.
std::vector<uint8_t> join_tables(const RawBlock& block) {
  std::vector<uint8_t> out;
  for (const Part& layout : block.layouts) out.insert(out.end(), layout.data, layout.data + layout.size);
  for (const Part& set : block.sets) {
    put_u16(uint32_t(set.size), &out);
    out.insert(out.end(), set.data, set.data + set.size);
  }
  return out;
}

void write_open(const RawBlock& block, std::vector<uint8_t>* out) {
  const std::vector<uint8_t> tables = join_tables(block);
  size_t data = 0;
  for (const RawSample& sample : block.samples) data += sample.row_crcs.size + sample.entries.size;
  const size_t rows = kOpenHeaderBytes, first_table = rows + block.samples.size() * kRowBytes;
  out->clear();
  out->reserve(first_table + tables.size() + data);
  for (const size_t number : {size_t(kOpenMagic), block.samples.size(), block.layouts.size(), tables.size()})
    put_u32(uint32_t(number), out);
  out->resize(first_table);
  out->insert(out->end(), tables.begin(), tables.end());
  std::vector<size_t> set_starts;
  size_t set_start = first_table + block.layouts.size() * kOpenLayoutBytes + 2;
  for (const Part& set : block.sets) {
    set_starts.push_back(set_start);
    set_start += set.size + 2;
  }
  for (size_t i = 0; i < block.samples.size(); i++) {
    const RawSample& sample = block.samples[i];
    const SeekFacts& facts = sample.facts;
    const uint32_t numbers[kOpenRowNumbers] = {uint32_t(facts.offset),
                                               uint32_t(facts.offset >> 32),
                                               facts.file_bytes,
                                               facts.width,
                                               facts.height,
                                               facts.spacing,
                                               facts.scan_start,
                                               facts.trailing_bytes,
                                               facts.crc32c,
                                               uint32_t(sample.layout),
                                               uint32_t(set_starts[sample.set]),
                                               uint32_t(block.sets[sample.set].size),
                                               uint32_t(out->size()),
                                               uint32_t(sample.entries.size)};
    for (size_t n = 0; n < kOpenRowNumbers; n++) set_u32(numbers[n], out->data() + rows + i * kRowBytes + 4 * n);
    for (const Part& part : {sample.row_crcs, sample.entries})
      out->insert(out->end(), part.data, part.data + part.size);
  }
}

// A row of an open block that was checked.
struct OpenRow {
  SampleFacts sample;
  Part layout, set, row_crcs, entries;
};

Status read_row(const uint8_t* open, size_t size, uint32_t number, OpenRow* row) {
  uint32_t count = 0;
  if (Status s = count_samples(open, size, &count); !s.ok()) return s;
  if (number >= count) return corrupt("the index block has no sample of that number");
  const uint8_t* const p = open + kOpenHeaderBytes + number * kRowBytes;
  const auto get = [p](SampleRow at) { return get_u32(p + 4 * at); };
  SeekFacts& facts = row->sample.facts;
  facts.offset = uint64_t(get(kRowOffsetHigh)) << 32 | get(kRowOffsetLow);
  facts.file_bytes = get(kRowFileBytes);
  facts.width = get(kRowWidth);
  facts.height = get(kRowHeight);
  facts.spacing = get(kRowSpacing);
  facts.scan_start = get(kRowScanStart);
  facts.trailing_bytes = get(kRowTrailingBytes);
  facts.crc32c = get(kRowCrc32c);
  const uint64_t layout = kOpenHeaderBytes + count * kRowBytes + uint64_t(get(kRowLayout)) * kOpenLayoutBytes;
  if (get(kRowLayout) >= get_u32(open + 8) || layout + kOpenLayoutBytes > size)
    return corrupt("the index block lacks a layout");
  row->layout = {open + layout, kOpenLayoutBytes};
  read_layout(row->layout.data, &row->sample.layout);
  if (Status s = seek_grid_of(facts, row->sample.layout, &row->sample.grid); !s.ok()) return s;
  const uint64_t crc_bytes = uint64_t(row->sample.grid.high) * 4;
  const uint64_t set = get(kRowSet), set_bytes = get(kRowSetBytes);
  const uint64_t data = get(kRowData), entry_bytes = get(kRowEntryBytes);
  if (set_bytes > kMaxSetBytes || set + set_bytes > size || data + crc_bytes + entry_bytes > size)
    return corrupt("the index block ends before a sample does");
  row->set = {open + set, set_bytes};
  row->row_crcs = {open + data, crc_bytes};
  row->entries = {row->row_crcs.data + crc_bytes, entry_bytes};
  return {};
}

size_t intern(const Part& part, std::vector<Part>* list) {
  const size_t at = size_t(std::find(list->begin(), list->end(), part) - list->begin());
  if (at == list->size()) list->push_back(part);
  return at;
}

uint64_t zigzag(int64_t value) { return uint64_t(value) << 1 ^ uint64_t(value >> 63); }
int64_t unzigzag(uint64_t value) { return int64_t(value >> 1) ^ -int64_t(value & 1); }

// Reads from the front of a run of bytes; what is not there is an error that stays.
class Source {
 public:
  Source(const uint8_t* p, size_t size) : p_(p), left_(size) {}

  // A varint of at most `most`; 0 for a larger one.
  uint64_t number(uint64_t most) {
    uint64_t value = 0;
    for (int shift = 0; shift < 63 && left_ > 0; shift += 7) {
      const uint8_t byte = *p_++;
      left_--;
      value |= uint64_t(byte & 127) << shift;
      if (byte >= 128) continue;
      if (value <= most) return value;
      break;
    }
    good_ = false;
    return 0;
  }
  uint32_t u32() {
    const Part part = take(4);
    return part.data == nullptr ? 0 : get_u32(part.data);
  }
  Part take(uint64_t size) {
    if (size > left_) {
      good_ = false;
      return {};
    }
    const Part part = {p_, size_t(size)};
    p_ += size;
    left_ -= size_t(size);
    return part;
  }
  bool good() const { return good_; }
  size_t left() const { return left_; }

 private:
  const uint8_t* p_;
  size_t left_;
  bool good_ = true;
};

// The facts of all samples, column by column.
void seal_facts(const RawBlock& block, std::vector<uint8_t>* out) {
  const auto column = [&](auto value_of) {
    for (const RawSample& sample : block.samples) put_varint(value_of(sample), out);
  };
  int64_t before = 0;
  column([&before](const RawSample& s) {
    const int64_t offset = int64_t(s.facts.offset / kOffsetUnit), difference = offset - before;
    before = offset;
    return zigzag(difference);
  });
  column([](const RawSample& s) { return s.facts.file_bytes; });
  column([](const RawSample& s) { return s.facts.width; });
  column([](const RawSample& s) { return s.facts.height; });
  column([](const RawSample& s) { return s.layout; });
  column([](const RawSample& s) { return s.facts.spacing; });
  column([](const RawSample& s) { return s.facts.scan_start; });
  column([](const RawSample& s) { return s.facts.trailing_bytes; });
  column([](const RawSample& s) { return s.entries.size; });
  column([](const RawSample& s) { return s.set; });
  for (const RawSample& sample : block.samples) put_u32(sample.facts.crc32c, out);
}

// Their inverse. False when the bytes end, or a number is larger than its meaning allows.
bool open_facts(Source* source, RawBlock* block, std::vector<uint64_t>* entry_bytes) {
  const auto column = [&](uint64_t most, auto store) {
    for (RawSample& sample : block->samples) store(sample, source->number(most));
  };
  constexpr uint64_t kMaxUnits = (uint64_t(1) << 53) / kOffsetUnit;
  int64_t offset = 0;
  bool inside = true;
  column(2 * kMaxUnits, [&](RawSample& s, uint64_t value) {
    offset += unzigzag(value);
    inside = inside && offset >= 0 && offset < int64_t(kMaxUnits);
    s.facts.offset = uint64_t(offset) * kOffsetUnit;
  });
  column(kMaxSeekFileBytes, [](RawSample& s, uint64_t value) { s.facts.file_bytes = uint32_t(value); });
  column(65535, [](RawSample& s, uint64_t value) { s.facts.width = uint32_t(value); });
  column(65535, [](RawSample& s, uint64_t value) { s.facts.height = uint32_t(value); });
  column(block->layouts.size() - 1, [](RawSample& s, uint64_t value) { s.layout = size_t(value); });
  column(65535, [](RawSample& s, uint64_t value) { s.facts.spacing = uint32_t(value); });
  column(kMaxSeekFileBytes, [](RawSample& s, uint64_t value) { s.facts.scan_start = uint32_t(value); });
  column(kMaxSeekFileBytes, [](RawSample& s, uint64_t value) { s.facts.trailing_bytes = uint32_t(value); });
  column(source->left(), [&](RawSample&, uint64_t value) { entry_bytes->push_back(value); });
  column(block->sets.size() - 1, [](RawSample& s, uint64_t value) { s.set = size_t(value); });
  for (RawSample& sample : block->samples) sample.facts.crc32c = source->u32();
  return inside && source->good();
}

// Finds the layouts and sets in the bytes that hold nothing else.
bool split_tables(const std::vector<uint8_t>& tables, size_t layouts, size_t sets, RawBlock* block) {
  Source source(tables.data(), tables.size());
  for (size_t i = 0; i < layouts; i++) block->layouts.push_back(source.take(kOpenLayoutBytes));
  for (size_t i = 0; i < sets; i++) {
    const Part length = source.take(2);
    block->sets.push_back(source.take(source.good() ? get_u16(length.data) : 0));
  }
  return source.good() && source.left() == 0;
}

}  // namespace

void write_sample(const SeekSample& sample, std::vector<uint8_t>* out) {
  std::vector<uint8_t> layout, row_crcs, entries;
  append_layout(sample.layout, &layout);
  for (const uint32_t crc : sample.row_crcs) put_u32(crc, &row_crcs);
  encode_entries(sample, &entries);
  RawBlock block;
  block.layouts = {{layout.data(), layout.size()}};
  block.sets = {{sample.huffman.data(), sample.huffman.size()}};
  block.samples = {{sample.facts, 0, 0, {row_crcs.data(), row_crcs.size()}, {entries.data(), entries.size()}}};
  write_open(block, out);
}

Status count_samples(const uint8_t* open, size_t size, uint32_t* count) {
  if (size < kOpenHeaderBytes || get_u32(open) != kOpenMagic) return corrupt("not an open index block");
  *count = get_u32(open + 4);
  if (*count < 1 || *count > kMaxBlockSamples || kOpenHeaderBytes + *count * kRowBytes > size)
    return corrupt("the index block ends before its samples do");
  return {};
}

Status read_facts(const uint8_t* open, size_t size, uint32_t number, SampleFacts* out) {
  OpenRow row;
  if (Status s = read_row(open, size, number, &row); !s.ok()) return s;
  *out = row.sample;
  return {};
}

Status read_sample(const uint8_t* open, size_t size, uint32_t number, SeekSample* out) {
  OpenRow row;
  if (Status s = read_row(open, size, number, &row); !s.ok()) return s;
  out->facts = row.sample.facts;
  out->layout = row.sample.layout;
  out->grid = row.sample.grid;
  out->huffman.assign(row.set.data, row.set.data + row.set.size);
  out->row_crcs.resize(out->grid.high);
  for (size_t i = 0; i < out->row_crcs.size(); i++) out->row_crcs[i] = get_u32(row.row_crcs.data + 4 * i);
  return decode_entries(row.entries.data, row.entries.size, out);
}

Status seal_block(const std::vector<OpenBlock>& parts, const std::vector<uint64_t>& offsets, Compressor* compressor,
                  std::vector<uint8_t>* out) {
  RawBlock block;
  for (const OpenBlock& part : parts) {
    uint32_t count = 0;
    if (Status s = count_samples(part.bytes, part.size, &count); !s.ok()) return s;
    for (uint32_t i = 0; i < count; i++) {
      OpenRow row;
      if (Status s = read_row(part.bytes, part.size, i, &row); !s.ok()) return s;
      block.samples.push_back({row.sample.facts, intern(row.layout, &block.layouts), intern(row.set, &block.sets),
                               row.row_crcs, row.entries});
    }
  }
  if (block.samples.empty() || block.samples.size() > kMaxBlockSamples)
    return invalid("an index block has 1 to 128 samples");
  if (offsets.size() != block.samples.size()) return invalid("not every sample of the block has an offset");
  for (size_t i = 0; i < offsets.size(); i++) {
    if (offsets[i] % kOffsetUnit != 0 || offsets[i] >> 53 != 0) return invalid("an offset is no multiple of 512");
    block.samples[i].facts.offset = offsets[i];
  }
  const std::vector<uint8_t> tables = join_tables(block);
  std::vector<uint8_t> stored;
  compressor->append(Codec::kZstd, StreamKind::kMasks, tables.data(), tables.size(), &stored);
  out->assign(kSealedHeaderBytes, 0);
  for (const size_t number :
       {block.samples.size(), block.layouts.size(), block.sets.size(), tables.size(), stored.size()})
    put_varint(number, out);
  out->insert(out->end(), stored.begin(), stored.end());
  seal_facts(block, out);
  for (const RawSample& s : block.samples) out->insert(out->end(), s.row_crcs.data, s.row_crcs.data + s.row_crcs.size);
  for (const RawSample& s : block.samples) out->insert(out->end(), s.entries.data, s.entries.data + s.entries.size);
  set_u32(kSealedMagic, out->data());
  set_u32(uint32_t(out->size()), out->data() + 4);
  set_u32(crc32c(out->data() + kSealedHeaderBytes, out->size() - kSealedHeaderBytes), out->data() + 8);
  return {};
}

size_t sealed_bytes(const uint8_t* bytes, size_t size) {
  if (size < kSealedHeaderBytes || get_u32(bytes) != kSealedMagic) return 0;
  return std::max(size_t(get_u32(bytes + 4)), kSealedHeaderBytes);
}

Status open_block(const uint8_t* sealed, size_t size, Decompressor* decompressor, std::vector<uint8_t>* out) {
  if (sealed_bytes(sealed, size) != size) return corrupt("not an index block, or not all of it");
  const uint32_t found = crc32c(sealed + kSealedHeaderBytes, size - kSealedHeaderBytes);
  if (found != get_u32(sealed + 8)) {
    char text[80];
    std::snprintf(text, sizeof(text), "the index block has crc32c %08x, expected %08x", found, get_u32(sealed + 8));
    return Status::failure(Code::kChecksumMismatch, text);
  }
  Source source(sealed + kSealedHeaderBytes, size - kSealedHeaderBytes);
  const size_t count = source.number(kMaxBlockSamples), layouts = source.number(count), sets = source.number(count);
  const size_t table_bytes = source.number(layouts * kOpenLayoutBytes + sets * (2 + kMaxSetBytes));
  const Part stored = source.take(source.number(table_bytes));
  if (!source.good() || layouts == 0 || sets == 0) return corrupt("the index block holds no samples");
  std::vector<uint8_t> tables(stored.data, stored.data + stored.size);
  if (stored.size < table_bytes) {
    tables.resize(table_bytes);
    if (!decompressor->decompress(Codec::kZstd, stored.data, stored.size, tables.data(), tables.size()))
      return corrupt("the tables of the index block cannot be decompressed");
  }
  RawBlock block;
  block.samples.resize(count);
  std::vector<uint64_t> entry_bytes;
  if (!split_tables(tables, layouts, sets, &block) || !open_facts(&source, &block, &entry_bytes))
    return corrupt("the index block holds impossible numbers");
  for (RawSample& sample : block.samples) {
    SeekLayout layout;
    SeekGrid grid;
    read_layout(block.layouts[sample.layout].data, &layout);
    if (Status s = seek_grid_of(sample.facts, layout, &grid); !s.ok()) return s;
    sample.row_crcs = source.take(uint64_t(grid.high) * 4);
  }
  for (size_t i = 0; i < count; i++) block.samples[i].entries = source.take(entry_bytes[i]);
  if (!source.good() || source.left() != 0) return corrupt("the index block has another length than its samples");
  write_open(block, out);
  return {};
}

}  // namespace dctstream
