// The packed form of an image's coefficients: what a shard stores in its `coefficients` column. docs/shards.md is the
// specification; this is its implementation.
//
//   directory   per component, per frame of kRowsPerFrame block rows: 3 x uint32, the stored bytes of masks, values
//               and escapes
//   payload     the streams in the directory's order
//
// A frame is the unit that can be read alone. Its streams: masks (one uint64 per block, bit k = scan position k;
// bit 0 stands for the DC difference), values (one int8 per set bit, -128 = see escapes), escapes (int16).
// The DC difference is to the block on the left; in the first column to the block above; in a frame's first block to 0.
#pragma once
#include <memory>
#include <vector>

#include "base/blocks.h"
#include "base/status.h"
#include "packed/codec.h"
#include "packed/expand.h"
#include "packed/streams.h"

namespace dctstream {

class Packer {
 public:
  // Replaces the contents of `out`.
  Status pack(const std::vector<PlaneStreams>& planes, Codec codec, std::vector<uint8_t>* out);

 private:
  Compressor compressor_;
  std::vector<uint8_t> mask_bytes_;
};

// A range of blocks of one component.
struct BlockRange {
  uint32_t row_start = 0, row_end = 0;
  uint32_t column_start = 0, column_end = 0;
};

// Where a row of dequantised blocks goes: coefficient k of a block becomes value * scale[k] + bias[k].
struct DequantisedRow {
  const float *scale = nullptr, *bias = nullptr;
  bool streams = false;  // past the caches; every block begins a cache line
  float* out = nullptr;
  ptrdiff_t step = kBlockSize;  // from block to block
};

class Unpacker {
 public:
  explicit Unpacker(Simd simd);

  // Checks the directory against the grids; `packed` must outlive the calls to unpack. The contents of damaged streams
  // are found by unpack, which never reads or writes outside its buffers.
  Status open(const uint8_t* packed, size_t size, const std::vector<Grid>& grids, Codec codec);

  // Writes the range's blocks, row after row, DC restored: quantised, natural order.
  Status unpack(size_t component, BlockRange range, int16_t* out);

  // The same row by row: `begin` chooses the range, each `next_row` writes one more of its rows. Components are read
  // independently of each other. Frames that no row of the range lies in are not looked at.
  Status begin(size_t component, BlockRange range);
  Status next_row(size_t component, int16_t* out);

  // The next row dequantised, where the processor has instructions that make it one step: `can_dequantise` reports it.
  bool can_dequantise() const { return expand_floats_ != nullptr; }
  Status next_row_dequantised(size_t component, const DequantisedRow& out);

  // Replaces `out` by the packed form of the same coefficients under Codec::kNone. TOO_MANY_PIXELS above 256 MiB.
  Status store_plain(std::vector<uint8_t>* out);

 private:
  struct Frame {
    const uint8_t* streams[3];
    uint32_t stored_bytes[3];
  };

  // Where the reading of a component stands, and the memory of the frame it is in.
  struct Reading {
    BlockRange range;
    uint32_t row = 0;
    int first_dc = 0;
    ValueCursor cursor{};
    const uint8_t* masks = nullptr;  // of the frame, little-endian uint64
    std::vector<uint64_t> joined;    // where they were byte planes
    std::vector<uint8_t> values, escapes;
  };

  Status open_frame(const Frame& frame, size_t blocks, Reading* reading);
  Status load_stream(const uint8_t* stored, size_t stored_bytes, size_t raw_bytes, std::vector<uint8_t>* scratch,
                     const uint8_t** out);
  Status enter_frame(size_t component);
  template <typename Expand>
  Status next_row_by(size_t component, Expand expand);

  ExpandBlocks expand_;
  ExpandFloats expand_floats_;
  SkipBlocks skip_;
  Decompressor decompressor_;
  Codec codec_ = Codec::kNone;
  std::vector<Grid> grids_;
  std::vector<std::vector<Frame>> frames_;
  Reading readings_[kMaxComponents];
  std::vector<uint8_t> mask_bytes_;
};

}  // namespace dctstream
