// What a native call reports: a code the JavaScript side switches on, and a message for people.
#pragma once
#include <string>
#include <utility>

namespace dctstream {

enum class Code {
  kOk,
  kNotAJpeg,         // the bytes do not start with a JPEG start-of-image marker
  kBadJpeg,          // a JPEG whose structure cannot be read
  kUnsupportedJpeg,  // valid JPEG, but not one libjpeg or the record format can hold (12 bit, lossless, ...)
  kTooManyPixels,    // the header promises more pixels than the caller allows
  kTooManyScans,     // a file that goes over the image more often than the caller allows
  kOutOfMemory,
  kCorruptRecord,    // packed bytes that do not describe the stated block grid
  kInvalidArgument,  // the caller's mistake
  kIoError,
  kChecksumMismatch,
  kCannotRebuild,  // header bytes that are not a single sequential Huffman scan
};

// The stable name of a code, as JavaScript sees it.
const char* code_name(Code code);

struct Status {
  Code code = Code::kOk;
  std::string message;

  bool ok() const { return code == Code::kOk; }
  static Status failure(Code code, std::string message) { return {code, std::move(message)}; }
};

}  // namespace dctstream
