#include "pack.h"

#define ZSTD_STATIC_LINKING_ONLY  // for ZSTD_c_literalCompressionMode
#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace dctstream {
namespace {

constexpr int kStreams = 3;
constexpr size_t kDirectoryEntryBytes = kStreams * sizeof(uint32_t);

uint32_t frame_count(const Grid& grid) { return ceil_div(grid.blocks_high, kRowsPerFrame); }

void put_u32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = uint8_t(value >> (8 * i));
}

uint32_t get_u32(const uint8_t* p) {
  return uint32_t(p[0]) | uint32_t(p[1]) << 8 | uint32_t(p[2]) << 16 | uint32_t(p[3]) << 24;
}

// masks[i], little-endian, byte b -> bytes[b * count + i]
void split_into_byte_planes(const std::vector<uint64_t>& masks, uint8_t* bytes) {
  const size_t count = masks.size();
  for (size_t i = 0; i < count; i++) {
    for (int b = 0; b < 8; b++) bytes[b * count + i] = uint8_t(masks[i] >> (8 * b));
  }
}

void join_byte_planes(const uint8_t* bytes, size_t count, uint64_t* masks) {
  for (size_t i = 0; i < count; i++) {
    uint64_t mask = 0;
    for (int b = 0; b < 8; b++) mask |= uint64_t(bytes[b * count + i]) << (8 * b);
    masks[i] = mask;
  }
}

Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

}  // namespace

Packer::Packer(Simd simd) : to_scan_order_(to_scan_order_for(simd)), zstd_(ZSTD_createCCtx()) {
  if (zstd_ == nullptr) return;
  // Coefficient bytes repeat by chance only, so looking for long matches alone and always entropy-coding the literals
  // is both smaller and twice as fast to decompress as the stock level 1 on real photographs.
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_minMatch, 7);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_targetLength, 64);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
}

Packer::~Packer() { ZSTD_freeCCtx(zstd_); }

void Packer::pack_frame(const PlaneView& plane, uint32_t first_row, uint32_t end_row) {
  const uint32_t wide = plane.grid.blocks_wide;
  const size_t blocks = size_t(end_row - first_row) * wide;
  masks_.resize(blocks);
  if (values_.size() < blocks * kBlockSize) values_.resize(blocks * kBlockSize);  // the worst case; never shrinks
  escapes_.clear();
  uint8_t* value = values_.data();
  uint64_t* mask = masks_.data();
  int first_dc = 0;
  for (uint32_t row = first_row; row < end_row; row++) {
    const int16_t* block = plane.coefficients + size_t(row) * wide * kBlockSize;
    int previous_dc = first_dc;
    first_dc = block[0];
    for (uint32_t column = 0; column < wide; column++, block += kBlockSize) {
      int16_t scan[kBlockSize];
      *mask = to_scan_order_(block, scan);
      // Stored modulo 2^16, so that any pair of int16 values has a difference.
      scan[0] = int16_t(block[0] - previous_dc);
      previous_dc = block[0];
      *mask = (*mask & ~uint64_t(1)) | uint64_t(scan[0] != 0);
      for (uint64_t left = *mask++; left != 0; left &= left - 1) {
        const int coefficient = scan[__builtin_ctzll(left)];
        const bool fits = coefficient > -128 && coefficient < 128;
        *value++ = fits ? uint8_t(coefficient) : 0x80;
        if (fits) continue;
        escapes_.push_back(uint8_t(coefficient));
        escapes_.push_back(uint8_t(coefficient >> 8));
      }
    }
  }
  value_count_ = size_t(value - values_.data());
}

void Packer::append(const uint8_t* stream, size_t size, Codec codec, std::vector<uint8_t>* out,
                    uint32_t* stored_bytes) {
  const size_t start = out->size();
  if (codec == Codec::kZstd && size > 0) {
    out->resize(start + ZSTD_compressBound(size));
    const size_t compressed = ZSTD_compress2(zstd_, out->data() + start, out->size() - start, stream, size);
    if (!ZSTD_isError(compressed) && compressed < size) {
      out->resize(start + compressed);
      *stored_bytes = uint32_t(compressed);
      return;
    }
    out->resize(start);
  }
  out->insert(out->end(), stream, stream + size);
  *stored_bytes = uint32_t(size);
}

Status Packer::pack(const std::vector<PlaneView>& planes, Codec codec, std::vector<uint8_t>* out) {
  if (zstd_ == nullptr) return Status::failure(Code::kOutOfMemory, "no memory for zstd");
  size_t frames = 0;
  for (const PlaneView& plane : planes) frames += frame_count(plane.grid);
  out->assign(frames * kDirectoryEntryBytes, 0);
  size_t entry = 0;
  for (const PlaneView& plane : planes) {
    for (uint32_t row = 0; row < plane.grid.blocks_high; row += kRowsPerFrame, entry += kDirectoryEntryBytes) {
      pack_frame(plane, row, std::min(row + kRowsPerFrame, plane.grid.blocks_high));
      mask_bytes_.resize(masks_.size() * 8);
      if (codec == Codec::kZstd) {
        split_into_byte_planes(masks_, mask_bytes_.data());
      } else {
        std::memcpy(mask_bytes_.data(), masks_.data(), mask_bytes_.size());
      }
      uint32_t stored[kStreams];
      append(mask_bytes_.data(), mask_bytes_.size(), codec, out, &stored[0]);
      append(values_.data(), value_count_, codec, out, &stored[1]);
      append(escapes_.data(), escapes_.size(), codec, out, &stored[2]);
      for (int s = 0; s < kStreams; s++) put_u32(out->data() + entry + 4 * s, stored[s]);
    }
  }
  return {};
}

Unpacker::Unpacker(Simd simd) : expand_(expand_blocks_for(simd)), zstd_(ZSTD_createDCtx()) {}

Unpacker::~Unpacker() { ZSTD_freeDCtx(zstd_); }

Status Unpacker::open(const uint8_t* packed, size_t size, const std::vector<Grid>& grids, Codec codec) {
  if (zstd_ == nullptr) return Status::failure(Code::kOutOfMemory, "no memory for zstd");
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
  if (codec_ == Codec::kNone) return corrupt("a stream has the wrong length");
  scratch->resize(raw_bytes);
  const size_t written = ZSTD_decompressDCtx(zstd_, scratch->data(), raw_bytes, stored, stored_bytes);
  if (ZSTD_isError(written) || written != raw_bytes) return corrupt("a stream cannot be decompressed to its length");
  *out = scratch->data();
  return {};
}

Status Unpacker::open_frame(const Frame& frame, size_t blocks) {
  const uint8_t* bytes = nullptr;
  if (Status s = load_stream(frame.streams[0], frame.stored_bytes[0], blocks * 8, &mask_bytes_, &bytes); !s.ok())
    return s;
  masks_.resize(blocks);
  if (codec_ == Codec::kZstd) {
    join_byte_planes(bytes, blocks, masks_.data());
  } else {
    std::memcpy(masks_.data(), bytes, blocks * 8);
  }
  size_t values = 0;
  for (const uint64_t mask : masks_) values += size_t(__builtin_popcountll(mask));
  if (Status s = load_stream(frame.streams[1], frame.stored_bytes[1], values, &values_, &bytes); !s.ok()) return s;
  cursor_.values = bytes;
  cursor_.values_end = bytes + values;
  const size_t escapes = 2 * size_t(std::count(bytes, bytes + values, uint8_t(0x80)));
  if (Status s = load_stream(frame.streams[2], frame.stored_bytes[2], escapes, &escapes_, &bytes); !s.ok()) return s;
  cursor_.escapes = bytes;
  cursor_.escapes_end = bytes + escapes;
  return {};
}

// Blocks left of the range are expanded too, into scratch, for their DC differences; right of it they are skipped.
bool Unpacker::unpack_row(uint32_t row_in_frame, const Grid& grid, BlockRange range, ValueCursor* cursor, int* first_dc,
                          int16_t* out) {
  const uint64_t* masks = masks_.data() + size_t(row_in_frame) * grid.blocks_wide;
  left_of_range_.resize(size_t(range.column_start) * kBlockSize);
  if (!expand_(masks, range.column_start, cursor, left_of_range_.data())) return false;
  const uint32_t wide = range.column_end - range.column_start;
  if (!expand_(masks + range.column_start, wide, cursor, out)) return false;
  if (!skip_blocks(masks + range.column_end, grid.blocks_wide - range.column_end, cursor)) return false;
  int dc = *first_dc;
  for (uint32_t i = 0; i < range.column_start; i++) {
    dc += left_of_range_[size_t(i) * kBlockSize];
    if (i == 0) *first_dc = dc;
  }
  for (uint32_t i = 0; i < wide; i++) {
    dc += out[size_t(i) * kBlockSize];
    out[size_t(i) * kBlockSize] = int16_t(dc);
    if (range.column_start == 0 && i == 0) *first_dc = dc;
  }
  return true;
}

Status Unpacker::unpack(size_t component, BlockRange range, int16_t* out) {
  const Grid& grid = grids_[component];
  if (range.row_end > grid.blocks_high || range.column_end > grid.blocks_wide || range.row_start > range.row_end ||
      range.column_start >= range.column_end) {
    return Status::failure(Code::kInvalidArgument, "block range outside the component's grid");
  }
  const size_t row_values = size_t(range.column_end - range.column_start) * kBlockSize;
  for (uint32_t first = range.row_start / kRowsPerFrame * kRowsPerFrame; first < range.row_end;
       first += kRowsPerFrame) {
    const uint32_t end = std::min(first + kRowsPerFrame, grid.blocks_high);
    const Frame& frame = frames_[component][first / kRowsPerFrame];
    if (Status s = open_frame(frame, size_t(end - first) * grid.blocks_wide); !s.ok()) return s;
    int first_dc = 0;
    for (uint32_t row = first; row < std::min(end, range.row_end); row++) {
      const bool wanted = row >= range.row_start;
      // Of a row above the range only its first DC is needed: expand one block into scratch.
      const BlockRange part = wanted ? range : BlockRange{0, 0, 0, 1};
      if (!wanted) scratch_block_.resize(kBlockSize);
      if (!unpack_row(row - first, grid, part, &cursor_, &first_dc, wanted ? out : scratch_block_.data())) {
        return corrupt("a frame's values run out before its blocks");
      }
      if (wanted) out += row_values;
    }
  }
  return {};
}

}  // namespace dctstream
