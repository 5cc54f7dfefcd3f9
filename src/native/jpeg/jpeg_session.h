// One reading of a file by libjpeg: its objects, and callbacks that neither print nor exit. For jpeg.cc and pixels.cc.
#pragma once
#include <csetjmp>
#include <cstdio>

// jpeglib.h needs FILE and size_t first.
#include <jerror.h>
#include <jpeglib.h>

#include "jpeg/jpeg.h"

namespace dctstream {

// libjpeg's error manager extended by what the callbacks need. Everything in it is plain data, so that a longjmp over
// functions that use it never skips a destructor: those with setjmp hold no C++ objects; their callers own all memory.
struct JpegSession {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  int max_scans;
  int counted_scan;  // the last scan that `visits` counts
  uint64_t visits;   // blocks of all scans so far
  uint64_t max_visits;
  int error_code;
  char error_text[JMSG_LENGTH_MAX];
  char warning_text[JMSG_LENGTH_MAX];
};

// Sets up `session` for `bytes` and reads the header; the status is NOT_A_JPEG, TOO_MANY_PIXELS or why libjpeg refused
// it. To be ended with close_session in any case.
Status open_session(JpegSession* session, const uint8_t* bytes, size_t size, const JpegLimits& limits);
void close_session(JpegSession* session);

// What libjpeg's last error means.
Status session_failure(const JpegSession& session);

ColorSpace color_space_of(J_COLOR_SPACE space);

}  // namespace dctstream
