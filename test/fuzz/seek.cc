// Fuzz target: any bytes as a JPEG that an index is made of; then index and bytes as they are, and both damaged, as a
// pair to be decoded. What the builder accepts, libjpeg must read without a warning and with the same coefficients,
// wherever the file is entered. The last bytes of the input, which a JPEG may have behind its image, say what is done.
#include "../../src/native/base/crc32c.h"
#include "../../src/native/image_reader.h"
#include "../../src/native/jpeg/jpeg.h"
#include "../../src/native/seek/block.h"
#include "../../src/native/seek/builder.h"
#include "../../src/native/seek/rows.h"
#include "fuzz.h"

using namespace dctstream;

namespace {

constexpr uint64_t kMaxPixels = 1'000'000;

using Bytes = std::vector<uint8_t>;

// Both are kept from file to file, as in a worker: their table caches fill up and make room.
struct Tools {
  explicit Tools(Simd simd) : builder(simd), rows(simd) {}
  SeekBuilder builder;
  SeekRows rows;
};

Tools* tools_of(bool best) {
  static Tools scalar(Simd::kScalar), vector(best_simd());
  return best ? &vector : &scalar;
}

// Blocks of a component between two places of each axis, in any order.
BlockRange range_between(const Grid& grid, const uint16_t places[4]) {
  const auto span = [](uint32_t blocks, uint32_t a, uint32_t b, uint32_t* start, uint32_t* end) {
    a %= blocks;
    b %= blocks;
    *start = std::min(a, b);
    *end = std::max(a, b) + 1;
  };
  BlockRange range;
  span(grid.blocks_high, places[0], places[1], &range.row_start, &range.row_end);
  span(grid.blocks_wide, places[2], places[3], &range.column_start, &range.column_end);
  return range;
}

struct Decoded {
  Status status;
  std::vector<int16_t> blocks[3];
};

// The ranges of all components, in step, from the bytes that they need alone.
Decoded decode(const SeekSample& sample, const Bytes& file, const BlockRange* ranges, bool checked, SeekRows* rows) {
  Decoded out;
  const McuRange mcus = mcus_of(sample.layout, ranges);
  const ByteRange needed = {sample.row_bytes(mcus.row_start).start, sample.row_bytes(mcus.row_end - 1).end};
  if (needed.end > file.size()) return {Status::failure(Code::kCorruptRecord, "the file is shorter"), {}};
  const Bytes bytes(file.begin() + needed.start, file.begin() + needed.end);
  out.status = rows->open(sample, bytes.data(), needed, checked);
  const size_t components = size_t(sample.layout.components);
  for (size_t c = 0; c < components && out.status.ok(); c++) out.status = rows->begin(c, ranges[c]);
  if (out.status.ok()) out.status = rows->start(components);
  for (uint32_t row = mcus.row_start; row < mcus.row_end && out.status.ok(); row++) {
    for (size_t c = 0; c < components; c++) {
      const BlockRange& range = ranges[c];
      const uint32_t v = uint32_t(sample.layout.v[c]), first = std::max(range.row_start, row * v);
      for (uint32_t r = first; r < std::min(range.row_end, (row + 1) * v) && out.status.ok(); r++) {
        const int16_t* blocks = nullptr;
        out.status = rows->next_row(c, &blocks);
        if (!out.status.ok()) break;
        out.blocks[c].insert(out.blocks[c].end(), blocks,
                             blocks + (range.column_end - range.column_start) * size_t(kBlockSize));
      }
    }
  }
  return out;
}

void read_ranges(Input* input, const SeekSample& sample, BlockRange ranges[3]) {
  uint16_t places[4];
  for (uint16_t& place : places) place = input->number();
  const ViewImage image = sample.view_image();
  for (size_t c = 0; c < image.components.size(); c++) ranges[c] = range_between(image.components[c].stored, places);
}

// The same for both builds, or both fail.
Decoded decode_by_both(const SeekSample& sample, const Bytes& file, const BlockRange* ranges, bool checked) {
  Decoded first = decode(sample, file, ranges, checked, &tools_of(false)->rows);
  const Decoded other = decode(sample, file, ranges, checked, &tools_of(true)->rows);
  require(first.status.code == other.status.code, "a SIMD level decodes what another refuses");
  for (int c = 0; c < 3 && first.status.ok(); c++)
    require(first.blocks[c] == other.blocks[c], "a SIMD level decodes other coefficients");
  return first;
}

void compare_with_libjpeg(const Bytes& file, const BlockRange* ranges, const Decoded& decoded) {
  JpegLimits limits;
  limits.max_pixels = kMaxPixels;
  Jpeg jpeg;
  require(read_jpeg(file.data(), file.size(), limits, &jpeg).ok(), "the builder accepts what libjpeg refuses");
  require(jpeg.warnings == 0, "the builder accepts what libjpeg warns of");
  const std::vector<PlaneView> planes = jpeg.planes();
  for (size_t c = 0; c < planes.size(); c++) {
    const BlockRange& range = ranges[c];
    const Grid& grid = planes[c].grid;
    const int16_t* block = decoded.blocks[c].data();
    for (uint32_t row = range.row_start; row < range.row_end; row++) {
      for (uint32_t column = range.column_start; column < range.column_end; column++, block += kBlockSize) {
        // Sampling factors that do not divide each other make whole MCUs of more blocks than libjpeg keeps.
        if (row >= grid.blocks_high || column >= grid.blocks_wide) continue;
        const size_t at = size_t(row) * grid.blocks_wide + column;
        const int16_t* const expected = planes[c].coefficients + at * kBlockSize;
        require(std::memcmp(block, expected, kBlockSize * sizeof(int16_t)) == 0,
                "entered in the middle, other coefficients are read than by libjpeg");
      }
    }
  }
}

// What the builder said of the file it read last, against the reading of all of it.
void compare_facts(const Bytes& file, const SeekBuilder& builder) {
  static ImageReader reader(Simd::kScalar);
  ReadOptions options;
  options.limits.max_pixels = kMaxPixels;
  options.codec = Codec::kNone;
  require(reader.read(file.data(), file.size(), options).ok(), "the builder accepts what cannot be read");
  const JpegFacts &facts = builder.facts(), &expected = reader.facts();
  require(facts.width == expected.width && facts.height == expected.height &&
              facts.color_space == expected.color_space && facts.components.size() == expected.components.size() &&
              facts.warnings == expected.warnings && facts.header_bytes == expected.header_bytes &&
              facts.trailer_start == expected.trailer_start,
          "the builder says something else of a file");
  for (size_t i = 0; i < facts.components.size(); i++) {
    const JpegComponent &a = facts.components[i], &b = expected.components[i];
    require(a.h == b.h && a.v == b.v && a.blocks_wide == b.blocks_wide && a.blocks_high == b.blocks_high &&
                a.stored.blocks_wide == b.stored.blocks_wide && a.stored.blocks_high == b.stored.blocks_high &&
                std::memcmp(a.quant, b.quant, sizeof(a.quant)) == 0,
            "the builder says something else of a component");
  }
  require(std::memcmp(&builder.stats(), &reader.stats(), sizeof(FrequencyStats)) == 0,
          "the builder adds coefficients up to something else");
}

void damage(Input* input, Bytes* bytes) {
  for (int k = input->byte() % 4; k >= 0 && !bytes->empty(); k--) {
    const uint32_t at = input->number() | uint32_t(input->byte()) << 16;
    (*bytes)[at % bytes->size()] ^= uint8_t(1u << (input->byte() & 7));
  }
  bytes->shrink_to_fit();
}

// A block and bytes of which either may be anything.
void check_pair(Input* input, const Bytes& block, const Bytes& file) {
  SeekSample sample;
  if (!read_sample(block.data(), block.size(), 0, &sample).ok()) return;
  // Views of more pixels are bounded elsewhere.
  if (uint64_t(sample.facts.width) * sample.facts.height > 4 * kMaxPixels) return;
  BlockRange ranges[3];
  read_ranges(input, sample, ranges);
  (void)decode_by_both(sample, file, ranges, false);
}

// Rows of the ranges, checked before they are decoded as they are then.
void check_rows(const SeekSample& sample, const Bytes& file, const BlockRange* ranges, bool intact) {
  const McuRange mcus = mcus_of(sample.layout, ranges);
  const ByteRange needed = {sample.row_bytes(mcus.row_start).start, sample.row_bytes(mcus.row_end - 1).end};
  const Bytes bytes(file.begin() + needed.start, file.begin() + needed.end);
  require(rows_are_intact(sample, bytes.data(), needed) == intact, "rows are checked in two ways");
}

void check_damage(Input* input, const SeekSample& sample, const Bytes& block, const Bytes& file) {
  static Compressor compressor;
  static Decompressor decompressor;
  Bytes sealed, opened;
  require(seal_block({{block.data(), block.size()}}, {512}, &compressor, &sealed).ok(), "a sample cannot be sealed");
  require(open_block(sealed.data(), sealed.size(), &decompressor, &opened).ok(), "a sealed sample cannot be opened");
  Bytes changed = block;
  damage(input, &changed);
  check_pair(input, changed, file);
  Bytes changed_file = file;
  damage(input, &changed_file);
  check_pair(input, block, changed_file);
  BlockRange ranges[3];
  read_ranges(input, sample, ranges);
  const Decoded checked = decode_by_both(sample, changed_file, ranges, true),
                right = decode_by_both(sample, file, ranges, true);
  for (int c = 0; c < 3 && checked.status.ok(); c++)
    require(checked.blocks[c] == right.blocks[c], "a damaged row passes its checksum");
  check_rows(sample, changed_file, ranges, checked.status.code != Code::kChecksumMismatch);
  damage(input, &sealed);
  if (sealed.size() < kSealedHeaderBytes) return;
  const uint32_t crc = crc32c(sealed.data() + kSealedHeaderBytes, sealed.size() - kSealedHeaderBytes);
  std::memcpy(sealed.data() + 8, &crc, sizeof(crc));
  if (!open_block(sealed.data(), sealed.size(), &decompressor, &opened).ok()) return;
  opened.shrink_to_fit();
  check_pair(input, opened, file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const size_t tail = std::min(size, size_t(64));
  Input input(data + size - tail, tail);
  const Bytes file(data, data + size);
  SeekOptions options;
  options.max_pixels = kMaxPixels;
  options.spacing = input.byte() % 20 - 1;
  SeekSample sample, other;
  const Status status = tools_of(false)->builder.build(file.data(), size, options, &sample);
  const Status other_status = tools_of(true)->builder.build(file.data(), size, options, &other);
  require(status.code == other_status.code, "a SIMD level accepts what another refuses");
  if (!status.ok()) {
    // As a block, and the bytes behind it.
    const size_t cut = size == 0 ? 0 : input.number() % size;
    check_pair(&input, Bytes(data, data + cut), Bytes(data + cut, data + size));
    return 0;
  }
  Bytes block, other_block;
  write_sample(sample, &block);
  write_sample(other, &other_block);
  require(block == other_block, "a SIMD level notes something else");
  for (const bool best : {false, true}) compare_facts(file, tools_of(best)->builder);
  SeekSample again;
  require(read_sample(block.data(), block.size(), 0, &again).ok(), "a sample cannot be read back");
  BlockRange ranges[3];
  read_ranges(&input, again, ranges);
  const Decoded decoded = decode_by_both(again, file, ranges, true);
  require(decoded.status.ok(), "a file cannot be entered by its own index");
  compare_with_libjpeg(file, ranges, decoded);
  check_damage(&input, again, block, file);
  return 0;
}
