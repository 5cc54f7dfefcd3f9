// How long a view's rows take to be unpacked, where somebody asks.
#pragma once
#include <chrono>

#include "base/status.h"

namespace dctstream {

// Does `work`, and adds the nanoseconds that it takes to `*nanoseconds`; null: it is not timed.
template <typename Work>
Status timed(double* nanoseconds, Work work) {
  if (nanoseconds == nullptr) return work();
  const auto began = std::chrono::steady_clock::now();
  const Status status = work();
  *nanoseconds += std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count();
  return status;
}

}  // namespace dctstream
