// Quantised blocks -> 8-bit samples, in whole numbers: the accurate integer inverse DCT of libjpeg ("islow"), to the
// bit, so that pixels are those that decoders give.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/simd.h"

namespace dctstream {

// `count` blocks side by side, in natural order, dequantised by `quant` [64] -> eight rows of 8 * count samples, the
// level shift undone, `pitch` bytes apart. An odd number may take one block more from behind the last, of any value,
// and write its samples: rows have room for an even number. Coefficients of any value give samples of some value.
using InverseDct = void (*)(const int16_t* blocks, size_t count, const uint16_t* quant, uint8_t* rows, size_t pitch);

// kScalar is the truth that the tests hold the others against, bit for bit.
InverseDct inverse_dct_for(Simd level);

}  // namespace dctstream
