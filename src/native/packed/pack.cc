#include "packed/pack.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dctstream {
namespace {

constexpr int kStreams = 3;
constexpr size_t kMaskBytes = sizeof(uint64_t);
constexpr size_t kDirectoryEntryBytes = kStreams * sizeof(uint32_t);

void put_u32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = uint8_t(value >> (8 * i));
}

uint32_t get_u32(const uint8_t* p) {
  return uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16 | uint32_t(p[3]) << 24;
}

// An 8 x 8 matrix of bytes, one row per word: halves, quarters and single bytes swap across the diagonal.
void transpose_bytes(uint64_t rows[8]) {
  const auto swap = [&](int distance, int shift, uint64_t low) {
    for (int i = 0; i < 8; i++) {
      if (i & distance) continue;
      const uint64_t a = rows[i], b = rows[i + distance];
      rows[i] = (a & low) | (b & low) << shift;
      rows[i + distance] = (a >> shift & low) | (b & ~low);
    }
  };
  swap(4, 32, 0x00000000ffffffff);
  swap(2, 16, 0x0000ffff0000ffff);
  swap(1, 8, 0x00ff00ff00ff00ff);
}

// masks[i], little-endian, byte b -> bytes[b * count + i]
void split_into_byte_planes(const uint64_t* masks, size_t count, uint8_t* bytes) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t rows[8];
    std::memcpy(rows, masks + i, sizeof(rows));
    transpose_bytes(rows);
    for (int b = 0; b < 8; b++) std::memcpy(bytes + b * count + i, &rows[b], 8);
  }
  for (; i < count; i++) {
    for (int b = 0; b < 8; b++) bytes[b * count + i] = uint8_t(masks[i] >> (8 * b));
  }
}

// Sixteen masks at a time: bytes of two planes are interleaved, then pairs, then quads.
void join_byte_planes(const uint8_t* bytes, size_t count, uint64_t* masks) {
  typedef uint8_t V __attribute__((vector_size(16)));
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    V a[8], b[8];
    for (int p = 0; p < 8; p++) std::memcpy(&a[p], bytes + size_t(p) * count + i, 16);
    // b[2 p]: planes 2 p and 2 p + 1 of masks 0..7; b[2 p + 1]: of masks 8..15
    for (int p = 0; p < 4; p++) {
      b[2 * p] =
          __builtin_shufflevector(a[2 * p], a[2 * p + 1], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      b[2 * p + 1] =
          __builtin_shufflevector(a[2 * p], a[2 * p + 1], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    // a[4 h + q]: four planes, from 4 h on, of masks 4 q..4 q + 3
    for (int h = 0; h < 2; h++) {
      for (int half = 0; half < 2; half++) {
        const V low = b[4 * h + half], high = b[4 * h + 2 + half];
        a[4 * h + 2 * half] =
            __builtin_shufflevector(low, high, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
        a[4 * h + 2 * half + 1] =
            __builtin_shufflevector(low, high, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
      }
    }
    for (int q = 0; q < 4; q++) {
      const V low = __builtin_shufflevector(a[q], a[4 + q], 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const V high =
          __builtin_shufflevector(a[q], a[4 + q], 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      std::memcpy(masks + i + 4 * q, &low, 16);
      std::memcpy(masks + i + 4 * q + 2, &high, 16);
    }
  }
  for (; i < count; i++) {
    uint64_t mask = 0;
    for (int b = 0; b < 8; b++) mask |= uint64_t(bytes[size_t(b) * count + i]) << (8 * b);
    masks[i] = mask;
  }
}

// A few compressed bytes may stand for any number of empty blocks; no photograph of 200 megapixels takes so much.
constexpr size_t kMaxPlainBytes = size_t(1) << 28;

constexpr const char* kValuesRunOut = "a frame's values run out before its blocks";

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

}  // namespace

Status Packer::pack(const std::vector<PlaneStreams>& planes, Codec codec, std::vector<uint8_t>* out) {
  if (!compressor_.has_memory()) return Status::failure(Code::kOutOfMemory, "no memory for zstd");
  size_t frames = 0;
  for (const PlaneStreams& plane : planes) frames += frame_count(plane.grid);
  out->assign(frames * kDirectoryEntryBytes, 0);
  size_t entry = 0;
  for (const PlaneStreams& plane : planes) {
    const uint64_t* masks = plane.masks.data();
    for (uint32_t frame = 0; frame < frame_count(plane.grid); frame++, entry += kDirectoryEntryBytes) {
      const uint32_t rows = std::min(kRowsPerFrame, plane.grid.blocks_high - frame * kRowsPerFrame);
      const size_t blocks = size_t(rows) * plane.grid.blocks_wide;
      const uint8_t* mask_bytes = reinterpret_cast<const uint8_t*>(masks);
      if (compresses(codec)) {
        mask_bytes_.resize(blocks * 8);
        split_into_byte_planes(masks, blocks, mask_bytes_.data());
        mask_bytes = mask_bytes_.data();
      }
      masks += blocks;
      const size_t values = plane.value_start(frame), escapes = plane.escape_start(frame);
      uint32_t stored[kStreams];
      const auto append = [&](StreamKind kind, const void* stream, size_t size) {
        return compressor_.append(codec, kind, static_cast<const uint8_t*>(stream), size, out);
      };
      stored[0] = append(StreamKind::kMasks, mask_bytes, blocks * 8);
      stored[1] = append(StreamKind::kValues, plane.values.data() + values, plane.value_end[frame] - values);
      stored[2] = append(StreamKind::kValues, plane.escapes.data() + escapes,
                         (plane.escape_end[frame] - escapes) * sizeof(int16_t));
      for (int s = 0; s < kStreams; s++) put_u32(out->data() + entry + 4 * s, stored[s]);
    }
  }
  return {};
}

Unpacker::Unpacker(Simd simd)
    : expand_(expand_blocks_for(simd)), expand_floats_(expand_floats_for(simd)), skip_(skip_blocks_for(simd)) {}

Status Unpacker::open(const uint8_t* packed, size_t size, const std::vector<Grid>& grids, Codec codec) {
  if (!decompressor_.has_memory()) return Status::failure(Code::kOutOfMemory, "no memory for zstd");
  codec_ = codec;
  grids_ = grids;
  size_t entries = 0;
  for (const Grid& grid : grids) entries += frame_count(grid);
  if (size / kDirectoryEntryBytes < entries) return corrupt("the packed bytes are shorter than their directory");
  const uint8_t* entry = packed;
  size_t at = entries * kDirectoryEntryBytes;
  frames_.resize(grids.size());
  for (size_t component = 0; component < grids.size(); component++) {
    frames_[component].resize(frame_count(grids[component]));
    for (Frame& frame : frames_[component]) {
      for (int s = 0; s < kStreams; s++, entry += sizeof(uint32_t)) {
        frame.stored_bytes[s] = get_u32(entry);
        frame.streams[s] = packed + at;
        if (frame.stored_bytes[s] > size - at) return corrupt("a stream reaches past the end of the packed bytes");
        at += frame.stored_bytes[s];
      }
    }
  }
  return at == size ? Status{} : corrupt("bytes are left over after the last stream");
}

Status Unpacker::load_stream(const uint8_t* stored, size_t stored_bytes, size_t raw_bytes,
                             std::vector<uint8_t>* scratch, const uint8_t** out) {
  if (stored_bytes == raw_bytes) {
    *out = stored;
    return {};
  }
  if (!compresses(codec_)) return corrupt("a stream has the wrong length");
  scratch->resize(raw_bytes);
  if (!decompressor_.decompress(codec_, stored, stored_bytes, scratch->data(), raw_bytes))
    return corrupt("a stream cannot be decompressed to its length");
  *out = scratch->data();
  return {};
}

Status Unpacker::open_frame(const Frame& frame, size_t blocks, Reading* reading) {
  const uint8_t* bytes = nullptr;
  if (Status s = load_stream(frame.streams[0], frame.stored_bytes[0], blocks * 8, &mask_bytes_, &bytes); !s.ok())
    return s;
  reading->masks = bytes;
  if (compresses(codec_)) {
    reading->joined.resize(blocks);
    join_byte_planes(bytes, blocks, reading->joined.data());
    reading->masks = reinterpret_cast<const uint8_t*>(reading->joined.data());
  }
  // Uncompressed streams are as long as the directory has it, and reading them stops at their ends.
  size_t values = frame.stored_bytes[1];
  if (compresses(codec_)) values = count_values(reading->masks, blocks);
  if (Status s = load_stream(frame.streams[1], frame.stored_bytes[1], values, &reading->values, &bytes); !s.ok())
    return s;
  reading->cursor.values = bytes;
  reading->cursor.values_end = bytes + values;
  size_t escapes = frame.stored_bytes[2];
  if (compresses(codec_)) escapes = 2 * skip_.count_escapes(bytes, values);
  if (Status s = load_stream(frame.streams[2], frame.stored_bytes[2], escapes, &reading->escapes, &bytes); !s.ok())
    return s;
  reading->cursor.escapes = bytes;
  reading->cursor.escapes_end = bytes + escapes;
  reading->first_dc = 0;
  return {};
}

Status Unpacker::begin(size_t component, BlockRange range) {
  const Grid& grid = grids_[component];
  if (range.row_end > grid.blocks_high || range.column_end > grid.blocks_wide || range.row_start > range.row_end ||
      range.column_start >= range.column_end) {
    return Status::failure(Code::kInvalidArgument, "block range outside the component's grid");
  }
  readings_[component].range = range;
  readings_[component].row = range.row_start;
  return {};
}

// Opens the frame that the next row is in and walks to that row.
Status Unpacker::enter_frame(size_t component) {
  Reading& reading = readings_[component];
  const Grid& grid = grids_[component];
  const uint32_t first = reading.row / kRowsPerFrame * kRowsPerFrame;
  const uint32_t rows = std::min(kRowsPerFrame, grid.blocks_high - first);
  const Frame& frame = frames_[component][first / kRowsPerFrame];
  if (Status s = open_frame(frame, size_t(rows) * grid.blocks_wide, &reading); !s.ok()) return s;
  for (uint32_t row = first; row < reading.row; row++) {
    const uint8_t* masks = reading.masks + size_t(row - first) * grid.blocks_wide * kMaskBytes;
    if (!skip_.with_dc(masks, 1, &reading.cursor, &reading.first_dc) ||
        !skip_.alone(masks + kMaskBytes, grid.blocks_wide - 1, &reading.cursor))
      return corrupt(kValuesRunOut);
  }
  return {};
}

// Blocks outside the range's columns are walked over for the sake of their DC differences and lengths; `expand` is
// called for parts of the range, with the DC before each, which it brings up to date.
template <typename Expand>
Status Unpacker::next_row_by(size_t component, Expand expand) {
  Reading& reading = readings_[component];
  const Grid& grid = grids_[component];
  if (reading.row == reading.range.row_start || reading.row % kRowsPerFrame == 0) {
    if (Status s = enter_frame(component); !s.ok()) return s;
  }
  const BlockRange& range = reading.range;
  const uint8_t* masks = reading.masks + size_t(reading.row % kRowsPerFrame) * grid.blocks_wide * kMaskBytes;
  ValueCursor* const cursor = &reading.cursor;
  int dc = reading.first_dc;
  const uint32_t wide = range.column_end - range.column_start;
  bool good = true;
  if (range.column_start > 0) {
    good = skip_.with_dc(masks, 1, cursor, &dc);
    reading.first_dc = dc;
    good = good && skip_.with_dc(masks + kMaskBytes, range.column_start - 1, cursor, &dc) &&
           expand(masks + range.column_start * kMaskBytes, wide, 0, &dc);
  } else {
    good = expand(masks, 1, 0, &dc);
    reading.first_dc = dc;
    good = good && expand(masks + kMaskBytes, wide - 1, 1, &dc);
  }
  good = good && skip_.alone(masks + range.column_end * kMaskBytes, grid.blocks_wide - range.column_end, cursor);
  if (!good) return corrupt(kValuesRunOut);
  reading.row++;
  const bool frame_ends = reading.row % kRowsPerFrame == 0 || reading.row == grid.blocks_high;
  if (frame_ends && (cursor->values != cursor->values_end || cursor->escapes != cursor->escapes_end))
    return corrupt("a frame has more values than its blocks");
  return {};
}

Status Unpacker::next_row(size_t component, int16_t* out) {
  return next_row_by(component, [&](const uint8_t* masks, size_t count, size_t first, int* dc) {
    int16_t* const blocks = out + first * kBlockSize;
    if (!expand_(masks, count, &readings_[component].cursor, blocks)) return false;
    for (size_t i = 0; i < count; i++) {
      *dc += blocks[i * kBlockSize];
      blocks[i * kBlockSize] = int16_t(*dc);
    }
    return true;
  });
}

Status Unpacker::next_row_dequantised(size_t component, const DequantisedRow& row) {
  return next_row_by(component, [&](const uint8_t* masks, size_t count, size_t first, int* dc) {
    return expand_floats_(masks, count, &readings_[component].cursor, dc, row.scale, row.bias, row.streams,
                          row.out + ptrdiff_t(first) * row.step, row.step);
  });
}

Status Unpacker::unpack(size_t component, BlockRange range, int16_t* out) {
  if (Status s = begin(component, range); !s.ok()) return s;
  const size_t row_values = size_t(range.column_end - range.column_start) * kBlockSize;
  for (uint32_t row = range.row_start; row < range.row_end; row++, out += row_values) {
    if (Status s = next_row(component, out); !s.ok()) return s;
  }
  return {};
}

Status Unpacker::store_plain(std::vector<uint8_t>* out) {
  size_t frames = 0;
  for (const Grid& grid : grids_) frames += frame_count(grid);
  out->assign(frames * kDirectoryEntryBytes, 0);
  size_t entry = 0;
  for (size_t component = 0; component < grids_.size(); component++) {
    const Grid& grid = grids_[component];
    for (uint32_t frame = 0; frame < frame_count(grid); frame++, entry += kDirectoryEntryBytes) {
      const uint32_t rows = std::min(kRowsPerFrame, grid.blocks_high - frame * kRowsPerFrame);
      Reading& reading = readings_[component];
      const size_t blocks = size_t(rows) * grid.blocks_wide;
      if (Status s = open_frame(frames_[component][frame], blocks, &reading); !s.ok()) return s;
      const size_t values = count_values(reading.masks, blocks);
      const ValueCursor& cursor = reading.cursor;
      if (size_t(cursor.values_end - cursor.values) != values ||
          size_t(cursor.escapes_end - cursor.escapes) != 2 * skip_.count_escapes(cursor.values, values))
        return corrupt("a stream has the wrong length");
      const std::pair<const uint8_t*, const uint8_t*> streams[kStreams] = {
          {reading.masks, reading.masks + blocks * kMaskBytes},
          {cursor.values, cursor.values_end},
          {cursor.escapes, cursor.escapes_end}};
      for (int s = 0; s < kStreams; s++) {
        const size_t bytes = size_t(streams[s].second - streams[s].first);
        if (out->size() + bytes > kMaxPlainBytes)
          return Status::failure(Code::kTooManyPixels, "the image takes too many bytes uncompressed");
        put_u32(out->data() + entry + 4 * s, uint32_t(bytes));
        out->insert(out->end(), streams[s].first, streams[s].second);
      }
    }
  }
  return {};
}

}  // namespace dctstream
