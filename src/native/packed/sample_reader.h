// Packed samples out of files, read by the thread that renders them: what is in the page cache is copied straight into
// the nearest cache, and what is not is asked for ahead, all samples of a task at once.
#pragma once
#include <cstdint>
#include <vector>

#include "base/status.h"

namespace dctstream {

// Where a sample lies: in memory already, or in an open file.
struct SamplePlace {
  const uint8_t* memory = nullptr;
  int file = -1;
  uint64_t offset = 0;
  uint32_t bytes = 0;
  bool checked = true;  // whether its CRC-32C is still to be checked
  uint32_t crc32c = 0;
};

class SampleReader {
 public:
  // The i-th place's bytes, valid until the next call. CORRUPT_RECORD when the file ends early, CHECKSUM_MISMATCH,
  // IO_ERROR.
  Status read(const std::vector<SamplePlace>& places, size_t i, const uint8_t** bytes);

 private:
  Status read_file(const std::vector<SamplePlace>& places, size_t i);

  std::vector<uint8_t> buffer_;
  size_t asked_ = 0;  // places before this one were asked for ahead
};

}  // namespace dctstream
