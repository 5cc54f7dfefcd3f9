// Quantised coefficients -> the entropy-coded bytes of a single-scan sequential Huffman JPEG, bit for bit as the
// original encoder wrote them: Huffman coding leaves no choice once tables, coefficients and restart interval are
// fixed.
#pragma once
#include <vector>

#include "base/blocks.h"
#include "base/simd.h"
#include "base/status.h"

namespace dctstream {

// Blocks of all components, quantised, natural order, by rows from the first to the last.
class BlockRows {
 public:
  virtual ~BlockRows() = default;
  virtual const std::vector<Grid>& grids() const = 0;
  // `count` whole rows of a component, from `first` on, one behind the other; valid until its next call.
  virtual Status read(size_t component, uint32_t first, uint32_t count, const int16_t** blocks) = 0;
};

// Appends to `out` the whole file: header (start of image to the end of the start-of-scan segment), the scan coded
// anew with the header's own Huffman tables, trailer. Planes are in the order of the header's frame segment, each on
// its stored grid. Fails with kCannotRebuild when the header is not a single sequential Huffman scan over these planes,
// or when the tables lack a code that the coefficients need.
Status rebuild_jpeg(const uint8_t* header, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                    const std::vector<PlaneView>& planes, Simd simd, std::vector<uint8_t>* out);

// The same by rows. What `rows` fails with comes back.
Status rebuild_jpeg(const uint8_t* header, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                    BlockRows* rows, Simd simd, std::vector<uint8_t>* out);

}  // namespace dctstream
