#include "packed/sample_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/crc32c.h"

namespace dctstream {
namespace {

// How far ahead of a sample that is not in memory others are asked for.
constexpr size_t kAhead = 16;

// Memory that is taken on the word of an index alone.
constexpr uint32_t kTrustedBytes = 16 << 20;
constexpr const char* kEndsEarly = "the file ends before the sample does";

bool reaches(int file, uint64_t end) {
  struct stat found = {};
  return fstat(file, &found) == 0 && uint64_t(found.st_size) >= end;
}

void ask_for(const std::vector<SamplePlace>& places, size_t from) {
#if defined(POSIX_FADV_WILLNEED)
  for (size_t i = from; i < places.size() && i < from + kAhead; i++)
    if (places[i].file >= 0)
      (void)posix_fadvise(places[i].file, off_t(places[i].offset), places[i].bytes, POSIX_FADV_WILLNEED);
#else
  (void)places;
  (void)from;
#endif
}

}  // namespace

Status SampleReader::read_file(const std::vector<SamplePlace>& places, size_t i) {
  const SamplePlace& place = places[i];
  if (buffer_.size() < place.bytes) {
    if (place.bytes > kTrustedBytes && !reaches(place.file, place.offset + place.bytes))
      return Status::failure(Code::kCorruptRecord, kEndsEarly);
    buffer_.resize(size_t(place.bytes) + place.bytes / 2);
  }
  size_t done = 0;
#if defined(RWF_NOWAIT)
  if (i == 0) asked_ = 0;
  if (i >= asked_) {
    iovec target = {buffer_.data(), place.bytes};
    const ssize_t found = preadv2(place.file, &target, 1, off_t(place.offset), RWF_NOWAIT);
    if (found > 0) done = size_t(found);
    if (done < place.bytes) {
      ask_for(places, i);
      asked_ = i + kAhead;
    }
  }
#endif
  while (done < place.bytes) {
    const ssize_t found = pread(place.file, buffer_.data() + done, place.bytes - done, off_t(place.offset + done));
    if (found < 0 && errno == EINTR) continue;
    if (found < 0) return Status::failure(Code::kIoError, std::string("read failed: ") + std::strerror(errno));
    if (found == 0) return Status::failure(Code::kCorruptRecord, kEndsEarly);
    done += size_t(found);
  }
  return {};
}

Status SampleReader::read(const std::vector<SamplePlace>& places, size_t i, const uint8_t** bytes) {
  const SamplePlace& place = places[i];
  *bytes = place.memory;
  if (place.memory == nullptr) {
    if (Status s = read_file(places, i); !s.ok()) return s;
    *bytes = buffer_.data();
  }
  if (!place.checked) return {};
  const uint32_t found = crc32c(*bytes, place.bytes, 0);
  if (found == place.crc32c) return {};
  char text[80];
  std::snprintf(text, sizeof(text), "coefficients have crc32c %08x, expected %08x", found, place.crc32c);
  return Status::failure(Code::kChecksumMismatch, text);
}

}  // namespace dctstream
