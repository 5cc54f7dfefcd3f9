// The loops of view.cc. Included once per instruction set inside a namespace of its own, under a target pragma; plain
// vector extensions, so that the scalar build is the same source. No include guard on purpose.

typedef float Vec __attribute__((vector_size(32)));
typedef int16_t Shorts __attribute__((vector_size(16)));

inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

inline void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof(v)); }

// 0.5 * cos(k * pi / 16)
constexpr float kC1 = 0.490392640201615f, kC2 = 0.461939766255643f, kC3 = 0.415734806151273f, kC4 = 0.353553390593274f,
                kC5 = 0.277785116509801f, kC6 = 0.191341716182545f, kC7 = 0.097545161008064f;

// Orthonormal 8-point inverse DCT, T8 transposed (dct-II synthesis), across eight vectors.
inline void inverse8(Vec v[8]) {
  const Vec e0 = (v[0] + v[4]) * kC4, e1 = (v[0] - v[4]) * kC4;
  const Vec f0 = v[2] * kC2 + v[6] * kC6, f1 = v[2] * kC6 - v[6] * kC2;
  const Vec even[4] = {e0 + f0, e1 + f1, e1 - f1, e0 - f0};
  const Vec odd[4] = {
      v[1] * kC1 + v[3] * kC3 + v[5] * kC5 + v[7] * kC7, v[1] * kC3 - v[3] * kC7 - v[5] * kC1 - v[7] * kC5,
      v[1] * kC5 - v[3] * kC1 + v[5] * kC7 + v[7] * kC3, v[1] * kC7 - v[3] * kC5 + v[5] * kC3 - v[7] * kC1};
  for (int i = 0; i < 4; i++) {
    v[i] = even[i] + odd[i];
    v[7 - i] = even[i] - odd[i];
  }
}

// Orthonormal 8-point DCT-II, T8, across eight vectors.
inline void forward8(Vec v[8]) {
  Vec sum[4], diff[4];
  for (int i = 0; i < 4; i++) {
    sum[i] = v[i] + v[7 - i];
    diff[i] = v[i] - v[7 - i];
  }
  const Vec s03 = sum[0] + sum[3], s12 = sum[1] + sum[2], d03 = sum[0] - sum[3], d12 = sum[1] - sum[2];
  v[0] = (s03 + s12) * kC4;
  v[4] = (s03 - s12) * kC4;
  v[2] = d03 * kC2 + d12 * kC6;
  v[6] = d03 * kC6 - d12 * kC2;
  v[1] = diff[0] * kC1 + diff[1] * kC3 + diff[2] * kC5 + diff[3] * kC7;
  v[3] = diff[0] * kC3 - diff[1] * kC7 - diff[2] * kC1 - diff[3] * kC5;
  v[5] = diff[0] * kC5 - diff[1] * kC1 + diff[2] * kC7 + diff[3] * kC3;
  v[7] = diff[0] * kC7 - diff[1] * kC5 + diff[2] * kC3 - diff[3] * kC1;
}

// A row of blocks, dequantised and inverse-transformed along the columns: out[n][8 * block + u].
void inverse_columns(const int16_t* blocks, const float* quant, size_t block_count, float* out, size_t pitch) {
  for (size_t b = 0; b < block_count; b++, blocks += kBlockSize) {
    Vec v[8];
    for (int r = 0; r < 8; r++) {
      Shorts row;
      __builtin_memcpy(&row, blocks + 8 * r, sizeof(row));
      v[r] = __builtin_convertvector(row, Vec) * load(quant + 8 * r);
    }
    inverse8(v);
    for (int r = 0; r < 8; r++) store(out + r * pitch + 8 * b, v[r]);
  }
}

// Eight rows at a time, in place: the transform along the rows' index.
void transform_rows(float* rows, size_t row_groups, size_t pitch, bool forward) {
  for (size_t group = 0; group < row_groups; group++, rows += 8 * pitch) {
    for (size_t x = 0; x < pitch; x += 8) {
      Vec v[8];
      for (int r = 0; r < 8; r++) v[r] = load(rows + r * pitch + x);
      if (forward) {
        forward8(v);
      } else {
        inverse8(v);
      }
      for (int r = 0; r < 8; r++) store(rows + r * pitch + x, v[r]);
    }
  }
}

// out[j] = sum over k of weights[j][k] * in[first[j] - in_start + k], row by row.
void resample_rows(const float* in, size_t pitch, const AxisTaps& taps, int in_start, float* out) {
  for (size_t j = 0; j < taps.first.size(); j++, out += pitch) {
    const float* source = in + size_t(taps.first[j] - in_start) * pitch;
    const float* weights = taps.weights.data() + j * taps.taps;
    for (size_t x = 0; x < pitch; x += 8) {
      Vec sum = load(source + x) * weights[0];
      for (int k = 1; k < taps.count[j]; k++) sum += load(source + k * pitch + x) * weights[k];
      store(out + x, sum);
    }
  }
}

// out[x][y] = in[y][x]; both sides in whole 8 x 8 tiles.
void transpose(const float* in, size_t rows, size_t columns, size_t in_pitch, float* out, size_t out_pitch) {
  for (size_t y = 0; y < rows; y += 8) {
    for (size_t x = 0; x < columns; x += 8) {
      float tile[8][8];
      for (int r = 0; r < 8; r++) {
        const float* source = in + (y + r) * in_pitch + x;
        for (int c = 0; c < 8; c++) tile[c][r] = source[c];
      }
      for (int c = 0; c < 8; c++) __builtin_memcpy(out + (x + c) * out_pitch + y, tile[c], sizeof(tile[c]));
    }
  }
}

const ViewKernels kKernels = {inverse_columns, transform_rows, resample_rows, transpose};
