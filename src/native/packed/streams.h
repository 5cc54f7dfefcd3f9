// A component's coefficients as the packed form orders them, before anything is compressed: what the readers make, the
// packer stores and the statistics are taken from. docs/shards.md describes the streams.
#pragma once
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/blocks.h"
#include "packed/scan_order.h"

namespace dctstream {

// Block rows per frame, the unit that can be read alone. Packed bytes over JPEG bytes of 300 ImageNet originals, zstd:
// 8 rows 1.032, 16 rows 1.021, 32 rows 1.018, whole components 1.016.
constexpr uint32_t kRowsPerFrame = 16;

constexpr uint32_t frame_count(const Grid& grid) { return ceil_div(grid.blocks_high, kRowsPerFrame); }

// Bytes that are written before their number is known: grows without clearing, and keeps its memory.
class GrowingBytes {
 public:
  // Room for `more` bytes after `used`, plus slack for vector stores; what was used stays. Throws std::bad_alloc.
  uint8_t* reserve(size_t used, size_t more) {
    const size_t wanted = used + more + 64;
    if (wanted > capacity_) {
      const size_t capacity = wanted + wanted / 2;
      void* grown = std::realloc(bytes_.get(), capacity);
      if (grown == nullptr) throw std::bad_alloc();
      (void)bytes_.release();
      bytes_.reset(static_cast<uint8_t*>(grown));
      capacity_ = capacity;
    }
    return bytes_.get() + used;
  }
  const uint8_t* data() const { return bytes_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> bytes_;
  size_t capacity_ = 0;
};

struct PlaneStreams {
  Grid grid;
  std::vector<uint64_t> masks;  // one per block, raster order; bit 0: DC difference
  GrowingBytes values;          // of all frames, one after another
  std::vector<int16_t> escapes;
  std::vector<size_t> value_end, escape_end;  // per frame

  // An empty plane of `blocks`; memory is kept from the plane before.
  void start(Grid blocks) {
    grid = blocks;
    masks.resize(blocks.blocks());
    escapes.clear();
    value_end.clear();
    escape_end.clear();
  }
  size_t value_start(size_t frame) const { return frame == 0 ? 0 : value_end[frame - 1]; }
  size_t escape_start(size_t frame) const { return frame == 0 ? 0 : escape_end[frame - 1]; }
};

// From int16 blocks in natural order.
void gather_streams(const PlaneView& plane, ToScanOrder to_scan_order, PlaneStreams* out);

}  // namespace dctstream
