#include "seek/entropy.h"

namespace dctstream {

SingleSymbol read_symbol(BitReader bits, int k, const CodeLengths& codes, int16_t* block) {
  bits.refill();
  const Symbol symbol = codes.find(uint32_t(bits.buffer >> 48), 0);
  if (symbol.length == 0) return {};
  bits.skip(symbol.length);
  const int run = symbol.value >> 4, size = symbol.value & 15;
  if (size == 0 && run == 0) {
    k += kEndOfBlock;
  } else {
    k += run;
    if (k >= kBlockSize) return {};
    const int value = size == 0 ? 0 : extend(bits.take(size), size);
    if (block != nullptr) block[kZigzag[k]] = int16_t(value);
    k++;
  }
  bits.refill();
  return {bits, k};
}

}  // namespace dctstream
