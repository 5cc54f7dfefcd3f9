#include "momentum.h"

#include "clones.h"
#include "threads.h"

namespace dctstream {
namespace {

constexpr int64_t kLeastValues = 32768;

DCTSTREAM_CLONES
void update(const float* __restrict gradient, float* __restrict weight, float* __restrict velocity, int64_t count,
            float rate, float momentum, float decay) {
  for (int64_t i = 0; i < count; i++) {
    const float next = momentum * velocity[i] + (gradient[i] + decay * weight[i]);
    velocity[i] = next;
    weight[i] -= rate * next;
  }
}

}  // namespace

void momentum_update(const MomentumUpdate& op) {
  parallel_ranges(op.count, kLeastValues, [&](int64_t begin, int64_t end, int) {
    update(op.gradient + begin, op.weight + begin, op.velocity + begin, end - begin, op.rate, op.momentum, op.decay);
  });
}

}  // namespace dctstream
