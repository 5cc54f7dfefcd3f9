#include "jpeg/encode.h"

#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dctstream {
namespace {

struct Session {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  std::jmp_buf escape;
  unsigned char* buffer;
  unsigned long size;
  char error_text[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr common) {
  Session* session = static_cast<Session*>(common->client_data);
  (*common->err->format_message)(common, session->error_text);
  std::longjmp(session->escape, 1);
}

// Holds no C++ objects: an error jumps out of the middle of it.
bool compress(Session* session, const uint8_t* pixels, int width, int height, int channels,
              const EncodeOptions* options) {
  if (setjmp(session->escape)) return false;
  jpeg_compress_struct* jpeg = &session->jpeg;
  jpeg_create_compress(jpeg);
  jpeg->client_data = session;
  jpeg_mem_dest(jpeg, &session->buffer, &session->size);
  jpeg->image_width = JDIMENSION(width);
  jpeg->image_height = JDIMENSION(height);
  jpeg->input_components = channels;
  jpeg->in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(jpeg);
  if (options->keep_rgb && channels == 3) jpeg_set_colorspace(jpeg, JCS_RGB);
  jpeg_set_quality(jpeg, options->quality, TRUE);
  jpeg->comp_info[0].h_samp_factor = options->luma_h;
  jpeg->comp_info[0].v_samp_factor = options->luma_v;
  jpeg->restart_interval = unsigned(options->restart_interval);
  jpeg->arith_code = options->arithmetic ? TRUE : FALSE;
  if (options->progressive) jpeg_simple_progression(jpeg);
  jpeg_start_compress(jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels + size_t(jpeg->next_scanline) * width * channels);
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return true;
}

}  // namespace

Status encode_jpeg(const uint8_t* pixels, int width, int height, int channels, const EncodeOptions& options,
                   std::vector<uint8_t>* out) {
  Session session;
  std::memset(&session, 0, sizeof(session));
  session.jpeg.err = jpeg_std_error(&session.errors);
  session.errors.error_exit = on_error;
  session.jpeg.client_data = &session;
  const bool done = compress(&session, pixels, width, height, channels, &options);
  jpeg_destroy_compress(&session.jpeg);
  if (done) out->assign(session.buffer, session.buffer + session.size);
  std::free(session.buffer);
  return done ? Status{} : Status::failure(Code::kInvalidArgument, session.error_text);
}

}  // namespace dctstream
