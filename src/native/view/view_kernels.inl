// The loops of view_kernels.cc. Included once per instruction set, inside a namespace of its own and under a target
// pragma, with DCTSTREAM_LANES floats to a vector: 8, or 16. Plain vector extensions, so that every build is the same
// source and other processors get theirs from the compiler. No include guard on purpose.
//
// A plane goes through in groups of kLanes output rows: block rows are inverse-transformed along their columns into
// strips [column group][row][kLanes], a group of output rows is resampled from them, transposed so that vectors run
// along the rows, inverse-transformed and resampled along the other axis, and stored, as blocks of frequencies or as
// pixels. Nothing larger than a few rows is ever stored in between.

constexpr int kLanes = DCTSTREAM_LANES;
constexpr int kBlocksPerGroup = kLanes / 8;
constexpr int kLine = 16;  // floats of a cache line

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef float Half __attribute__((vector_size(32)));
typedef int16_t Shorts __attribute__((vector_size(kLanes * 2)));
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
typedef uint8_t Bytes __attribute__((vector_size(kLanes)));

#define DCTSTREAM_INLINE inline __attribute__((always_inline))

DCTSTREAM_INLINE Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

DCTSTREAM_INLINE void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof(v)); }

// Compilers spread this conversion over many instructions when it is written with their own vectors.
DCTSTREAM_INLINE Vec to_floats(Shorts values) {
#if defined(__AVX512F__) && DCTSTREAM_LANES == 16
  return Vec(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(__m256i(values))));
#elif defined(__AVX2__)
  return Vec(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(__m128i(values))));
#else
  return __builtin_convertvector(__builtin_convertvector(values, Ints), Vec);
#endif
}

// A row of eight of a block, and of the one behind it where there is room for two.
DCTSTREAM_INLINE Shorts load_row(const int16_t* row) {
#if DCTSTREAM_LANES == 16
  // Joined in registers: a vector put together in memory waits for its stores.
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + kBlockSize));
  return Shorts(_mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1));
#else
  Shorts values;
  __builtin_memcpy(&values, row, sizeof(values));
  return values;
#endif
}

// Results are not read again soon: where whole cache lines are written they go past the caches, which saves reading the
// lines first.
DCTSTREAM_INLINE bool is_line(const void* p) { return reinterpret_cast<uintptr_t>(p) % 64 == 0; }

// The 8-point inverse DCT and DCT of Arai, Agui and Nakajima (1988): five multiplications, and a factor per frequency
// that the tables in front of and behind the transforms take over.
DCTSTREAM_INLINE void inverse8(Vec v[8]) {
  const Vec even_sum = v[0] + v[4], even_difference = v[0] - v[4];
  const Vec inner = v[2] + v[6], outer = (v[2] - v[6]) * 1.414213562f - inner;
  const Vec a0 = even_sum + inner, a3 = even_sum - inner, a1 = even_difference + outer, a2 = even_difference - outer;
  const Vec z13 = v[5] + v[3], z10 = v[5] - v[3], z11 = v[1] + v[7], z12 = v[1] - v[7];
  const Vec b7 = z11 + z13, z5 = (z10 + z12) * 1.847759065f;
  const Vec b6 = z5 - z10 * 2.613125930f - b7;
  const Vec b5 = (z11 - z13) * 1.414213562f - b6;
  const Vec b4 = z5 - z12 * 1.082392200f - b5;
  v[0] = a0 + b7;
  v[7] = a0 - b7;
  v[1] = a1 + b6;
  v[6] = a1 - b6;
  v[2] = a2 + b5;
  v[5] = a2 - b5;
  v[3] = a3 + b4;
  v[4] = a3 - b4;
}

DCTSTREAM_INLINE void forward8(Vec v[8]) {
  const Vec s0 = v[0] + v[7], d7 = v[0] - v[7], s1 = v[1] + v[6], d6 = v[1] - v[6];
  const Vec s2 = v[2] + v[5], d5 = v[2] - v[5], s3 = v[3] + v[4], d4 = v[3] - v[4];
  const Vec e0 = s0 + s3, e3 = s0 - s3, e1 = s1 + s2, e2 = s1 - s2;
  const Vec z1 = (e2 + e3) * 0.707106781f;
  v[0] = e0 + e1;
  v[4] = e0 - e1;
  v[2] = e3 + z1;
  v[6] = e3 - z1;
  const Vec o0 = d4 + d5, o1 = d5 + d6, o2 = d6 + d7;
  const Vec z5 = (o0 - o2) * 0.382683433f, z3 = o1 * 0.707106781f;
  const Vec z2 = o0 * 0.541196100f + z5, z4 = o2 * 1.306562965f + z5;
  const Vec z11 = d7 + z3, z13 = d7 - z3;
  v[5] = z13 + z2;
  v[3] = z13 - z2;
  v[1] = z11 + z4;
  v[7] = z11 - z4;
}

#if defined(DCTSTREAM_QUADS)
// In quarters: where vectors have four lanes, compilers take shuffles of eight apart into single values.
DCTSTREAM_INLINE void transpose8(Vec v[8]) {
  typedef float Quad __attribute__((vector_size(16)));
  Quad q[8][2], t[8][2];
  __builtin_memcpy(q, v, sizeof(q));
  for (int row = 0; row < 8; row += 4) {
    for (int half = 0; half < 2; half++) {
      const Quad a = q[row][half], b = q[row + 1][half], c = q[row + 2][half], d = q[row + 3][half];
      const Quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Quad ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      t[4 * half][row / 4] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
      t[4 * half + 1][row / 4] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
      t[4 * half + 2][row / 4] = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
      t[4 * half + 3][row / 4] = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
    }
  }
  __builtin_memcpy(v, t, sizeof(t));
}
#else
// Inside every eight lanes, an 8 x 8 transpose of v[0..7].
DCTSTREAM_INLINE void transpose8(Vec v[8]) {
  Vec t[8], u[8];
#if DCTSTREAM_LANES == 16
#define DCTSTREAM_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define DCTSTREAM_HIGH(a, b) __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define DCTSTREAM_LOW_PAIR(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define DCTSTREAM_HIGH_PAIR(a, b) \
  __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define DCTSTREAM_LOW_QUAD(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define DCTSTREAM_HIGH_QUAD(a, b) \
  __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define DCTSTREAM_LOW_HALF(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define DCTSTREAM_HIGH_HALF(a, b) \
  __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#else
#define DCTSTREAM_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define DCTSTREAM_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define DCTSTREAM_LOW_PAIR(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define DCTSTREAM_HIGH_PAIR(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define DCTSTREAM_LOW_QUAD(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define DCTSTREAM_HIGH_QUAD(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#endif
  for (int i = 0; i < 8; i += 2) {
    t[i] = DCTSTREAM_LOW(v[i], v[i + 1]);
    t[i + 1] = DCTSTREAM_HIGH(v[i], v[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = DCTSTREAM_LOW_PAIR(t[i], t[i + 2]);
    u[i + 1] = DCTSTREAM_HIGH_PAIR(t[i], t[i + 2]);
    u[i + 2] = DCTSTREAM_LOW_PAIR(t[i + 1], t[i + 3]);
    u[i + 3] = DCTSTREAM_HIGH_PAIR(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    v[i] = DCTSTREAM_LOW_QUAD(u[i], u[i + 4]);
    v[i + 4] = DCTSTREAM_HIGH_QUAD(u[i], u[i + 4]);
  }
}

#endif

// kLanes x kLanes.
DCTSTREAM_INLINE void transpose(Vec v[kLanes]) {
  transpose8(v);
#if DCTSTREAM_LANES == 16
  transpose8(v + 8);
  for (int i = 0; i < 8; i++) {
    const Vec upper = v[i], lower = v[i + 8];
    v[i] = DCTSTREAM_LOW_HALF(upper, lower);
    v[i + 8] = DCTSTREAM_HIGH_HALF(upper, lower);
  }
#endif
}

// Blocks of one row -> eight rows of every strip: dequantised and inverse-transformed along the columns. `table` is
// [8][kLanes].
void inverse_rows(const int16_t* blocks, size_t groups, const float* table, float* strips, size_t strip_pitch) {
  for (size_t g = 0; g < groups; g++, blocks += kBlocksPerGroup * kBlockSize, strips += strip_pitch) {
    Vec v[8];
    for (int u = 0; u < 8; u++) {
      v[u] = to_floats(load_row(blocks + 8 * u)) * load(table + u * kLanes);
    }
    inverse8(v);
    for (int u = 0; u < 8; u++) store(strips + u * kLanes, v[u]);
  }
}

// An axis as the loops want it, in registers: stores to memory could change what lies behind a reference.
struct Taps {
  const int* first;
  const float* weights;
  size_t stride;
  int count, base;
  Taps(const AxisTaps& axis, int start)
      : first(axis.first.data()), weights(axis.weights.data()), stride(axis.stride), count(axis.taps), base(start) {}
};

// The weighted sum of output j over rows or columns of kLanes floats; of kTaps of them, or of any number when that is
// 0.
template <int kTaps>
DCTSTREAM_INLINE Vec weighted(const float* in, const Taps& taps, size_t j) {
  const float* source = in + size_t(taps.first[j] - taps.base) * kLanes;
  const float* weights = taps.weights + j;
  Vec sum = load(source) * weights[0];
  if constexpr (kTaps == 0) {
    for (int k = 1; k < taps.count; k++) sum += load(source + k * kLanes) * weights[size_t(k) * taps.stride];
  } else {
    for (int k = 1; k < kTaps; k++) sum += load(source + k * kLanes) * weights[size_t(k) * taps.stride];
  }
  return sum;
}

template <int kTaps>
void columns_with(const float* strips, size_t strip_pitch, size_t groups, const AxisTaps& axis, size_t row, int base,
                  float* columns) {
  const Taps taps(axis, base);
  for (size_t g = 0; g < groups; g++, strips += strip_pitch, columns += kLanes * kLanes) {
    Vec v[kLanes];
    for (int i = 0; i < kLanes; i++) v[i] = weighted<kTaps>(strips, taps, row + size_t(i));
    transpose(v);
    for (int b = 0; b < kBlocksPerGroup; b++) inverse8(v + 8 * b);
    for (int i = 0; i < kLanes; i++) store(columns + i * kLanes, v[i]);
  }
}

// kBlockRows block rows of frequencies from the columns of their rows.
template <int kTaps>
void blocks_with(const float* columns, const AxisTaps& axis, int base, BlockTarget* target) {
  const BlockTarget t = *target;
  const Taps taps(axis, base);
  Vec scale[8], bias[8], sum = {};
  for (int u = 0; u < 8; u++) {
    scale[u] = load(t.scale + u * kLanes);
    bias[u] = load(t.bias + u * kLanes);
  }
  const bool streams = is_line(t.out);
  float scratch[kBlockSize];
  for (size_t column = 0; column < t.blocks_wide; column++) {
    Vec v[8];
    for (int i = 0; i < 8; i++) v[i] = weighted<kTaps>(columns, taps, 8 * column + size_t(i));
    forward8(v);
    transpose8(v);
    forward8(v);
    sum += v[0];
    for (int u = 0; u < 8; u++) v[u] = v[u] * scale[u] + bias[u];
#if DCTSTREAM_LANES == 16
    // From rows of two blocks to pairs of rows of each.
    for (int u = 0; u < 8; u += 2) {
      const Vec upper = DCTSTREAM_LOW_HALF(v[u], v[u + 1]), lower = DCTSTREAM_HIGH_HALF(v[u], v[u + 1]);
      v[u] = upper;
      v[u + 1] = lower;
    }
#endif
    for (int b = 0; b < kBlocksPerGroup && b < t.block_rows; b++) {
      const size_t index = size_t(b) * t.blocks_wide + column;
      if (t.direct && streams) {
        float* const out = static_cast<float*>(t.out) + index * kBlockSize;
        for (int i = 0; i < 8 / kBlocksPerGroup; i++) DCTSTREAM_STREAM(out + i * kLanes, v[kBlocksPerGroup * i + b]);
      } else {
        float* const out = t.direct ? static_cast<float*>(t.out) + index * kBlockSize : scratch;
        for (int i = 0; i < 8 / kBlocksPerGroup; i++) store(out + i * kLanes, v[kBlocksPerGroup * i + b]);
        if (!t.direct) t.finish(t, scratch, index);
      }
    }
  }
  for (int b = 0; b < kBlocksPerGroup && b < t.block_rows; b++) target->dc_sum += double(sum[8 * b]);
}

// `count` columns of samples, from the j-th on.
template <int kTaps>
void samples_with(const PixelPlane& plane, size_t j, size_t count, float* out) {
  const Taps taps(*plane.axis, plane.base);
  const float* const columns = plane.columns;
  for (size_t i = 0; i < count; i++) store(out + i * kLanes, weighted<kTaps>(columns, taps, j + i));
}

#define DCTSTREAM_BY_TAPS(function, taps, ...) \
  switch (taps) {                              \
    case 1:                                    \
      return function<1>(__VA_ARGS__);         \
    case 2:                                    \
      return function<2>(__VA_ARGS__);         \
    case 3:                                    \
      return function<3>(__VA_ARGS__);         \
    case 4:                                    \
      return function<4>(__VA_ARGS__);         \
    case 5:                                    \
      return function<5>(__VA_ARGS__);         \
    case 6:                                    \
      return function<6>(__VA_ARGS__);         \
    case 7:                                    \
      return function<7>(__VA_ARGS__);         \
    case 8:                                    \
      return function<8>(__VA_ARGS__);         \
    default:                                   \
      return function<0>(__VA_ARGS__);         \
  }

// kLanes output rows, from `row` on -> their columns, in samples along both axes: [column][kLanes]. `base` is the row
// that the strips begin with.
void resample_columns(const float* strips, size_t strip_pitch, size_t groups, const AxisTaps& axis, size_t row,
                      int base, float* columns) {
  DCTSTREAM_BY_TAPS(columns_with, axis.taps, strips, strip_pitch, groups, axis, row, base, columns)
}

void store_blocks(const float* columns, const AxisTaps& axis, int base, BlockTarget* target) {
  DCTSTREAM_BY_TAPS(blocks_with, axis.taps, columns, axis, base, target)
}

void resample_samples(const PixelPlane& plane, size_t j, size_t count,
                      float* out){DCTSTREAM_BY_TAPS(samples_with, plane.axis->taps, plane, j, count, out)}

// Rounded and clipped. Compilers spread this over many instructions too.
DCTSTREAM_INLINE Bytes to_bytes(Vec values) {
#if defined(__AVX512F__) && DCTSTREAM_LANES == 16
  const __m512i rounded = _mm512_max_epi32(_mm512_cvtps_epi32(__m512(values)), _mm512_setzero_si512());
  return Bytes(_mm512_cvtusepi32_epi8(rounded));
#else
  const Vec low = Vec{}, high = low + 255.0f, rounded = values + 0.5f;
  const Vec above = rounded < low ? low : rounded, within = above > high ? high : above;
  return __builtin_convertvector(__builtin_convertvector(within, Ints), Bytes);
#endif
}

// `count` values of a vector. Whole vectors apart: copies of a length known only when they run are slow.
template <typename T, typename V>
DCTSTREAM_INLINE void put(T* out, const V* values, size_t count) {
  if (count >= size_t(kLanes)) {
    __builtin_memcpy(out, values, sizeof(V));
  } else {
    __builtin_memcpy(out, values, count * sizeof(T));
  }
}

// Rows of pixels from the columns of three planes, or of one; `rows` of the lanes are rows of the image. As many pixels
// at a time as a vector has lanes, so that everything in between stays in the nearest cache.
void store_pixels(const PixelPlane planes[3], size_t width, size_t rows, const ColorMatrix& color, SampleType type,
                  void* out) {
  const size_t values = 3 * width;
  const bool streams = values % kLine == 0 && is_line(out);
  float samples[3][kLanes * kLanes] = {}, mixed[3 * kLanes * kLanes];
  for (size_t x = 0; x < width; x += kLanes) {
    const size_t pixels = width - x < size_t(kLanes) ? width - x : size_t(kLanes);
    for (int c = 0; c < 3; c++)
      if (planes[c].columns != nullptr) resample_samples(planes[c], x, pixels, samples[c]);
    for (size_t i = 0; i < pixels; i++) {
      const Vec y = load(samples[0] + i * kLanes), cb = load(samples[1] + i * kLanes),
                cr = load(samples[2] + i * kLanes);
      for (int c = 0; c < 3; c++)
        store(mixed + (3 * i + size_t(c)) * kLanes,
              y * color.factor[3 * c] + cb * color.factor[3 * c + 1] + cr * color.factor[3 * c + 2] + color.offset[c]);
    }
    // A cache line of every row at a time.
    for (size_t at = 0; at < 3 * pixels; at += kLine) {
      Vec v[kLine];
      const size_t count = 3 * pixels - at < size_t(kLine) ? 3 * pixels - at : size_t(kLine);
      for (size_t i = 0; i < size_t(kLine); i++) v[i] = i < count ? load(mixed + (at + i) * kLanes) : Vec{};
      for (int tile = 0; tile < kLine; tile += kLanes) transpose(v + tile);
      for (size_t row = 0; row < size_t(kLanes) && row < rows; row++) {
        for (size_t tile = 0; tile < count; tile += kLanes) {
          const size_t place = row * values + 3 * x + at + tile;
          const Vec line = v[tile + row];
          if (type == SampleType::kUint8) {
            const Bytes bytes = to_bytes(line);
            put(static_cast<uint8_t*>(out) + place, &bytes, count - tile);
          } else if (streams) {
            DCTSTREAM_STREAM(static_cast<float*>(out) + place, line);
          } else {
            put(static_cast<float*>(out) + place, &line, count - tile);
          }
        }
      }
    }
  }
}

// Blocks as they are stored -> float coefficients: value * scale + bias, both [64].
void dequantise(const int16_t* blocks, size_t count, const float* scale, const float* bias, bool streams, float* out) {
  Vec factor[kBlockSize / kLanes], offset[kBlockSize / kLanes];
  for (int i = 0; i < kBlockSize / kLanes; i++) {
    factor[i] = load(scale + i * kLanes);
    offset[i] = load(bias + i * kLanes);
  }
  for (size_t b = 0; b < count; b++) {
    for (int i = 0; i < kBlockSize / kLanes; i++, blocks += kLanes, out += kLanes) {
      Shorts values;
      __builtin_memcpy(&values, blocks, sizeof(values));
      const Vec result = to_floats(values) * factor[i] + offset[i];
      if (streams) {
        DCTSTREAM_STREAM(out, result);
      } else {
        store(out, result);
      }
    }
  }
}

const ViewKernels kKernels = {kLanes,           inverse_rows, resample_columns, store_blocks,
                              resample_samples, store_pixels, dequantise};

#undef DCTSTREAM_INLINE
#undef DCTSTREAM_QUADS
#undef DCTSTREAM_LOW
#undef DCTSTREAM_HIGH
#undef DCTSTREAM_LOW_PAIR
#undef DCTSTREAM_HIGH_PAIR
#undef DCTSTREAM_LOW_QUAD
#undef DCTSTREAM_HIGH_QUAD
#undef DCTSTREAM_LOW_HALF
#undef DCTSTREAM_HIGH_HALF
#undef DCTSTREAM_BY_TAPS
#undef DCTSTREAM_STREAM
#undef DCTSTREAM_LANES
