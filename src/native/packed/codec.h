// How the streams of a packed record are stored. A codec is a line of kCodecs and a case in each function of codec.cc.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace dctstream {

// kNone: every stream as it is. kZstd: each is a zstd frame, or as it is where that is not shorter.
enum class Codec { kNone, kZstd };

struct CodecFacts {
  const char* name;  // as manifests and options name it
  // Streams may be stored in fewer bytes than they have. Masks are stored byte-plane by byte-plane then (all first
  // bytes, then all second bytes, ...), which is worth 1.8 % of the whole, and the lengths of the other streams are
  // counted from what was read before them.
  bool compresses;
};

// In the order of Codec.
constexpr CodecFacts kCodecs[] = {{"none", false}, {"zstd", true}};

constexpr size_t kCodecCount = sizeof(kCodecs) / sizeof(kCodecs[0]);

// By its number in kCodecs; false when there is none of that number.
inline bool codec_of(double number, Codec* codec) {
  for (size_t i = 0; i < kCodecCount; i++) {
    if (number != double(i)) continue;
    *codec = Codec(i);
    return true;
  }
  return false;
}

inline bool compresses(Codec codec) { return kCodecs[size_t(codec)].compresses; }

// Masks repeat here and there, values hardly ever.
enum class StreamKind { kMasks, kValues };

class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  bool has_memory() const { return for_masks_ != nullptr && for_values_ != nullptr; }

  // Appends a stream, compressed where that is shorter; returns the bytes that it takes.
  uint32_t append(Codec codec, StreamKind kind, const uint8_t* stream, size_t size, std::vector<uint8_t>* out);

 private:
  size_t compress(Codec codec, StreamKind kind, const uint8_t* stream, size_t size, std::vector<uint8_t>* out);

  ZSTD_CCtx_s *for_masks_, *for_values_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  bool has_memory() const { return zstd_ != nullptr; }

  // False when the stored bytes are not a stream of `size` bytes.
  bool decompress(Codec codec, const uint8_t* stored, size_t stored_size, uint8_t* stream, size_t size);

 private:
  ZSTD_DCtx_s* zstd_;
};

}  // namespace dctstream
