// Batch normalisation in training together with what follows it in a residual network: the addition of the shortcut and
// the ReLU. Two passes over memory each way, where separate kernels take five and seven. Ioffe and Szegedy, "Batch
// Normalization", 2015, algorithm 1 and section 3.
#pragma once
#include <cstdint>

namespace dctstream {

// Values are [rows, channels], channels innermost: NHWC with batch, height and width as rows.
struct BatchNormForward {
  int64_t rows;
  int64_t channels;
  float epsilon;
  float keep;  // share of the old moving statistics that stays
  bool relu;
  const float* x;
  const float* gamma;
  const float* beta;
  const float* residual;   // [rows, channels], or null
  float* moving_mean;      // blended in place
  float* moving_variance;  // with the unbiased variance of the batch
  float* y;
  float* mean;
  float* inverse_std;  // 1 / sqrt(biased variance + epsilon)
};

void batch_norm_forward(const BatchNormForward& op);

struct BatchNormBackward {
  int64_t rows;
  int64_t channels;
  bool relu;
  const float* dy;
  const float* x;
  const float* y;  // the forward's result; read only to mask where relu and dresidual are set
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* inverse_std;
  float* dx;
  float* dgamma;
  float* dbeta;
  float* dresidual;  // [rows, channels], or null
};

void batch_norm_backward(const BatchNormBackward& op);

}  // namespace dctstream
