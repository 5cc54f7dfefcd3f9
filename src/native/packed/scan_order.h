// A block in the order its entropy coder visits it, with the positions that hold something.
#pragma once
#include <cstdint>

#include "base/simd.h"

namespace dctstream {

// Writes the 64 coefficients of a natural-order block in scan order and returns their significance: bit k is set where
// scan[k] is not zero.
using ToScanOrder = uint64_t (*)(const int16_t* natural, int16_t* scan);

ToScanOrder to_scan_order_for(Simd level);

}  // namespace dctstream
