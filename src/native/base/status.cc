#include "base/status.h"

namespace dctstream {

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kNotAJpeg:
      return "NOT_A_JPEG";
    case Code::kBadJpeg:
      return "BAD_JPEG";
    case Code::kUnsupportedJpeg:
      return "UNSUPPORTED_JPEG";
    case Code::kTooManyPixels:
      return "TOO_MANY_PIXELS";
    case Code::kTooManyScans:
      return "TOO_MANY_SCANS";
    case Code::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case Code::kCorruptRecord:
      return "CORRUPT_RECORD";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kIoError:
      return "IO_ERROR";
    case Code::kChecksumMismatch:
      return "CHECKSUM_MISMATCH";
    case Code::kCannotRebuild:
      return "CANNOT_REBUILD";
  }
  return "INTERNAL";
}

}  // namespace dctstream
