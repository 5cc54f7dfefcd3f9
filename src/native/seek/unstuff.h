// Entropy-coded bytes of a file, of which the zeros behind each 0xff and the restart markers are no part.
#pragma once
#include <cstdint>
#include <cstring>

namespace dctstream {

// Bytes that may be written behind what copy_plain copies.
constexpr size_t kCopySlack = 16;

// Copies bytes from `*p` on to `*out`, up to the first 0xff or `end`, and moves both.
inline void copy_plain(const uint8_t** p, const uint8_t* end, uint8_t** out) {
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const uint8_t* from = *p;
  uint8_t* to = *out;
  // An 0xff is a zero of the complement; the lowest bit found is exact.
  for (; end - from >= 8; from += 8, to += 8) {
    uint64_t word;
    std::memcpy(&word, from, 8);
    std::memcpy(to, &word, 8);
    const uint64_t found = (~word - kOnes) & word & kTops;
    if (found == 0) continue;
    const int plain = __builtin_ctzll(found) / 8;
    *p = from + plain;
    *out = to + plain;
    return;
  }
  while (from < end && *from != 0xff) *to++ = *from++;
  *p = from;
  *out = to;
}

}  // namespace dctstream
