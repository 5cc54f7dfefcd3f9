// A lock that the operating system gives up when its holder ends, however it ends.
#pragma once
#include <string>

#include "status.h"

namespace dctstream {

// Locks a file or folder against other processes that call this. `descriptor` stays open for as long as the lock is to
// be held; -1 when another process holds it. IO_ERROR when the path cannot be opened.
Status lock_path(const std::string& path, int* descriptor);

}  // namespace dctstream
