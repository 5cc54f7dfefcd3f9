// Samples of an index side by side, in two forms of the same content. A sealed block is what an index file holds:
// small, with a checksum, up to kMaxBlockSamples samples in it. An open block is what a reader keeps in memory: any
// sample of it is found without the others. Numbers are little-endian, varint is LEB128.
//
// Sealed block:
//   u32 magic, u32 bytes of the whole block, u32 CRC-32C of what follows
//   varint samples, layouts, sets of Huffman tables, bytes of both, bytes that they are stored in
//   layouts and sets, as in an open block; a zstd frame where that is shorter
//   facts: column by column, a varint per sample: zigzag of the offset's difference to the sample before, in 512 bytes;
//     file bytes, width, height, layout, spacing, scan start, trailing bytes, bytes of its entries, set; then u32
//     CRC-32C of each file
//   u32 CRC-32C of the MCU rows of each sample
//   entries of each sample (entry_code.h)
//
// Open block:
//   u32 magic, samples, layouts, bytes of layouts and sets
//   rows of kOpenRowNumbers u32: SampleRow
//   layouts of kOpenLayoutBytes: components, then per component h, v and pair, as bytes; u16 restart interval; per
//   component
//     64 u16 quantisation steps in natural order; what a grey one lacks is zero
//   sets: per set a u16 length and its tables, pair by pair DC and AC, as a DHT segment holds them
//   row checksums and entries of each sample
#pragma once
#include <vector>

#include "packed/codec.h"
#include "seek/sample.h"

namespace dctstream {

constexpr size_t kMaxBlockSamples = 128;

// Offsets in a tar are whole units.
constexpr uint64_t kOffsetUnit = 512;

// An open block of one sample.
void write_sample(const SeekSample& sample, std::vector<uint8_t>* out);

// How many samples an open block says it has; the rest of it is not looked at. CORRUPT_RECORD.
Status count_samples(const uint8_t* open, size_t size, uint32_t* count);

// One sample's facts, which are checked, with its grid.
struct SampleFacts {
  SeekFacts facts;
  SeekLayout layout;
  SeekGrid grid;
};
Status read_facts(const uint8_t* open, size_t size, uint32_t number, SampleFacts* out);

// All of one sample. Nothing in an open block is trusted: CORRUPT_RECORD.
Status read_sample(const uint8_t* open, size_t size, uint32_t number, SeekSample* out);

struct OpenBlock {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
};

// Where the files of a sealed block's samples lie replaces what their open blocks say of it.
// INVALID_ARGUMENT for more than kMaxBlockSamples, another number of offsets, or one that is no multiple of
// kOffsetUnit; CORRUPT_RECORD.
Status seal_block(const std::vector<OpenBlock>& parts, const std::vector<uint64_t>& offsets, Compressor* compressor,
                  std::vector<uint8_t>* out);

// The bytes of the sealed block that begins here, as its first bytes say; 0 when fewer than kSealedHeaderBytes are
// there or they begin no block.
constexpr size_t kSealedHeaderBytes = 12;
size_t sealed_bytes(const uint8_t* bytes, size_t size);

// A sealed block's open form. CORRUPT_RECORD, CHECKSUM_MISMATCH.
Status open_block(const uint8_t* sealed, size_t size, Decompressor* decompressor, std::vector<uint8_t>* out);

}  // namespace dctstream
