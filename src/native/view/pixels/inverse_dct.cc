#include "view/pixels/inverse_dct.h"

#include <algorithm>

#include "base/blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dctstream {
namespace {

// The factorisation of Loeffler, Ligtenberg and Moschytz (1989), in 13 fractional bits. Along the columns two of them
// are kept, along the rows they and the transform's factor of 8 are shifted out.
constexpr int kBits = 13;
constexpr int kColumnShift = kBits - 2, kRowShift = kBits + 2 + 3;
constexpr int kOne = 1 << kBits;
constexpr int kLevel = 128;

// Rotations of the even part, and what the odd part multiplies: single inputs, sums of two, and the sum of all.
constexpr int kC6 = 4433, kC2MinusC6 = 6270, kC2PlusC6 = 15137;
constexpr int kOf7 = 2446, kOf5 = 16819, kOf3 = 25172, kOf1 = 12299;
constexpr int kOf17 = -7373, kOf35 = -20995, kOf37 = -16069, kOf15 = -3196, kOfAll = 9633;

typedef int Lines[8][8];  // [position on the axis that is transformed][line]

// Eight lines at once, which compilers turn into whatever vectors they have. Unsigned: terms may wrap around where the
// results, of any 16-bit inputs, do not.
template <int kShift>
inline __attribute__((always_inline)) void inverse8(const Lines& lines, Lines& out) {
  constexpr uint32_t kHalf = 1 << (kShift - 1);
  for (int i = 0; i < 8; i++) {
    const auto in = [&](int k) { return uint32_t(lines[k][i]); };
    const uint32_t sum = (in(0) + in(4)) * kOne + kHalf, difference = (in(0) - in(4)) * kOne + kHalf;
    const uint32_t shared = (in(2) + in(6)) * kC6;
    const uint32_t outer = shared + in(2) * kC2MinusC6, inner = shared - in(6) * kC2PlusC6;
    const uint32_t all = (in(1) + in(3) + in(5) + in(7)) * kOfAll;
    const uint32_t of17 = (in(1) + in(7)) * uint32_t(kOf17), of35 = (in(3) + in(5)) * uint32_t(kOf35);
    const uint32_t of37 = (in(3) + in(7)) * uint32_t(kOf37) + all, of15 = (in(1) + in(5)) * uint32_t(kOf15) + all;
    const uint32_t even[4] = {sum + outer, difference + inner, difference - inner, sum - outer};
    const uint32_t odd[4] = {in(1) * kOf1 + of17 + of15, in(3) * kOf3 + of35 + of37, in(5) * kOf5 + of35 + of15,
                             in(7) * kOf7 + of17 + of37};
    for (int k = 0; k < 4; k++) {
      out[k][i] = int(even[k] + odd[k]) >> kShift;
      out[7 - k][i] = int(even[k] - odd[k]) >> kShift;
    }
  }
}

// In 16 bits, which no JPEG leaves that was made of 8-bit samples; others wrap, as vectors do.
inline int dequantised(int16_t value, uint16_t step) { return int16_t(uint32_t(uint16_t(value)) * step); }

inline int clipped(int value, int least, int most) { return std::min(std::max(value, least), most); }

inline void transpose(const Lines& in, Lines& out) {
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 8; k++) out[i][k] = in[k][i];
}

void inverse_scalar(const int16_t* blocks, size_t count, const uint16_t* quant, uint8_t* rows, size_t pitch) {
  for (size_t b = 0; b < count; b++, blocks += kBlockSize, rows += 8) {
    Lines in, out;
    for (int u = 0; u < 8; u++)
      for (int v = 0; v < 8; v++) in[u][v] = dequantised(blocks[8 * u + v], quant[8 * u + v]);
    inverse8<kColumnShift>(in, out);
    transpose(out, in);
    for (int x = 0; x < 8; x++)
      for (int y = 0; y < 8; y++) in[x][y] = clipped(in[x][y], -32768, 32767);
    inverse8<kRowShift>(in, out);
    transpose(out, in);
    for (int y = 0; y < 8; y++) {
      uint8_t* const row = rows + size_t(y) * pitch;
      for (int x = 0; x < 8; x++) row[x] = uint8_t(clipped(in[y][x] + kLevel, 0, 255));
    }
  }
}

#if defined(__x86_64__)

#define DCTSTREAM_AVX2 __attribute__((target("avx2"), always_inline)) inline

// The same multiplied out, because vectors add up pairs of products: two rotations, and for outputs 0 to 3 what is
// added to the even part, and taken off it for 7 to 4, of inputs 1, 7, 3 and 5. The whole numbers are those of above.
constexpr int kEven[2][2] = {{kC6 + kC2MinusC6, kC6}, {kC6, kC6 - kC2PlusC6}};
constexpr int kOdd[4][4] = {{kOf1 + kOf17 + kOf15 + kOfAll, kOf17 + kOfAll, kOfAll, kOf15 + kOfAll},
                            {kOfAll, kOf37 + kOfAll, kOf3 + kOf35 + kOf37 + kOfAll, kOf35 + kOfAll},
                            {kOf15 + kOfAll, kOfAll, kOf35 + kOfAll, kOf5 + kOf35 + kOf15 + kOfAll},
                            {kOf17 + kOfAll, kOf7 + kOf17 + kOf37 + kOfAll, kOf37 + kOfAll, kOfAll}};

// Two blocks at a time, one in each half of the vectors.

DCTSTREAM_AVX2 __m256i pairs(int a, int b) { return _mm256_set1_epi32(int(uint32_t(uint16_t(a)) | uint32_t(b) << 16)); }

// One half of the columns, interleaved: inputs 0 and 4, 2 and 6, 1 and 7, 3 and 5 -> outputs 0 to 7 in 32 bits.
template <int kShift>
DCTSTREAM_AVX2 void inverse_half(__m256i in04, __m256i in26, __m256i in17, __m256i in35, __m256i out[8]) {
  const __m256i half = _mm256_set1_epi32(1 << (kShift - 1));
  const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(in04, pairs(kOne, kOne)), half);
  const __m256i difference = _mm256_add_epi32(_mm256_madd_epi16(in04, pairs(kOne, -kOne)), half);
  const __m256i outer = _mm256_madd_epi16(in26, pairs(kEven[0][0], kEven[0][1]));
  const __m256i inner = _mm256_madd_epi16(in26, pairs(kEven[1][0], kEven[1][1]));
  const __m256i even[4] = {_mm256_add_epi32(sum, outer), _mm256_add_epi32(difference, inner),
                           _mm256_sub_epi32(difference, inner), _mm256_sub_epi32(sum, outer)};
  for (int k = 0; k < 4; k++) {
    const __m256i odd = _mm256_add_epi32(_mm256_madd_epi16(in17, pairs(kOdd[k][0], kOdd[k][1])),
                                         _mm256_madd_epi16(in35, pairs(kOdd[k][2], kOdd[k][3])));
    out[k] = _mm256_srai_epi32(_mm256_add_epi32(even[k], odd), kShift);
    out[7 - k] = _mm256_srai_epi32(_mm256_sub_epi32(even[k], odd), kShift);
  }
}

template <int kShift>
DCTSTREAM_AVX2 void inverse8(__m256i v[8]) {
  __m256i low[8], high[8];
  inverse_half<kShift>(_mm256_unpacklo_epi16(v[0], v[4]), _mm256_unpacklo_epi16(v[2], v[6]),
                       _mm256_unpacklo_epi16(v[1], v[7]), _mm256_unpacklo_epi16(v[3], v[5]), low);
  inverse_half<kShift>(_mm256_unpackhi_epi16(v[0], v[4]), _mm256_unpackhi_epi16(v[2], v[6]),
                       _mm256_unpackhi_epi16(v[1], v[7]), _mm256_unpackhi_epi16(v[3], v[5]), high);
  for (int k = 0; k < 8; k++) v[k] = _mm256_packs_epi32(low[k], high[k]);
}

DCTSTREAM_AVX2 void transpose8(__m256i v[8]) {
  __m256i t[8], u[8];
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi32(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi32(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi32(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi32(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    v[2 * i] = _mm256_unpacklo_epi64(u[i], u[i + 4]);
    v[2 * i + 1] = _mm256_unpackhi_epi64(u[i], u[i + 4]);
  }
}

// Columns of samples in 16 bits -> eight rows of 16 bytes.
DCTSTREAM_AVX2 void store_rows(const __m256i v[8], uint8_t* rows, size_t pitch) {
  const __m256i level = _mm256_set1_epi8(char(kLevel));
  __m256i p[4];  // columns k and k + 4
  for (int k = 0; k < 4; k++) p[k] = _mm256_xor_si256(_mm256_packs_epi16(v[k], v[k + 4]), level);
  const __m256i c01 = _mm256_unpacklo_epi8(p[0], p[1]), c45 = _mm256_unpackhi_epi8(p[0], p[1]);
  const __m256i c23 = _mm256_unpacklo_epi8(p[2], p[3]), c67 = _mm256_unpackhi_epi8(p[2], p[3]);
  const __m256i left[2] = {_mm256_unpacklo_epi16(c01, c23), _mm256_unpackhi_epi16(c01, c23)};
  const __m256i right[2] = {_mm256_unpacklo_epi16(c45, c67), _mm256_unpackhi_epi16(c45, c67)};
  for (int i = 0; i < 4; i++) {
    const __m256i two = i % 2 == 0 ? _mm256_unpacklo_epi32(left[i / 2], right[i / 2])
                                   : _mm256_unpackhi_epi32(left[i / 2], right[i / 2]);
    const __m256i joined = _mm256_permute4x64_epi64(two, 0xd8);  // a row of both blocks, and the next
    uint8_t* const row = rows + size_t(2 * i) * pitch;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(row), _mm256_castsi256_si128(joined));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(row + pitch), _mm256_extracti128_si256(joined, 1));
  }
}

// Row u of two blocks, dequantised.
DCTSTREAM_AVX2 __m256i load_rows(const int16_t* blocks, const uint16_t* quant, int u) {
  const __m128i* const row = reinterpret_cast<const __m128i*>(blocks + 8 * u);
  const __m256i both =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(row)), _mm_loadu_si128(row + kBlockSize / 8), 1);
  const __m128i steps = _mm_loadu_si128(reinterpret_cast<const __m128i*>(quant + 8 * u));
  return _mm256_mullo_epi16(both, _mm256_broadcastsi128_si256(steps));
}

__attribute__((target("avx2"))) void inverse_avx2(const int16_t* blocks, size_t count, const uint16_t* quant,
                                                  uint8_t* rows, size_t pitch) {
  for (size_t b = 0; b < count; b += 2, blocks += 2 * kBlockSize, rows += 16) {
    __m256i v[8];
    for (int u = 0; u < 8; u++) v[u] = load_rows(blocks, quant, u);
    inverse8<kColumnShift>(v);
    transpose8(v);
    inverse8<kRowShift>(v);
    store_rows(v, rows, pitch);
  }
}

#undef DCTSTREAM_AVX2

#endif

}  // namespace

InverseDct inverse_dct_for(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512 || level == Simd::kAvx2) return inverse_avx2;
#endif
  (void)level;
  return inverse_scalar;
}

}  // namespace dctstream
