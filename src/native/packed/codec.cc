#include "packed/codec.h"

#define ZSTD_STATIC_LINKING_ONLY  // for ZSTD_c_literalCompressionMode
#include <zstd.h>

namespace dctstream {
namespace {

// Coefficient bytes repeat by chance only, so looking for long matches alone and always entropy-coding the literals is
// both smaller and twice as fast to decompress as the stock level 1 on real photographs. `skip` is how far the search
// for matches moves on after each failure.
ZSTD_CCtx* make_context(int skip) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  if (context == nullptr) return nullptr;
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7);
  ZSTD_CCtx_setParameter(context, ZSTD_c_targetLength, skip);
  ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
  return context;
}

}  // namespace

Compressor::Compressor() : for_masks_(make_context(64)), for_values_(make_context(ZSTD_TARGETLENGTH_MAX)) {}

Compressor::~Compressor() {
  ZSTD_freeCCtx(for_masks_);
  ZSTD_freeCCtx(for_values_);
}

uint32_t Compressor::append(Codec codec, StreamKind kind, const uint8_t* stream, size_t size,
                            std::vector<uint8_t>* out) {
  const size_t start = out->size();
  if (size > 0) {
    const size_t compressed = compress(codec, kind, stream, size, out);
    if (compressed < size) {
      out->resize(start + compressed);
      return uint32_t(compressed);
    }
    out->resize(start);
  }
  out->insert(out->end(), stream, stream + size);
  return uint32_t(size);
}

// Writes behind the end of `out`; returns how much, or `size` where the stream is to be stored as it is.
size_t Compressor::compress(Codec codec, StreamKind kind, const uint8_t* stream, size_t size,
                            std::vector<uint8_t>* out) {
  switch (codec) {
    case Codec::kNone:
      return size;
    case Codec::kZstd: {
      ZSTD_CCtx* const context = kind == StreamKind::kMasks ? for_masks_ : for_values_;
      const size_t start = out->size();
      out->resize(start + ZSTD_compressBound(size));
      const size_t written = ZSTD_compress2(context, out->data() + start, out->size() - start, stream, size);
      return ZSTD_isError(written) ? size : written;
    }
  }
  return size;
}

Decompressor::Decompressor() : zstd_(ZSTD_createDCtx()) {}

Decompressor::~Decompressor() { ZSTD_freeDCtx(zstd_); }

bool Decompressor::decompress(Codec codec, const uint8_t* stored, size_t stored_size, uint8_t* stream, size_t size) {
  switch (codec) {
    case Codec::kNone:
      return false;
    case Codec::kZstd: {
      const size_t written = ZSTD_decompressDCtx(zstd_, stream, size, stored, stored_size);
      return !ZSTD_isError(written) && written == size;
    }
  }
  return false;
}

}  // namespace dctstream
