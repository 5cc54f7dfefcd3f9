#include "batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "clones.h"
#include "threads.h"

namespace dctstream {
namespace {

// Rows summed in float before their sum joins the total in double.
constexpr int64_t kBlockRows = 64;
// Below so many values a loop is not worth waking threads for.
constexpr int64_t kLeastValues = 16384;

int64_t least_rows(int64_t channels) { return std::max<int64_t>(1, kLeastValues / channels); }

// sum += x - shift, squares += (x - shift)^2: shifted by a value near the mean, the difference that gives the variance
// keeps its digits.
DCTSTREAM_CLONES
void add_moments(const float* __restrict x, int64_t rows, int64_t channels, const float* __restrict shift,
                 float* __restrict sum, float* __restrict squares) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *a = x + row * channels, *b = a + channels, *c = b + channels, *d = c + channels;
    for (int64_t i = 0; i < channels; i++) {
      const float p = a[i] - shift[i], q = b[i] - shift[i], r = c[i] - shift[i], s = d[i] - shift[i];
      sum[i] += (p + q) + (r + s);
      squares[i] += (p * p + q * q) + (r * r + s * s);
    }
  }
  for (; row < rows; row++) {
    const float* a = x + row * channels;
    for (int64_t i = 0; i < channels; i++) {
      const float p = a[i] - shift[i];
      sum[i] += p;
      squares[i] += p * p;
    }
  }
}

DCTSTREAM_CLONES
void normalize(const float* __restrict x, const float* __restrict residual, int64_t rows, int64_t channels,
               const float* __restrict scale, const float* __restrict offset, float floor, float* __restrict y) {
  for (int64_t row = 0; row < rows; row++, x += channels, y += channels) {
    if (residual == nullptr) {
      for (int64_t i = 0; i < channels; i++) {
        const float value = x[i] * scale[i] + offset[i];
        y[i] = value > floor ? value : floor;
      }
    } else {
      for (int64_t i = 0; i < channels; i++) {
        const float value = x[i] * scale[i] + offset[i] + residual[i];
        y[i] = value > floor ? value : floor;
      }
      residual += channels;
    }
  }
}

// Where the ReLU's mask comes from: there is none, the forward's result, or the normalised x computed again.
enum class Mask { kNone, kResult, kRecomputed };

template <Mask kMask>
inline __attribute__((always_inline)) float masked(float dy, float x, float y, float scale, float offset) {
  if constexpr (kMask == Mask::kResult) return y > 0 ? dy : 0;
  if constexpr (kMask == Mask::kRecomputed) return x * scale + offset > 0 ? dy : 0;
  return dy;
}

// What the loops of the backward pass read; the last two are per channel.
struct GradientRows {
  const float *dy, *x, *y;
  int64_t rows, channels;
  const float *scale, *offset;
};

// sum += g, products += g (x - mean), where g is dy, or 0 where the ReLU was closed. Two rows at a time: the sums stay
// in registers longer.
template <Mask kMask>
inline __attribute__((always_inline)) void sum_rows(const GradientRows& in, const float* __restrict mean,
                                                    float* __restrict sum, float* __restrict products) {
  const float* __restrict dy = in.dy;
  const float* __restrict x = in.x;
  const float* __restrict y = in.y;
  const float* __restrict scale = in.scale;
  const float* __restrict offset = in.offset;
  const int64_t channels = in.channels;
  int64_t row = 0;
  for (; row + 2 <= in.rows; row += 2) {
    const int64_t first = row * channels, second = first + channels;
    for (int64_t i = 0; i < channels; i++) {
      const float p = x[first + i], q = x[second + i];
      const float g = masked<kMask>(dy[first + i], p, y[first + i], scale[i], offset[i]);
      const float h = masked<kMask>(dy[second + i], q, y[second + i], scale[i], offset[i]);
      sum[i] += g + h;
      products[i] += g * (p - mean[i]) + h * (q - mean[i]);
    }
  }
  for (; row < in.rows; row++) {
    const int64_t at = row * channels;
    for (int64_t i = 0; i < channels; i++) {
      const float g = masked<kMask>(dy[at + i], x[at + i], y[at + i], scale[i], offset[i]);
      sum[i] += g;
      products[i] += g * (x[at + i] - mean[i]);
    }
  }
}

// dx = scale (g - mean of g - (x - mean) inverse_std^2 mean of g (x - mean)), written as scale g + slope x + constant;
// dresidual = g.
template <Mask kMask, bool kResidual>
inline __attribute__((always_inline)) void write_rows(const GradientRows& in, const float* __restrict slope,
                                                      const float* __restrict constant, float* __restrict dx,
                                                      float* __restrict dresidual) {
  const float* __restrict dy = in.dy;
  const float* __restrict x = in.x;
  const float* __restrict y = in.y;
  const float* __restrict scale = in.scale;
  const float* __restrict offset = in.offset;
  for (int64_t row = 0; row < in.rows; row++) {
    const int64_t at = row * in.channels;
    for (int64_t i = 0; i < in.channels; i++) {
      const float g = masked<kMask>(dy[at + i], x[at + i], y[at + i], scale[i], offset[i]);
      dx[at + i] = scale[i] * g + (slope[i] * x[at + i] + constant[i]);
      if (kResidual) dresidual[at + i] = g;
    }
  }
}

DCTSTREAM_CLONES
void add_gradient_sums(const GradientRows& in, Mask mask, const float* mean, float* sum, float* products) {
  switch (mask) {
    case Mask::kNone:
      return sum_rows<Mask::kNone>(in, mean, sum, products);
    case Mask::kResult:
      return sum_rows<Mask::kResult>(in, mean, sum, products);
    case Mask::kRecomputed:
      return sum_rows<Mask::kRecomputed>(in, mean, sum, products);
  }
}

DCTSTREAM_CLONES
void input_gradient(const GradientRows& in, Mask mask, const float* slope, const float* constant, float* dx,
                    float* dresidual) {
  if (mask == Mask::kRecomputed) return write_rows<Mask::kRecomputed, false>(in, slope, constant, dx, nullptr);
  if (mask == Mask::kResult) return write_rows<Mask::kResult, true>(in, slope, constant, dx, dresidual);
  if (dresidual != nullptr) return write_rows<Mask::kNone, true>(in, slope, constant, dx, dresidual);
  write_rows<Mask::kNone, false>(in, slope, constant, dx, nullptr);
}

// Two sums per channel over all rows, in double; `add` adds the rows [first, last) to two float sums.
template <typename Add>
std::vector<double> two_sums(int64_t rows, int64_t channels, const Add& add) {
  std::vector<double> partial(static_cast<size_t>(thread_count()) * 2 * channels);
  parallel_ranges(rows, least_rows(channels), [&](int64_t begin, int64_t end, int part) {
    double* const total = &partial[static_cast<size_t>(part) * 2 * channels];
    std::vector<float> block(2 * channels);
    for (int64_t first = begin; first < end; first += kBlockRows) {
      std::fill(block.begin(), block.end(), 0.0f);
      add(first, std::min(end, first + kBlockRows), block.data(), block.data() + channels);
      for (int64_t i = 0; i < 2 * channels; i++) total[i] += block[i];
    }
  });
  for (int64_t i = 2 * channels; i < static_cast<int64_t>(partial.size()); i++)
    partial[i % (2 * channels)] += partial[i];
  partial.resize(2 * channels);
  return partial;
}

}  // namespace

void batch_norm_forward(const BatchNormForward& op) {
  const int64_t channels = op.channels;
  const float* const shift = op.x;  // the first row
  const std::vector<double> sums =
      two_sums(op.rows, channels, [&](int64_t first, int64_t last, float* sum, float* squares) {
        add_moments(op.x + first * channels, last - first, channels, shift, sum, squares);
      });
  const double n = static_cast<double>(op.rows);
  std::vector<float> scale(channels), offset(channels);
  for (int64_t i = 0; i < channels; i++) {
    const double shifted = sums[i] / n;
    const double variance = std::max(0.0, sums[channels + i] / n - shifted * shifted);
    const double mean = shift[i] + shifted;
    const double inverse = 1 / std::sqrt(variance + op.epsilon);
    const double unbiased = variance * n / std::max(1.0, n - 1);
    op.mean[i] = static_cast<float>(mean);
    op.inverse_std[i] = static_cast<float>(inverse);
    op.moving_mean[i] = static_cast<float>(op.keep * op.moving_mean[i] + (1 - op.keep) * mean);
    op.moving_variance[i] = static_cast<float>(op.keep * op.moving_variance[i] + (1 - op.keep) * unbiased);
    scale[i] = static_cast<float>(op.gamma[i] * inverse);
    offset[i] = static_cast<float>(op.beta[i] - op.gamma[i] * inverse * mean);
  }
  const float floor = op.relu ? 0.0f : -INFINITY;
  parallel_ranges(op.rows, least_rows(channels), [&](int64_t begin, int64_t end, int) {
    const int64_t at = begin * channels;
    normalize(op.x + at, op.residual == nullptr ? nullptr : op.residual + at, end - begin, channels, scale.data(),
              offset.data(), floor, op.y + at);
  });
}

void batch_norm_backward(const BatchNormBackward& op) {
  const int64_t channels = op.channels;
  // Without a residual the ReLU's mask follows from x: one stream less to read.
  const Mask mask = !op.relu ? Mask::kNone : op.dresidual == nullptr ? Mask::kRecomputed : Mask::kResult;
  std::vector<float> scale(channels), offset(channels), slope(channels), constant(channels);
  for (int64_t i = 0; i < channels; i++) {
    // The forward's expressions, so that both sides agree which values were cut.
    const double gain = static_cast<double>(op.gamma[i]) * op.inverse_std[i];
    scale[i] = static_cast<float>(gain);
    offset[i] = static_cast<float>(op.beta[i] - gain * op.mean[i]);
  }
  const auto rows_of = [&](int64_t first, int64_t last) {
    const int64_t at = first * channels;
    return GradientRows{op.dy + at, op.x + at, op.y + at, last - first, op.channels, scale.data(), offset.data()};
  };
  const std::vector<double> sums =
      two_sums(op.rows, channels, [&](int64_t first, int64_t last, float* sum, float* products) {
        add_gradient_sums(rows_of(first, last), mask, op.mean, sum, products);
      });
  const double n = static_cast<double>(op.rows);
  for (int64_t i = 0; i < channels; i++) {
    const double inverse = op.inverse_std[i];
    op.dbeta[i] = static_cast<float>(sums[i]);
    op.dgamma[i] = static_cast<float>(sums[channels + i] * inverse);
    const double along = -scale[i] * inverse * inverse * sums[channels + i] / n;
    slope[i] = static_cast<float>(along);
    constant[i] = static_cast<float>(-scale[i] * sums[i] / n - along * op.mean[i]);
  }
  parallel_ranges(op.rows, least_rows(channels), [&](int64_t begin, int64_t end, int) {
    const int64_t at = begin * channels;
    input_gradient(rows_of(begin, end), mask, slope.data(), constant.data(), op.dx + at,
                   op.dresidual == nullptr ? nullptr : op.dresidual + at);
  });
}

}  // namespace dctstream
