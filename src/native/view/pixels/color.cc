#include "view/pixels/color.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {
namespace {

// ITU-T T.871 (JFIF) in 16 fractional bits: R = Y + 1.402 Cr, G = Y - 0.34414 Cb - 0.71414 Cr, B = Y + 1.772 Cb.
constexpr int kRedOfCr = 91881, kGreenOfCb = -22554, kGreenOfCr = -46802, kBlueOfCb = 116130;
constexpr int kOne = 1 << 16, kHalf = 1 << 15;

inline uint8_t clipped(int value) { return uint8_t(std::min(std::max(value, 0), 255)); }

// Pixels that are converted before they are put in turns: apart, compilers turn both into vectors.
constexpr size_t kRun = 64;

void put_in_turns(const uint8_t* const channels[3], size_t count, bool mirrored, uint8_t* out) {
  for (size_t x = 0; x < count; x++)
    for (size_t c = 0; c < 3; c++) out[3 * x + c] = channels[c][mirrored ? count - 1 - x : x];
}

void rgb_scalar(const ColorRow& row, bool, uint8_t* out) {
  for (size_t from = 0; from < row.width; from += kRun) {
    const size_t count = std::min(kRun, row.width - from);
    uint8_t channels[3][kRun];
    for (size_t i = 0; i < count; i++) {
      const int y = row.y[from + i], cb = row.cb[from + i] - 128, cr = row.cr[from + i] - 128;
      channels[0][i] = clipped(y + ((kRedOfCr * cr + kHalf) >> 16));
      channels[1][i] = clipped(y + ((kGreenOfCb * cb + kGreenOfCr * cr + kHalf) >> 16));
      channels[2][i] = clipped(y + ((kBlueOfCb * cb + kHalf) >> 16));
    }
    const uint8_t* const all[3] = {channels[0], channels[1], channels[2]};
    put_in_turns(all, count, row.mirrored, out + 3 * (row.mirrored ? row.width - from - count : from));
  }
}

void as_is_scalar(const ColorRow& row, bool, uint8_t* out) {
  const uint8_t* const all[3] = {row.y, row.cb, row.cr};
  put_in_turns(all, row.width, row.mirrored, out);
}

void to_floats_scalar(const uint8_t* pixels, size_t width, const ChannelScaling& scaling, bool, float* out) {
  for (size_t i = 0; i < 3 * width; i += 3)
    for (size_t c = 0; c < 3; c++) out[i + c] = scaling.of[pixels[i + c]][c];
}

constexpr ColorKernels kScalar = {rgb_scalar, as_is_scalar, to_floats_scalar};

#if defined(__x86_64__)

#define DCTSTREAM_AVX2 __attribute__((target("avx2,fma")))
#define DCTSTREAM_INLINE __attribute__((target("avx2,fma"), always_inline)) inline

constexpr size_t kStep = 32;  // pixels

template <bool kMirrored>
DCTSTREAM_INLINE __m256i load_step(const uint8_t* row, size_t width, size_t x) {
  if (!kMirrored) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + x));
  const ptrdiff_t at = ptrdiff_t(width) - ptrdiff_t(x) - ptrdiff_t(kStep);
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + at));
  const __m256i backwards =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(values, backwards), 0x4e);
}

// Sixteen pixels in 16 bits, chroma centred on zero. Products fit 16 bits when the whole multiples of chroma are taken
// out of the factors; _mm256_mulhrs_epi16 rounds to 15 fractional bits, and with these factors gives what 16 do for
// every chroma value.
DCTSTREAM_INLINE void to_rgb(__m256i y, __m256i cb, __m256i cr, __m256i out[3]) {
  constexpr int kRed = (kRedOfCr - kOne + 1) / 2, kBlue = (kBlueOfCb - 2 * kOne) / 2;
  const __m256i red = _mm256_add_epi16(cr, _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(kRed)));
  const __m256i blue = _mm256_add_epi16(_mm256_add_epi16(cb, cb), _mm256_mulhrs_epi16(cb, _mm256_set1_epi16(kBlue)));
  const __m256i factors = _mm256_set1_epi32(int(uint32_t(uint16_t(kGreenOfCb)) | uint32_t(kGreenOfCr + kOne) << 16));
  const __m256i half = _mm256_set1_epi32(kHalf);
  const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), factors), half);
  const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), factors), half);
  const __m256i green = _mm256_packs_epi32(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
  out[0] = _mm256_add_epi16(y, red);
  out[1] = _mm256_add_epi16(_mm256_sub_epi16(y, cr), green);
  out[2] = _mm256_add_epi16(y, blue);
}

// Three channels in turns, in each half of the vectors: byte i of output o is of channel (o + i) % 3. Every channel is
// shuffled once, so that each of its bytes stands where the one output that it goes to wants it.
struct InTurns {
  alignas(16) uint8_t from[3][16];   // [channel]
  alignas(16) uint8_t third[3][16];  // all ones where i % 3 is the index
};

constexpr InTurns make_in_turns() {
  InTurns turns{};
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < 16; i++) {
      const int output = (k + 3 - i % 3) % 3;
      turns.from[k][i] = uint8_t((16 * output + i) / 3);
      turns.third[k][i] = i % 3 == k ? 0xff : 0;
    }
  }
  return turns;
}

constexpr InTurns kInTurns = make_in_turns();

DCTSTREAM_INLINE __m256i both_halves(const uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

template <bool kStreams>
DCTSTREAM_INLINE void store32(__m256i bytes, uint8_t* out) {
  if (kStreams) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(out), bytes);
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
  }
}

// 32 bytes of each channel -> 96 bytes of pixels.
template <bool kStreams>
DCTSTREAM_INLINE void store_step(const __m256i channels[3], uint8_t* out) {
  __m256i shuffled[3], mixed[3];
  for (int c = 0; c < 3; c++) shuffled[c] = _mm256_shuffle_epi8(channels[c], both_halves(kInTurns.from[c]));
  const __m256i second = both_halves(kInTurns.third[1]), third = both_halves(kInTurns.third[2]);
  for (int o = 0; o < 3; o++) {
    const __m256i two = _mm256_blendv_epi8(shuffled[o], shuffled[(o + 1) % 3], second);
    mixed[o] = _mm256_blendv_epi8(two, shuffled[(o + 2) % 3], third);
  }
  store32<kStreams>(_mm256_permute2x128_si256(mixed[0], mixed[1], 0x20), out);
  store32<kStreams>(_mm256_blend_epi32(mixed[2], mixed[0], 0xf0), out + 32);
  store32<kStreams>(_mm256_permute2x128_si256(mixed[1], mixed[2], 0x31), out + 64);
}

template <bool kRgb, bool kMirrored, bool kStreams>
DCTSTREAM_INLINE void mix_step(const ColorRow& row, size_t x, uint8_t* out) {
  __m256i channels[3] = {load_step<kMirrored>(row.y, row.width, x), load_step<kMirrored>(row.cb, row.width, x),
                         load_step<kMirrored>(row.cr, row.width, x)};
  if (kRgb) {
    const __m256i zero = _mm256_setzero_si256(), centre = _mm256_set1_epi16(128);
    __m256i low[3], high[3];
    to_rgb(_mm256_unpacklo_epi8(channels[0], zero), _mm256_sub_epi16(_mm256_unpacklo_epi8(channels[1], zero), centre),
           _mm256_sub_epi16(_mm256_unpacklo_epi8(channels[2], zero), centre), low);
    to_rgb(_mm256_unpackhi_epi8(channels[0], zero), _mm256_sub_epi16(_mm256_unpackhi_epi8(channels[1], zero), centre),
           _mm256_sub_epi16(_mm256_unpackhi_epi8(channels[2], zero), centre), high);
    for (int c = 0; c < 3; c++) channels[c] = _mm256_packus_epi16(low[c], high[c]);
  }
  store_step<kStreams>(channels, out);
}

template <bool kRgb, bool kMirrored, bool kStreams>
DCTSTREAM_AVX2 void mix_row(const ColorRow& row, uint8_t* out) {
  size_t x = 0;
  for (; x + kStep <= row.width; x += kStep) mix_step<kRgb, kMirrored, kStreams>(row, x, out + 3 * x);
  if (x == row.width) return;
  uint8_t last[3 * kStep];
  mix_step<kRgb, kMirrored, false>(row, x, last);
  std::memcpy(out + 3 * x, last, 3 * (row.width - x));
}

template <bool kRgb>
DCTSTREAM_AVX2 void mix_avx2(const ColorRow& row, bool streams, uint8_t* out) {
  if (row.mirrored) return streams ? mix_row<kRgb, true, true>(row, out) : mix_row<kRgb, true, false>(row, out);
  return streams ? mix_row<kRgb, false, true>(row, out) : mix_row<kRgb, false, false>(row, out);
}

template <bool kStreams>
DCTSTREAM_INLINE size_t scale_steps(const uint8_t* pixels, size_t width, const ChannelScaling& scaling, float* out) {
  __m256 scale[3], bias[3];
  for (int v = 0; v < 3; v++) {
    scale[v] = _mm256_loadu_ps(scaling.scale + 8 * v);
    bias[v] = _mm256_loadu_ps(scaling.bias + 8 * v);
  }
  size_t x = 0;
  for (; x + 8 <= width; x += 8, pixels += 24, out += 24) {
    for (int v = 0; v < 3; v++) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixels + 8 * v));
      const __m256 values = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), scale[v], bias[v]);
      if (kStreams) {
        _mm256_stream_ps(out + 8 * v, values);
      } else {
        _mm256_storeu_ps(out + 8 * v, values);
      }
    }
  }
  return x;
}

DCTSTREAM_AVX2 void to_floats_avx2(const uint8_t* pixels, size_t width, const ChannelScaling& scaling, bool streams,
                                   float* out) {
  const size_t x =
      streams ? scale_steps<true>(pixels, width, scaling, out) : scale_steps<false>(pixels, width, scaling, out);
  to_floats_scalar(pixels + 3 * x, width - x, scaling, false, out + 3 * x);
}

#undef DCTSTREAM_AVX2
#undef DCTSTREAM_INLINE

constexpr ColorKernels kAvx2 = {mix_avx2<true>, mix_avx2<false>, to_floats_avx2};

#endif

}  // namespace

void ChannelScaling::set(const float scales[3], const float biases[3]) {
  constexpr size_t kBytes = 3 * sizeof(float);
  if (std::memcmp(scale, scales, kBytes) == 0 && std::memcmp(bias, biases, kBytes) == 0) return;
  for (int i = 0; i < 24; i++) {
    scale[i] = scales[i % 3];
    bias[i] = biases[i % 3];
  }
  // Fused, whatever the processor: the vectors do the same.
  for (int value = 0; value < 256; value++)
    for (int c = 0; c < 3; c++) of[value][c] = std::fma(float(value), scale[c], bias[c]);
}

const ColorKernels* color_kernels_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512 || level == Simd::kAvx2) return &kAvx2;
#endif
  (void)level;
  return &kScalar;
}

}  // namespace dctstream
