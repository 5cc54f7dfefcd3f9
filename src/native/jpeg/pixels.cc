#include "jpeg/pixels.h"

#include <cstring>
#include <new>

#include "jpeg/jpeg_session.h"

namespace dctstream {
namespace {

// Without C++ objects: an error jumps out of the middle of it.
bool start(JpegSession* session) {
  if (setjmp(session->escape)) return false;
  jpeg_decompress_struct* jpeg = &session->jpeg;
  switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
      jpeg->out_color_space = JCS_GRAYSCALE;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      jpeg->out_color_space = JCS_CMYK;
      break;
    case JCS_YCbCr:
    case JCS_RGB:
      jpeg->out_color_space = JCS_RGB;
      break;
    default:
      jpeg->out_color_space = jpeg->jpeg_color_space;
  }
  jpeg_start_decompress(jpeg);
  return true;
}

bool read_row(JpegSession* session, uint8_t* row) {
  if (setjmp(session->escape)) return false;
  JSAMPROW rows[1] = {row};
  return jpeg_read_scanlines(&session->jpeg, rows, 1) == 1;
}

// Reads on to the end of the file: what comes after the last row may be an error too.
bool finish(JpegSession* session) {
  if (setjmp(session->escape)) return false;
  return jpeg_finish_decompress(&session->jpeg);
}

void store_row(const uint8_t* row, int width, int in_channels, int out_channels, uint8_t* out) {
  if (in_channels == out_channels) {
    std::memcpy(out, row, size_t(width) * out_channels);
    return;
  }
  for (int x = 0; x < width; x++, row += in_channels) {
    if (out_channels == 1) {
      *out++ = row[0];
      continue;
    }
    for (int c = 0; c < 3; c++) *out++ = uint8_t((row[c] * row[3] + 127) / 255);
  }
}

Status read_all(JpegSession* session, Pixels* out) {
  if (!start(session)) return session_failure(*session);
  const jpeg_decompress_struct& jpeg = session->jpeg;
  const int in_channels = jpeg.output_components;
  out->width = int(jpeg.output_width);
  out->height = int(jpeg.output_height);
  out->channels = in_channels >= 3 ? 3 : 1;
  const size_t stride = size_t(out->width) * out->channels;
  std::vector<uint8_t> row;
  try {
    row.resize(size_t(out->width) * in_channels);
    out->samples.resize(stride * out->height);
  } catch (const std::bad_alloc&) {
    return Status::failure(Code::kOutOfMemory, "no memory for the pixels");
  }
  for (int y = 0; y < out->height; y++) {
    if (!read_row(session, row.data())) return session_failure(*session);
    store_row(row.data(), out->width, in_channels, out->channels, out->samples.data() + y * stride);
  }
  if (!finish(session)) return session_failure(*session);
  out->warnings = jpeg.err->num_warnings;
  return {};
}

uint32_t get_number(const uint8_t* p, int bytes, bool big_endian) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= uint32_t(p[i]) << 8 * (big_endian ? bytes - 1 - i : i);
  return value;
}

// The tag 0x0112 of the first directory of a TIFF structure.
int find_orientation(const uint8_t* tiff, size_t size) {
  if (size < 8) return 0;
  const bool big_endian = tiff[0] == 'M';
  const size_t directory = get_number(tiff + 4, 4, big_endian);
  if (directory > size || size - directory < 2) return 0;
  const size_t entries = get_number(tiff + directory, 2, big_endian);
  for (size_t i = 0; i < entries; i++) {
    const size_t at = directory + 2 + 12 * i;
    if (at + 12 > size) return 0;
    if (get_number(tiff + at, 2, big_endian) != 0x0112) continue;
    const uint32_t value = get_number(tiff + at + 8, 2, big_endian);
    return value >= 1 && value <= 8 ? int(value) : 0;
  }
  return 0;
}

}  // namespace

Status read_pixels(const uint8_t* bytes, size_t size, const JpegLimits& limits, Pixels* out) {
  JpegSession session;
  Status status = open_session(&session, bytes, size, limits);
  if (status.ok()) status = read_all(&session, out);
  close_session(&session);
  return status;
}

void apply_orientation(int orientation, Pixels* pixels) {
  if (orientation < 2 || orientation > 8) return;
  // EXIF 2.32, tag Orientation: which side of the stored image is shown on top and which on the left.
  const bool swaps = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int width = pixels->width, height = pixels->height, channels = pixels->channels;
  const int out_width = swaps ? height : width, out_height = swaps ? width : height;
  std::vector<uint8_t> turned(pixels->samples.size());
  uint8_t* out = turned.data();
  for (int y = 0; y < out_height; y++) {
    for (int x = 0; x < out_width; x++, out += channels) {
      const int along = swaps ? y : x, across = swaps ? x : y;
      const int from_x = from_right ? width - 1 - along : along, from_y = from_bottom ? height - 1 - across : across;
      std::memcpy(out, pixels->samples.data() + (size_t(from_y) * width + from_x) * channels, size_t(channels));
    }
  }
  pixels->samples.swap(turned);
  pixels->width = out_width;
  pixels->height = out_height;
}

int read_orientation(const uint8_t* bytes, size_t size) {
  size_t at = 2;
  while (at + 4 <= size && bytes[at] == 0xff && bytes[at + 1] != 0xda) {
    const size_t length = get_number(bytes + at + 2, 2, true);
    if (length < 2 || at + 2 + length > size) return 0;
    if (bytes[at + 1] == 0xe1 && length >= 8 && std::memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
      return find_orientation(bytes + at + 10, length - 8);
    at += 2 + length;
  }
  return 0;
}

}  // namespace dctstream
