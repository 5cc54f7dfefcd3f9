#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dctstream {

Status lock_path(const std::string& path, int* descriptor) {
  *descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (*descriptor < 0) return Status::failure(Code::kIoError, std::strerror(errno));
  if (flock(*descriptor, LOCK_EX | LOCK_NB) == 0) return {};
  const int error = errno;
  // File systems without locks (some network ones) must not keep anybody from working: the files are written atomically
  // and are the same whoever writes them.
  if (error == ENOLCK || error == ENOTSUP || error == ENOSYS) return {};
  close(*descriptor);
  *descriptor = -1;
  return error == EWOULDBLOCK ? Status{} : Status::failure(Code::kIoError, std::strerror(error));
}

}  // namespace dctstream
