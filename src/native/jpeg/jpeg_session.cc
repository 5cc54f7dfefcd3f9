#include "jpeg/jpeg_session.h"

#include <algorithm>
#include <cstring>

namespace dctstream {
namespace {

constexpr int kTooManyScans = -1;

JpegSession* session_of(j_common_ptr common) { return static_cast<JpegSession*>(common->client_data); }

void on_error(j_common_ptr common) {
  JpegSession* session = session_of(common);
  session->error_code = common->err->msg_code;
  (*common->err->format_message)(common, session->error_text);
  std::longjmp(session->escape, 1);
}

void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;  // trace output
  if (common->err->num_warnings++ == 0) (*common->err->format_message)(common, session_of(common)->warning_text);
}

// libjpeg calls it before every row of MCUs, so that a scan is counted before it costs anything.
void on_progress(j_common_ptr common) {
  JpegSession* session = session_of(common);
  const jpeg_decompress_struct& jpeg = session->jpeg;
  if (jpeg.input_scan_number == session->counted_scan) return;
  session->counted_scan = jpeg.input_scan_number;
  session->visits += uint64_t(jpeg.MCUs_per_row) * jpeg.MCU_rows_in_scan * uint64_t(jpeg.blocks_in_MCU);
  if (session->counted_scan <= session->max_scans && session->visits <= session->max_visits) return;
  session->error_code = kTooManyScans;
  std::snprintf(session->error_text, sizeof(session->error_text),
                "%d scans over %u x %u pixels, more passes over an image of this size than are made",
                session->counted_scan, jpeg.image_width, jpeg.image_height);
  std::longjmp(session->escape, 1);
}

uint64_t blocks_of(const jpeg_decompress_struct& jpeg) {
  uint64_t blocks = 0;
  for (int i = 0; i < jpeg.num_components; i++)
    blocks += uint64_t(jpeg.comp_info[i].width_in_blocks) * jpeg.comp_info[i].height_in_blocks;
  return blocks;
}

bool read_header(JpegSession* session, const uint8_t* bytes, size_t size) {
  if (setjmp(session->escape)) return false;
  jpeg_create_decompress(&session->jpeg);
  session->jpeg.client_data = session;
  session->jpeg.progress = &session->progress;
  jpeg_mem_src(&session->jpeg, bytes, size);
  jpeg_read_header(&session->jpeg, TRUE);
  return true;
}

Code code_of(int libjpeg_code) {
  switch (libjpeg_code) {
    case JERR_OUT_OF_MEMORY:
      return Code::kOutOfMemory;
    case JERR_NO_SOI:
      return Code::kNotAJpeg;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
      return Code::kUnsupportedJpeg;
    default:
      return Code::kBadJpeg;
  }
}

const char* guess_format(const uint8_t* bytes, size_t size) {
  const auto starts_with = [&](const char* magic, size_t length, size_t at = 0) {
    return size >= at + length && std::memcmp(bytes + at, magic, length) == 0;
  };
  if (starts_with("\x89PNG", 4)) return "a PNG file";
  if (starts_with("GIF8", 4)) return "a GIF file";
  if (starts_with("RIFF", 4) && starts_with("WEBP", 4, 8)) return "a WebP file";
  if (starts_with("II*\0", 4) || starts_with("MM\0*", 4)) return "a TIFF file";
  if (starts_with("BM", 2)) return "a BMP file";
  return size == 0 ? "an empty file" : "something else";
}

// Bytes of file per block below which a large image is refused: even a progressive file spends more on a block than
// this, and a header that promises what the file cannot hold would cost its memory all the same.
constexpr uint64_t kTrustedPixels = 16'000'000;
constexpr uint64_t kMaxPixelsPerByte = 2048;

}  // namespace

ColorSpace color_space_of(J_COLOR_SPACE space) {
  switch (space) {
    case JCS_GRAYSCALE:
      return ColorSpace::kGrey;
    case JCS_YCbCr:
      return ColorSpace::kYCbCr;
    case JCS_RGB:
      return ColorSpace::kRgb;
    case JCS_CMYK:
      return ColorSpace::kCmyk;
    case JCS_YCCK:
      return ColorSpace::kYcck;
    default:
      return ColorSpace::kUnknown;
  }
}

Status session_failure(const JpegSession& session) {
  const Code code = session.error_code == kTooManyScans ? Code::kTooManyScans : code_of(session.error_code);
  return Status::failure(code, session.error_text);
}

Status open_session(JpegSession* session, const uint8_t* bytes, size_t size, const JpegLimits& limits) {
  std::memset(session, 0, sizeof(*session));
  session->max_scans = limits.max_scans;
  session->progress.progress_monitor = on_progress;
  session->jpeg.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = on_error;
  session->errors.emit_message = on_message;
  session->jpeg.client_data = session;  // an error inside jpeg_create_decompress needs it too
  if (size < 2 || bytes[0] != 0xff || bytes[1] != 0xd8) {
    return Status::failure(Code::kNotAJpeg,
                           std::string("expected a JPEG start-of-image marker, found ") + guess_format(bytes, size));
  }
  if (!read_header(session, bytes, size)) return session_failure(*session);
  const jpeg_decompress_struct& jpeg = session->jpeg;
  const uint64_t pixels = uint64_t(jpeg.image_width) * jpeg.image_height;
  const std::string found = std::to_string(jpeg.image_width) + " x " + std::to_string(jpeg.image_height) + " pixels";
  if (pixels > limits.max_pixels) {
    return Status::failure(Code::kTooManyPixels, found + ", at most " + std::to_string(limits.max_pixels) + " allowed");
  }
  if (pixels > kTrustedPixels && pixels / kMaxPixelsPerByte > size) {
    return Status::failure(Code::kTooManyPixels, found + " in a file of " + std::to_string(size) + " bytes");
  }
  if (jpeg.num_components > kMaxComponents) {
    return Status::failure(Code::kUnsupportedJpeg,
                           std::to_string(jpeg.num_components) + " components, at most 4 supported");
  }
  session->max_visits = std::max(limits.trusted_visits, limits.visits_per_block * blocks_of(jpeg));
  return {};
}

void close_session(JpegSession* session) { jpeg_destroy_decompress(&session->jpeg); }

}  // namespace dctstream
