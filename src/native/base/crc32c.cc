#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace dctstream {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = make_table();

uint32_t crc_by_table(uint32_t crc, const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) crc = (crc >> 8) ^ kTable[(crc ^ bytes[i]) & 0xff];
  return crc;
}

#if defined(__x86_64__)
// The instruction takes three cycles and can be started every cycle: three runs of bytes at once keep it busy.
constexpr size_t kRunBytes = 4096;

__attribute__((target("sse4.2"))) uint32_t crc_of_run(uint32_t crc, const uint8_t* bytes, size_t size) {
  uint64_t wide = crc;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = uint32_t(wide);
  for (; i < size; i++) crc = _mm_crc32_u8(crc, bytes[i]);
  return crc;
}

// What a checksum becomes when kRunBytes zeros follow: linear, so the sum of what its four bytes become.
struct AfterRun {
  uint32_t of_byte[4][256];
  AfterRun() {
    const std::array<uint8_t, kRunBytes> zeros{};
    for (int k = 0; k < 4; k++) {
      for (uint32_t v = 0; v < 256; v++) of_byte[k][v] = crc_of_run(v << (8 * k), zeros.data(), kRunBytes);
    }
  }
  uint32_t operator()(uint32_t crc) const {
    return of_byte[0][crc & 0xff] ^ of_byte[1][crc >> 8 & 0xff] ^ of_byte[2][crc >> 16 & 0xff] ^ of_byte[3][crc >> 24];
  }
};

__attribute__((target("sse4.2"))) uint32_t crc_by_instruction(uint32_t crc, const uint8_t* bytes, size_t size) {
  static const AfterRun after_run;
  while (size >= 3 * kRunBytes) {
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < kRunBytes; i += 8) {
      uint64_t words[3];
      for (int run = 0; run < 3; run++) std::memcpy(&words[run], bytes + run * kRunBytes + i, 8);
      a = _mm_crc32_u64(a, words[0]);
      b = _mm_crc32_u64(b, words[1]);
      c = _mm_crc32_u64(c, words[2]);
    }
    crc = after_run(after_run(uint32_t(a)) ^ uint32_t(b)) ^ uint32_t(c);
    bytes += 3 * kRunBytes;
    size -= 3 * kRunBytes;
  }
  return crc_of_run(crc, bytes, size);
}
#endif

}  // namespace

uint32_t crc32c(const uint8_t* bytes, size_t size, uint32_t before) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_by_instruction(~before, bytes, size);
#endif
  return ~crc_by_table(~before, bytes, size);
}

}  // namespace dctstream
