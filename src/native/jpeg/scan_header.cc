#include "jpeg/scan_header.h"

#include <algorithm>
#include <cstring>

namespace dctstream {
namespace {

Status cannot(const char* why) { return Status::failure(Code::kCannotRebuild, why); }

int get_u16(const uint8_t* p) { return p[0] << 8 | p[1]; }

bool read_quant_tables(const uint8_t* p, const uint8_t* end, ScanHeader* header) {
  while (p < end) {
    const int wide = *p >> 4, index = *p & 15;
    if (wide > 1 || index > 3 || end - p < 1 + kBlockSize * (wide + 1)) return false;
    p++;
    for (int k = 0; k < kBlockSize; k++, p += wide + 1)
      header->quant[index][kZigzag[k]] = uint16_t(wide ? get_u16(p) : *p);
    header->quant_defined[index] = true;
  }
  return true;
}

bool read_huffman_tables(const uint8_t* p, const uint8_t* end, ScanHeader* header) {
  while (p < end) {
    const int kind = *p >> 4, index = *p & 15;
    if (kind > 1 || index > 3) return false;
    p = read_huffman_spec(p + 1, end, kind == 0 ? &header->dc[index] : &header->ac[index]);
    if (p == nullptr) return false;
  }
  return true;
}

bool read_frame(const uint8_t* p, const uint8_t* end, ScanHeader* header) {
  if (header->components != 0 || end - p < 6 || p[0] != 8) return false;
  header->height = get_u16(p + 1);
  header->width = get_u16(p + 3);
  header->components = p[5];
  if (header->components < 1 || header->components > kMaxComponents || end - p < 6 + 3 * header->components)
    return false;
  header->plain &= end - p == 6 + 3 * header->components;
  for (int i = 0; i < header->components; i++) {
    const uint8_t* c = p + 6 + 3 * i;
    header->component[i] = {c[0], c[1] >> 4, c[1] & 15, c[2], 0, 0};
    for (int j = 0; j < i; j++) header->plain &= header->component[j].id != c[0];
  }
  return true;
}

bool read_scan(const uint8_t* p, const uint8_t* end, ScanHeader* header) {
  if (end - p < 1 || p[0] != header->components || end - p < 1 + 2 * p[0]) return false;
  for (int i = 0; i < header->components; i++) {
    // The scan must list the components in the frame's order; libjpeg writes nothing else, and neither do cameras.
    if (p[1 + 2 * i] != header->component[i].id) return false;
    header->plain &= (p[2 + 2 * i] & 0xcc) == 0;
    header->component[i].dc_table = p[2 + 2 * i] >> 4 & 3;
    header->component[i].ac_table = p[2 + 2 * i] & 3;
  }
  const uint8_t* rest = p + 1 + 2 * p[0];  // spectral selection and approximation of a sequential scan: 0, 63, 0
  header->plain &= end - rest == 3 && rest[0] == 0 && rest[1] == 63 && rest[2] == 0;
  return true;
}

void read_application_data(int marker, const uint8_t* p, const uint8_t* end, ScanHeader* header) {
  if (marker == 0xe0 && end - p >= 14 && std::memcmp(p, "JFIF", 5) == 0) {
    header->jfif = true;
    header->plain &= p[5] == 1;
  } else if (marker == 0xee && end - p >= 12 && std::memcmp(p, "Adobe", 5) == 0) {
    header->adobe = true;
    header->adobe_transform = p[11];
  }
}

}  // namespace

const uint8_t* read_huffman_spec(const uint8_t* p, const uint8_t* end, HuffmanSpec* spec) {
  if (end - p < 16) return nullptr;
  spec->total = 0;
  for (int i = 0; i < 16; i++) spec->total += p[i];
  if (spec->total > 256 || end - p < 16 + spec->total) return nullptr;
  std::memcpy(spec->counts, p, 16);
  std::memcpy(spec->symbols, p + 16, size_t(spec->total));
  spec->defined = true;
  return p + 16 + spec->total;
}

Status parse_scan_header(const uint8_t* bytes, size_t size, ScanHeader* header) {
  size_t at = 2;
  while (at + 4 <= size) {
    if (bytes[at] != 0xff) return cannot("bytes between header segments");
    const int marker = bytes[at + 1];
    if (marker == 0xff) {  // fill byte
      at++;
      continue;
    }
    const size_t length = size_t(get_u16(bytes + at + 2));
    if (length < 2 || at + 2 + length > size) return cannot("header segment longer than the header");
    const uint8_t* p = bytes + at + 4;
    const uint8_t* end = bytes + at + 2 + length;
    bool understood = true;
    if (marker == 0xc0 || marker == 0xc1) {
      if (p < end && *p != 8) return cannot("samples of other than 8 bits");
      understood = read_frame(p, end, header);
    } else if (marker == 0xc4) {
      understood = read_huffman_tables(p, end, header);
    } else if (marker == 0xdb) {
      understood = read_quant_tables(p, end, header);
    } else if (marker == 0xdd) {
      understood = end - p >= 2;
      if (understood) header->restart_interval = get_u16(p);
      header->plain &= end - p == 2;
    } else if (marker > 0xc1 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc) {
      const bool progressive = marker == 0xc2 || marker == 0xca;
      return cannot(progressive ? "a progressive frame" : "not a sequential Huffman frame");
    } else if (marker == 0xda) {
      if (header->components == 0 || !read_scan(p, end, header))
        return cannot("the scan does not hold all components in order");
      header->end = at + 2 + length;
      return {};
    } else if (marker >= 0xe0 && marker <= 0xef) {
      read_application_data(marker, p, end, header);
    } else {
      header->plain &= marker == 0xfe;  // comments are the only other segment of a plain file
    }
    if (!understood) return cannot("a header segment cannot be read");
    at += 2 + length;
  }
  return cannot("no start-of-scan segment");
}

bool is_luma_chroma(const ScanHeader& header) {
  if (header.components == 1) return true;
  if (header.components != 3) return false;
  if (header.jfif) return true;
  if (header.adobe) return header.adobe_transform == 1;
  const int ids[3] = {header.component[0].id, header.component[1].id, header.component[2].id};
  return !(ids[0] == 'R' && ids[1] == 'G' && ids[2] == 'B');
}

bool mcu_grid_of(const ScanHeader& header, McuGrid* mcus) {
  uint32_t h_max = 1, v_max = 1;
  for (int i = 0; i < header.components; i++) {
    const ScanComponent& component = header.component[i];
    if (component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4) return false;
    h_max = std::max(h_max, uint32_t(component.h));
    v_max = std::max(v_max, uint32_t(component.v));
  }
  // A component alone in its scan has one block per MCU, whatever its sampling factors are (T.81, A.2.2).
  if (header.components == 1) h_max = v_max = 1;
  *mcus = {ceil_div(uint32_t(header.width), 8 * h_max), ceil_div(uint32_t(header.height), 8 * v_max), h_max, v_max};
  return mcus->wide > 0 && mcus->high > 0;
}

bool describe_scan(const ScanHeader& header, const McuGrid& mcus, JpegFacts* facts) {
  facts->width = header.width;
  facts->height = header.height;
  facts->color_space = header.components == 1 ? ColorSpace::kGrey : ColorSpace::kYCbCr;
  facts->progressive = facts->arithmetic = false;
  facts->warnings = 0;
  facts->first_warning.clear();
  facts->header_bytes = header.end;
  facts->single_scan = true;
  facts->components.resize(size_t(header.components));
  const bool alone = header.components == 1;
  int blocks_per_mcu = 0;
  for (int i = 0; i < header.components; i++) {
    const ScanComponent& in = header.component[i];
    JpegComponent& out = facts->components[size_t(i)];
    if (in.quant_table > 3 || !header.quant_defined[in.quant_table]) return false;
    out.h = alone ? 1 : in.h;
    out.v = alone ? 1 : in.v;
    blocks_per_mcu += out.h * out.v;
    out.blocks_wide = ceil_div(uint32_t(header.width) * uint32_t(out.h), mcus.h_max * 8);
    out.blocks_high = ceil_div(uint32_t(header.height) * uint32_t(out.v), mcus.v_max * 8);
    out.stored = {ceil_div(out.blocks_wide, uint32_t(out.h)) * uint32_t(out.h),
                  ceil_div(out.blocks_high, uint32_t(out.v)) * uint32_t(out.v)};
    std::memcpy(out.quant, header.quant[in.quant_table], sizeof(out.quant));
  }
  return blocks_per_mcu <= kMaxBlocksPerMcu;
}

}  // namespace dctstream
