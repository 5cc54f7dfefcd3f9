// The bits of an entropy-coded segment that has no stuffing left in it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dctstream {

// The next bits, first one on top. After `refill` at least 56 of them are real. Reads eight bytes at a time without
// looking for an end: whoever uses it leaves slack behind the bytes.
struct BitReader {
  uint64_t buffer = 0;
  int count = 0;
  const uint8_t* next = nullptr;

  void start(const uint8_t* at) { *this = {0, 0, at}; }
  void refill() {
    uint64_t word;
    std::memcpy(&word, next, 8);
    buffer |= __builtin_bswap64(word) >> count;
    next += (63 - count) >> 3;
    count |= 56;
  }
  void skip(int bits) {
    buffer <<= bits;
    count -= bits;
  }
  uint32_t take(int bits) {
    const uint32_t taken = uint32_t(buffer >> (64 - bits));
    skip(bits);
    return taken;
  }
  // Gives the last bits back.
  void rewind(int bits) {
    const int unread = count + bits, bytes = (unread + 7) / 8;
    start(next - bytes);
    refill();
    skip(bytes * 8 - unread);
  }
  // Bits used since `from`.
  size_t position(const uint8_t* from) const { return size_t(next - from) * 8 - size_t(count); }
};

}  // namespace dctstream
