// Stochastic gradient descent with momentum and weight decay, in place and in one pass:
//   velocity = momentum velocity + gradient + decay weight;  weight -= rate velocity
#pragma once
#include <cstdint>

namespace dctstream {

struct MomentumUpdate {
  int64_t count;
  float rate;
  float momentum;
  float decay;
  const float* gradient;
  float* weight;
  float* velocity;
};

void momentum_update(const MomentumUpdate& op);

}  // namespace dctstream
