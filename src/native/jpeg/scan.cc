#include "jpeg/scan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "jpeg/scan_header.h"
#include "packed/scan_order.h"

namespace dctstream {
namespace {

struct HuffmanCode {
  uint16_t bits = 0;
  uint8_t length = 0;  // 0: no such symbol
};

struct HuffmanTable {
  HuffmanCode codes[256];
};

Status cannot(const char* why) { return Status::failure(Code::kCannotRebuild, why); }

// T.81, C.2: codes of one length are consecutive numbers, in the order of the symbols.
void make_codes(const HuffmanSpec& spec, HuffmanTable* table) {
  const uint8_t* symbol = spec.symbols;
  uint32_t code = 0;
  for (int length = 1; length <= 16; length++, code <<= 1) {
    for (int i = 0; i < spec.counts[length - 1]; i++) table->codes[*symbol++] = {uint16_t(code++), uint8_t(length)};
  }
}

struct EncoderTables {
  HuffmanTable dc[4], ac[4];
};

// Bits go out most significant first; a zero byte is stuffed after each 0xff. T.81, F.1.2.3.
class BitWriter {
 public:
  explicit BitWriter(uint8_t* out) : out_(out) {}

  void put(uint32_t bits, int length) {
    buffer_ = buffer_ << length | bits;
    filled_ += length;
    if (filled_ >= 32) drain();
  }

  // Ends an interval: the last byte is filled up with one bits.
  void finish() {
    const int missing = (8 - filled_ % 8) % 8;
    put((1u << missing) - 1, missing);
    while (filled_ > 0) write_byte();
  }

  void put_marker(uint8_t marker) {
    *out_++ = 0xff;
    *out_++ = marker;
  }

  uint8_t* position() const { return out_; }

  // Goes on writing at `out`, with the bits that have not filled a byte yet.
  void move_to(uint8_t* out) { out_ = out; }

 private:
  void write_byte() {
    filled_ -= 8;
    const uint8_t byte = uint8_t(buffer_ >> filled_);
    *out_++ = byte;
    if (byte == 0xff) *out_++ = 0;
  }

  void drain() {
    const uint32_t word = uint32_t(buffer_ >> (filled_ - 32));
    if (((word & ~(word + 0x01010101u)) & 0x80808080u) == 0) {  // no byte of it is 0xff
      const uint32_t swapped = __builtin_bswap32(word);
      std::memcpy(out_, &swapped, 4);
      out_ += 4;
      filled_ -= 32;
      return;
    }
    while (filled_ >= 8) write_byte();
  }

  uint8_t* out_;
  uint64_t buffer_ = 0;
  int filled_ = 0;
};

inline int bit_length(uint32_t value) { return value == 0 ? 0 : 32 - __builtin_clz(value); }

// A block's worst case: 64 coefficients of 16-bit code and 15-bit value, every byte stuffed.
constexpr size_t kMaxBlockBytes = 64 * 4 * 2;

// One block in scan order, `mask` its non-zero positions. False when a table has no code for a symbol that it needs.
bool put_block(const int16_t* scan, uint64_t mask, int previous_dc, const HuffmanTable& dc, const HuffmanTable& ac,
               BitWriter* shared_writer) {
  // A copy in registers: stores through the output pointer may alias anything behind another pointer.
  BitWriter writer = *shared_writer;
  bool complete = true;
  const auto put_code = [&](HuffmanCode code) {
    complete &= code.length != 0;
    writer.put(code.bits, code.length);
  };
  const auto put_value = [&](HuffmanCode code, int value, int size) {
    complete &= code.length != 0;
    const uint32_t bits = uint32_t(value - (value < 0)) & ((1u << size) - 1);
    writer.put(uint32_t(code.bits) << size | bits, code.length + size);
  };
  const int difference = scan[0] - previous_dc;
  const int dc_size = bit_length(uint32_t(std::abs(difference)));
  if (dc_size > 15) return false;
  put_value(dc.codes[dc_size], difference, dc_size);
  int previous = 0;
  for (uint64_t left = mask & ~uint64_t(1); left != 0; left &= left - 1) {
    const int k = __builtin_ctzll(left);
    int run = k - previous - 1;
    previous = k;
    for (; run > 15; run -= 16) put_code(ac.codes[0xf0]);
    const int value = scan[k];
    const int size = bit_length(uint32_t(std::abs(value)));
    if (size > 15) return false;
    put_value(ac.codes[run << 4 | size], value, size);
  }
  if (previous != kBlockSize - 1) put_code(ac.codes[0]);
  *shared_writer = writer;
  return complete;
}

class PlaneRows : public BlockRows {
 public:
  explicit PlaneRows(const std::vector<PlaneView>& planes) : planes_(planes) {
    for (const PlaneView& plane : planes) grids_.push_back(plane.grid);
  }

  const std::vector<Grid>& grids() const override { return grids_; }

  Status read(size_t component, uint32_t first, uint32_t, const int16_t** blocks) override {
    *blocks = planes_[component].coefficients + size_t(first) * grids_[component].blocks_wide * kBlockSize;
    return {};
  }

 private:
  const std::vector<PlaneView>& planes_;
  std::vector<Grid> grids_;
};

Status check_grids(const ScanHeader& header, const std::vector<Grid>& grids, McuGrid* mcus) {
  if (grids.size() != size_t(header.components)) return cannot("component count differs from the header's");
  if (!mcu_grid_of(header, mcus)) return cannot("impossible size or sampling factors");
  for (int i = 0; i < header.components; i++) {
    const uint32_t h = header.components == 1 ? 1 : header.component[i].h,
                   v = header.components == 1 ? 1 : header.component[i].v;
    // libjpeg's grid can be smaller than whole MCUs for sampling factors that do not divide the largest one.
    if (grids[i].blocks_wide != mcus->wide * h || grids[i].blocks_high != mcus->high * v) {
      return cannot("a component's grid is not the scan's");
    }
    if (!header.dc[header.component[i].dc_table].defined || !header.ac[header.component[i].ac_table].defined) {
      return cannot("a Huffman table is missing");
    }
  }
  return {};
}

Status put_scan(const ScanHeader& header, const EncoderTables& tables, BlockRows* rows, McuGrid mcus,
                ToScanOrder to_scan_order, std::vector<uint8_t>* out) {
  int previous_dc[kMaxComponents] = {};
  uint32_t mcus_until_restart = header.restart_interval;
  uint8_t restart = 0;
  const bool alone = header.components == 1;
  size_t blocks_per_row = 0;
  for (int i = 0; i < header.components; i++)
    blocks_per_row += size_t(rows->grids()[i].blocks_wide) * (alone ? 1 : header.component[i].v);
  const size_t row_bound = blocks_per_row * kMaxBlockBytes + size_t(mcus.wide) * 4 + 64;

  std::vector<uint8_t> row(row_bound);
  BitWriter writer(row.data());
  const int16_t* blocks[kMaxComponents] = {};
  for (uint32_t my = 0; my < mcus.high; my++) {
    for (int i = 0; i < header.components; i++) {
      const uint32_t v = alone ? 1 : header.component[i].v;
      if (Status s = rows->read(i, my * v, v, &blocks[i]); !s.ok()) return s;
    }
    for (uint32_t mx = 0; mx < mcus.wide; mx++) {
      if (header.restart_interval != 0 && mcus_until_restart-- == 0) {
        writer.finish();
        writer.put_marker(0xd0 + restart);
        restart = (restart + 1) & 7;
        std::memset(previous_dc, 0, sizeof(previous_dc));
        mcus_until_restart = header.restart_interval - 1;
      }
      for (int i = 0; i < header.components; i++) {
        const ScanComponent& component = header.component[i];
        const uint32_t h = alone ? 1 : component.h, v = alone ? 1 : component.v;
        for (uint32_t y = 0; y < v; y++) {
          for (uint32_t x = 0; x < h; x++) {
            // Whole MCUs, as check_grids made sure: a row has mcus.wide * h blocks.
            const int16_t* block = blocks[i] + (size_t(y) * mcus.wide * h + mx * h + x) * kBlockSize;
            int16_t scan[kBlockSize];
            const uint64_t mask = to_scan_order(block, scan);
            if (!put_block(scan, mask, previous_dc[i], tables.dc[component.dc_table], tables.ac[component.ac_table],
                           &writer)) {
              return cannot("a Huffman table has no code for a coefficient");
            }
            previous_dc[i] = block[0];
          }
        }
      }
    }
    if (my + 1 == mcus.high) writer.finish();
    out->insert(out->end(), row.data(), writer.position());
    writer.move_to(row.data());
  }
  return {};
}

}  // namespace

Status rebuild_jpeg(const uint8_t* header_bytes, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                    const std::vector<PlaneView>& planes, Simd simd, std::vector<uint8_t>* out) {
  PlaneRows rows(planes);
  return rebuild_jpeg(header_bytes, header_size, trailer, trailer_size, &rows, simd, out);
}

Status rebuild_jpeg(const uint8_t* header_bytes, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                    BlockRows* rows, Simd simd, std::vector<uint8_t>* out) {
  const auto header = std::make_unique<ScanHeader>();
  if (Status status = parse_scan_header(header_bytes, header_size, header.get()); !status.ok()) return status;
  if (header->end != header_size) return cannot("bytes after the start-of-scan segment");
  McuGrid mcus{};
  if (Status status = check_grids(*header, rows->grids(), &mcus); !status.ok()) return status;
  const auto tables = std::make_unique<EncoderTables>();
  for (int i = 0; i < 4; i++) {
    if (header->dc[i].defined) make_codes(header->dc[i], &tables->dc[i]);
    if (header->ac[i].defined) make_codes(header->ac[i], &tables->ac[i]);
  }
  out->insert(out->end(), header_bytes, header_bytes + header_size);
  if (Status status = put_scan(*header, *tables, rows, mcus, to_scan_order_for(simd), out); !status.ok()) return status;
  out->insert(out->end(), trailer, trailer + trailer_size);
  return {};
}

}  // namespace dctstream
