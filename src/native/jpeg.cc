#include "jpeg.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>

// jpeglib.h needs FILE and size_t first.
#include <jerror.h>
#include <jpeglib.h>

namespace dctstream {
namespace {

// libjpeg's error manager extended by what the callbacks need. Everything in it is plain data, so that a longjmp
// over the functions below never skips a destructor.
struct Session {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  int max_scans;
  int error_code;
  char error_text[JMSG_LENGTH_MAX];
  char warning_text[JMSG_LENGTH_MAX];
};

constexpr int kTooManyScans = -1;

Session* session_of(j_common_ptr common) { return static_cast<Session*>(common->client_data); }

void on_error(j_common_ptr common) {
  Session* session = session_of(common);
  session->error_code = common->err->msg_code;
  (*common->err->format_message)(common, session->error_text);
  std::longjmp(session->escape, 1);
}

void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;  // trace output
  if (common->err->num_warnings++ == 0) (*common->err->format_message)(common, session_of(common)->warning_text);
}

void on_progress(j_common_ptr common) {
  Session* session = session_of(common);
  if (session->jpeg.input_scan_number <= session->max_scans) return;
  session->error_code = kTooManyScans;
  std::snprintf(session->error_text, sizeof(session->error_text), "more than %d scans", session->max_scans);
  std::longjmp(session->escape, 1);
}

// The three functions with setjmp hold no C++ objects; their callers own all memory.

bool read_header(Session* session, const uint8_t* bytes, size_t size) {
  if (setjmp(session->escape)) return false;
  jpeg_create_decompress(&session->jpeg);
  session->jpeg.client_data = session;
  session->jpeg.progress = &session->progress;
  jpeg_mem_src(&session->jpeg, bytes, size);
  jpeg_read_header(&session->jpeg, TRUE);
  return true;
}

// libjpeg fills the component descriptions (block counts, tables) only here.
bool decode_scans(Session* session, jvirt_barray_ptr** arrays) {
  if (setjmp(session->escape)) return false;
  *arrays = jpeg_read_coefficients(&session->jpeg);
  return true;
}

bool copy_blocks(Session* session, jvirt_barray_ptr array, Grid grid, int16_t* out) {
  if (setjmp(session->escape)) return false;
  j_common_ptr common = reinterpret_cast<j_common_ptr>(&session->jpeg);
  for (uint32_t row = 0; row < grid.blocks_high; row++) {
    JBLOCKARRAY blocks = (*session->jpeg.mem->access_virt_barray)(common, array, row, 1, FALSE);
    std::memcpy(out + size_t(row) * grid.blocks_wide * kBlockSize, blocks[0],
                size_t(grid.blocks_wide) * sizeof(JBLOCK));
  }
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

uint32_t round_up(uint32_t value, uint32_t step) { return ceil_div(value, step) * step; }

// Lays the components out in one array and copies their tables. Returns the number of int16 values.
size_t describe_components(const jpeg_decompress_struct& jpeg, Jpeg* out) {
  size_t offset = 0;
  out->components.resize(jpeg.num_components);
  for (int i = 0; i < jpeg.num_components; i++) {
    const jpeg_component_info& info = jpeg.comp_info[i];
    JpegComponent& component = out->components[i];
    // A component alone in a file has one block per MCU whatever its sampling factors say (T.81, A.2.2).
    const bool alone = jpeg.num_components == 1;
    component.h = alone ? 1 : info.h_samp_factor;
    component.v = alone ? 1 : info.v_samp_factor;
    component.blocks_wide = info.width_in_blocks;
    component.blocks_high = info.height_in_blocks;
    component.stored = {round_up(info.width_in_blocks, component.h), round_up(info.height_in_blocks, component.v)};
    component.offset = offset;
    offset += component.stored.blocks() * kBlockSize;
  }
  return offset;
}

// A component whose first scan never came (a truncated progressive file) has no latched table; the defined one is
// meant.
bool copy_quant_table(const jpeg_decompress_struct& jpeg, int index, uint16_t* out) {
  const jpeg_component_info& info = jpeg.comp_info[index];
  const JQUANT_TBL* table = info.quant_table;
  if (table == nullptr && info.quant_tbl_no >= 0 && info.quant_tbl_no < NUM_QUANT_TBLS) {
    table = jpeg.quant_tbl_ptrs[info.quant_tbl_no];
  }
  if (table == nullptr) return false;
  for (int k = 0; k < kBlockSize; k++) out[k] = table->quantval[k];
  return true;
}

Status failure_of(const Session& session) {
  const Code code = session.error_code == kTooManyScans ? Code::kBadJpeg : code_of(session.error_code);
  return Status::failure(code, session.error_text);
}

Status read_all(Session* session, const uint8_t* bytes, size_t size, const JpegLimits& limits, Jpeg* out) {
  if (!read_header(session, bytes, size)) return failure_of(*session);
  const jpeg_decompress_struct& jpeg = session->jpeg;
  const uint64_t pixels = uint64_t(jpeg.image_width) * jpeg.image_height;
  if (pixels > limits.max_pixels) {
    return Status::failure(Code::kTooManyPixels, std::to_string(jpeg.image_width) + " x " +
                                                     std::to_string(jpeg.image_height) + " pixels, at most " +
                                                     std::to_string(limits.max_pixels) + " allowed");
  }
  if (jpeg.num_components > kMaxComponents) {
    return Status::failure(Code::kUnsupportedJpeg,
                           std::to_string(jpeg.num_components) + " components, at most 4 supported");
  }
  out->width = int(jpeg.image_width);
  out->height = int(jpeg.image_height);
  out->color_space = color_space_of(jpeg.jpeg_color_space);
  out->progressive = jpeg.progressive_mode;
  out->arithmetic = jpeg.arith_code;
  out->header_bytes = size - jpeg.src->bytes_in_buffer;
  out->single_scan = !jpeg.progressive_mode && !jpeg.arith_code && jpeg.comps_in_scan == jpeg.num_components;

  jvirt_barray_ptr* arrays = nullptr;
  if (!decode_scans(session, &arrays)) return failure_of(*session);
  try {
    out->coefficients.resize(describe_components(jpeg, out));
  } catch (const std::bad_alloc&) {
    return Status::failure(Code::kOutOfMemory, "no memory for the coefficients");
  }
  for (size_t i = 0; i < out->components.size(); i++) {
    JpegComponent& component = out->components[i];
    if (!copy_quant_table(jpeg, int(i), component.quant)) {
      return Status::failure(Code::kBadJpeg, "component " + std::to_string(i) + " has no quantisation table");
    }
    if (!copy_blocks(session, arrays[i], component.stored, out->coefficients.data() + component.offset)) {
      return failure_of(*session);
    }
  }
  out->warnings = jpeg.err->num_warnings;
  out->first_warning = session->warning_text;
  return {};
}

}  // namespace

Status read_jpeg(const uint8_t* bytes, size_t size, const JpegLimits& limits, Jpeg* out) {
  if (size < 2 || bytes[0] != 0xff || bytes[1] != 0xd8) {
    return Status::failure(Code::kNotAJpeg,
                           std::string("expected a JPEG start-of-image marker, found ") + guess_format(bytes, size));
  }
  Session session;
  std::memset(&session, 0, sizeof(session));
  session.max_scans = limits.max_scans;
  session.progress.progress_monitor = on_progress;
  session.jpeg.err = jpeg_std_error(&session.errors);
  session.errors.error_exit = on_error;
  session.errors.emit_message = on_message;
  session.jpeg.client_data = &session;  // an error inside jpeg_create_decompress needs it too
  const Status status = read_all(&session, bytes, size, limits, out);
  jpeg_destroy_decompress(&session.jpeg);
  return status;
}

}  // namespace dctstream
