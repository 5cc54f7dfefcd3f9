// The compact form of a sample's entries: differences from predictions, in Rice codes. The predictions are from the
// entry before and from the row above.
//
// Bits from the top of each byte down. Per field, the length in bits since the entry before and then each component's
// predictor, a parameter of 5 bits; then per entry and field z = zigzag(value - prediction): q = z >> parameter ones, a
// zero and the low bits; or, from 24 on, 24 ones and all 32 bits.
#pragma once
#include <vector>

#include "seek/sample.h"

namespace dctstream {

// Appends the entries of `sample` to `out`.
void encode_entries(const SeekSample& sample, std::vector<uint8_t>* out);

// Fills sample->entries, of sample->grid. CORRUPT_RECORD unless they are in order and inside the scan, and no bytes are
// left over. Takes memory in proportion to `size` alone.
Status decode_entries(const uint8_t* bytes, size_t size, SeekSample* sample);

}  // namespace dctstream
