// A lock that the operating system gives up when its holder ends, however it ends.
#pragma once
#include "base/status.h"

namespace dctstream {

// Locks an open file or folder against other processes that call this, for as long as it stays open. `taken` is false
// when another process holds it.
Status lock_file(int descriptor, bool* taken);

}  // namespace dctstream
