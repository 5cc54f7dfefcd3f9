// CRC-32C (Castagnoli), the checksum of a record's packed bytes. RFC 3720, appendix B.4.
#pragma once
#include <cstddef>
#include <cstdint>

namespace dctstream {
uint32_t crc32c(const uint8_t* bytes, size_t size);
}
