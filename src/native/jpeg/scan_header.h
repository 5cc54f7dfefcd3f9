// What the segments in front of a JPEG's first scan say: the words shared by the writer (scan.h) and the purpose-built
// reader (baseline.h) of sequential Huffman scans. ITU-T T.81, B.2.
#pragma once
#include "base/blocks.h"
#include "base/status.h"
#include "jpeg/jpeg.h"

namespace dctstream {

// ITU-T T.81, B.2.3.
constexpr int kMaxBlocksPerMcu = 10;

struct HuffmanSpec {
  bool defined = false;
  uint8_t counts[16];    // codes of length 1..16
  uint8_t symbols[256];  // in code order
  int total = 0;         // symbols in use
};

// Reads one table as a DHT segment holds it, from `p` on; where it ends, or null when it does not before `end`.
const uint8_t* read_huffman_spec(const uint8_t* p, const uint8_t* end, HuffmanSpec* spec);

struct ScanComponent {
  int id = 0, h = 1, v = 1;
  int quant_table = 0;
  int dc_table = 0, ac_table = 0;
};

struct ScanHeader {
  int width = 0, height = 0, components = 0;
  int restart_interval = 0;  // in MCUs; 0: none
  ScanComponent component[kMaxComponents];
  HuffmanSpec dc[4], ac[4];
  bool quant_defined[4] = {};
  uint16_t quant[4][kBlockSize];  // natural order
  bool jfif = false, adobe = false;
  int adobe_transform = 0;
  bool plain = true;  // nothing in it that libjpeg would warn about or read in a way of its own
  size_t end = 0;     // where the scan's bytes begin
};

// Reads from the start-of-image marker to the end of the first start-of-scan segment. CANNOT_REBUILD when that is not
// an 8-bit sequential Huffman frame whose first scan holds all components in the frame's order.
Status parse_scan_header(const uint8_t* bytes, size_t size, ScanHeader* header);

// Whether libjpeg would take the components for grey or Y Cb Cr.
bool is_luma_chroma(const ScanHeader& header);

struct McuGrid {
  uint32_t wide = 0, high = 0;
  uint32_t h_max = 1, v_max = 1;  // the largest sampling factors
};

// The scan's MCUs; false for sampling factors no scan can have.
bool mcu_grid_of(const ScanHeader& header, McuGrid* mcus);

// What libjpeg would say of a file of grey or Y Cb Cr with this header, but for where its trailer begins. False where a
// quantisation table is missing, or an MCU has more blocks than a scan may.
bool describe_scan(const ScanHeader& header, const McuGrid& mcus, JpegFacts* facts);

}  // namespace dctstream
