#include "base/lock.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>

namespace dctstream {

Status lock_file(int descriptor, bool* taken) {
  *taken = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  if (*taken) return {};
  const int error = errno;
  // File systems without locks (some network ones) must not keep anybody from working: the files are written
  // atomically, and every writer writes the same.
  *taken = error == ENOLCK || error == ENOTSUP || error == ENOSYS;
  return *taken || error == EWOULDBLOCK ? Status{} : Status::failure(Code::kIoError, std::strerror(error));
}

}  // namespace dctstream
