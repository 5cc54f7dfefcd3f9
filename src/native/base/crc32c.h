// CRC-32C (Castagnoli), the checksum of packed bytes and record batches. RFC 3720, appendix B.4.
#pragma once
#include <cstddef>
#include <cstdint>

namespace dctstream {
// `before` is the checksum of what precedes these bytes.
uint32_t crc32c(const uint8_t* bytes, size_t size, uint32_t before = 0);
}  // namespace dctstream
