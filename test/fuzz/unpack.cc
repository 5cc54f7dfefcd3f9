// Fuzz target: any bytes as a packed record of a small image. Refused, or the same coefficients at every SIMD level.
#include "fuzz.h"

using namespace dctstream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const Codec codec = input.byte() & 1 ? Codec::kZstd : Codec::kNone;
  std::vector<Grid> grids(1 + input.byte() % 3);
  for (Grid& grid : grids) grid = {1u + input.byte() % 40, 1u + input.byte() % 40};
  (void)unpack_at_all_levels(input.rest(), grids, codec);
  return 0;
}
