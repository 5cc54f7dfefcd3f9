#include "seek/entropy.h"

namespace dctstream {

SingleSymbol read_symbol(BitReader bits, int k, const CodeLengths& codes) {
  bits.refill();
  const Symbol symbol = codes.find(uint32_t(bits.buffer >> 48), 0);
  if (symbol.length == 0) return {};
  bits.skip(symbol.length);
  const int run = symbol.value >> 4, size = symbol.value & 15;
  int value = 0;
  if (size == 0 && run == 0) {
    k += kEndOfBlock;
  } else {
    k += run;
    if (k >= kBlockSize) return {};
    value = size == 0 ? 0 : extend(bits.take(size), size);
    k++;
  }
  bits.refill();
  return {bits, k, value};
}

}  // namespace dctstream
