// Fuzz target: any bytes as a packed record of a small image. Refused, or the same coefficients at every SIMD level and
// in the expanded form.
#include "fuzz.h"

using namespace dctstream;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const Codec codec = input.byte() & 1 ? Codec::kZstd : Codec::kNone;
  std::vector<Grid> grids(1 + input.byte() % 3);
  for (Grid& grid : grids) grid = {1u + input.byte() % 40, 1u + input.byte() % 40};
  const std::vector<uint8_t> packed = input.rest();
  const std::vector<int16_t> coefficients = unpack_at_all_levels(packed, grids, codec);
  Unpacker unpacker(Simd::kScalar);
  std::vector<uint8_t> plain;
  const bool expands =
      unpacker.open(packed.data(), packed.size(), grids, codec).ok() && unpacker.store_plain(&plain).ok();
  require(expands == !coefficients.empty(), "a record expands and does not unpack, or the other way round");
  if (expands) require(unpack_at_all_levels(plain, grids, Codec::kNone) == coefficients, "expanded, it is another");
  return 0;
}
