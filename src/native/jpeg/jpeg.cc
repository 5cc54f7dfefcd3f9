#include "jpeg/jpeg.h"

#include <csetjmp>
#include <cstring>
#include <new>

#include "jpeg/jpeg_session.h"

namespace dctstream {
namespace {

// libjpeg fills the component descriptions (block counts, tables) only here.
bool decode_scans(JpegSession* session, jvirt_barray_ptr** arrays) {
  if (setjmp(session->escape)) return false;
  *arrays = jpeg_read_coefficients(&session->jpeg);
  return true;
}

bool copy_blocks(JpegSession* session, jvirt_barray_ptr array, Grid grid, int16_t* out) {
  if (setjmp(session->escape)) return false;
  j_common_ptr common = reinterpret_cast<j_common_ptr>(&session->jpeg);
  for (uint32_t row = 0; row < grid.blocks_high; row++) {
    JBLOCKARRAY blocks = (*session->jpeg.mem->access_virt_barray)(common, array, row, 1, FALSE);
    std::memcpy(out + size_t(row) * grid.blocks_wide * kBlockSize, blocks[0],
                size_t(grid.blocks_wide) * sizeof(JBLOCK));
  }
  return true;
}

// Offset of the first marker after `start` that is neither a stuffed zero nor a restart: where the scan's bytes end.
size_t find_scan_end(const uint8_t* bytes, size_t size, size_t start) {
  size_t at = start;
  while (at + 1 < size) {
    const void* found = std::memchr(bytes + at, 0xff, size - at - 1);
    if (found == nullptr) return size;
    at = size_t(static_cast<const uint8_t*>(found) - bytes);
    const uint8_t marker = bytes[at + 1];
    if (marker != 0 && (marker < 0xd0 || marker > 0xd7)) return at;
    at += 2;
  }
  return size;
}

uint32_t round_up(uint32_t value, uint32_t step) { return ceil_div(value, step) * step; }

// Returns the number of int16 values of all components together.
size_t describe_components(const jpeg_decompress_struct& jpeg, Jpeg* out) {
  size_t values = 0;
  out->components.resize(jpeg.num_components);
  for (int i = 0; i < jpeg.num_components; i++) {
    const jpeg_component_info& info = jpeg.comp_info[i];
    JpegComponent& component = out->components[i];
    // A component alone in a file has one block per MCU whatever its sampling factors are (T.81, A.2.2).
    const bool alone = jpeg.num_components == 1;
    component.h = alone ? 1 : info.h_samp_factor;
    component.v = alone ? 1 : info.v_samp_factor;
    component.blocks_wide = info.width_in_blocks;
    component.blocks_high = info.height_in_blocks;
    component.stored = {round_up(info.width_in_blocks, component.h), round_up(info.height_in_blocks, component.v)};
    values += component.stored.blocks() * kBlockSize;
  }
  return values;
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

Status read_all(JpegSession* session, const uint8_t* bytes, size_t size, Jpeg* out) {
  const jpeg_decompress_struct& jpeg = session->jpeg;
  out->width = int(jpeg.image_width);
  out->height = int(jpeg.image_height);
  out->color_space = color_space_of(jpeg.jpeg_color_space);
  out->progressive = jpeg.progressive_mode;
  out->arithmetic = jpeg.arith_code;
  out->header_bytes = size - jpeg.src->bytes_in_buffer;
  out->single_scan = !jpeg.progressive_mode && !jpeg.arith_code && jpeg.comps_in_scan == jpeg.num_components;

  jvirt_barray_ptr* arrays = nullptr;
  if (!decode_scans(session, &arrays)) return session_failure(*session);
  try {
    out->coefficients.resize(describe_components(jpeg, out));
  } catch (const std::bad_alloc&) {
    return Status::failure(Code::kOutOfMemory, "no memory for the coefficients");
  }
  int16_t* plane = out->coefficients.data();
  for (size_t i = 0; i < out->components.size(); i++) {
    JpegComponent& component = out->components[i];
    if (!copy_quant_table(jpeg, int(i), component.quant)) {
      return Status::failure(Code::kBadJpeg, "component " + std::to_string(i) + " has no quantisation table");
    }
    if (!copy_blocks(session, arrays[i], component.stored, plane)) return session_failure(*session);
    plane += component.stored.blocks() * kBlockSize;
  }
  out->warnings = jpeg.err->num_warnings;
  out->first_warning = session->warning_text;
  out->trailer_start = find_scan_end(bytes, size, out->header_bytes);
  return {};
}

}  // namespace

std::vector<PlaneView> Jpeg::planes() const {
  std::vector<PlaneView> views;
  const int16_t* plane = coefficients.data();
  for (const JpegComponent& component : components) {
    views.push_back({component.stored, plane});
    plane += component.stored.blocks() * kBlockSize;
  }
  return views;
}

Status read_jpeg(const uint8_t* bytes, size_t size, const JpegLimits& limits, Jpeg* out) {
  JpegSession session;
  Status status = open_session(&session, bytes, size, limits);
  if (status.ok()) status = read_all(&session, bytes, size, out);
  close_session(&session);
  return status;
}

}  // namespace dctstream
