// 8-bit sequential Huffman JPEGs -> packed streams, without libjpeg and without blocks in between: about twice as fast.
// It reads only files in which nothing is left to judgement: libjpeg stays the authority for every other one.
#pragma once
#include <memory>
#include <vector>

#include "base/simd.h"
#include "jpeg/huffman_tables.h"
#include "jpeg/jpeg.h"
#include "jpeg/scan_header.h"
#include "packed/streams.h"

namespace dctstream {

class BaselineReader {
 public:
  explicit BaselineReader(Simd simd);
  ~BaselineReader();

  // True when the whole file was read: `facts` and `planes` are then what libjpeg would give, without a warning, and
  // the file is header + scan + trailer as rebuild_jpeg writes them, byte for byte. False for every doubt: another
  // process, damage, a code an encoder would not have written. Both are then undefined. Reads no byte outside the file,
  // and allocates in proportion to the image's size, which must be at most `max_pixels`.
  bool read(const uint8_t* bytes, size_t size, uint64_t max_pixels, JpegFacts* facts,
            std::vector<PlaneStreams>* planes);

 private:
  struct Segment {
    size_t start, end;  // in scan_
  };
  struct Component;

  bool split_scan(const uint8_t* bytes, size_t size, size_t start, size_t* scan_end);
  bool prepare(const JpegFacts& facts, std::vector<PlaneStreams>* planes);
  bool decode(std::vector<PlaneStreams>* planes);
  bool decode_plain(std::vector<PlaneStreams>* planes);
  bool decode_bmi2(std::vector<PlaneStreams>* planes);

  ScanHeader header_;
  McuGrid mcus_;
  std::vector<uint8_t> scan_;  // entropy-coded bytes without stuffing and markers, and slack to read past the end
  std::vector<Segment> segments_;
  std::unique_ptr<Component[]> components_;
  bool (BaselineReader::*decode_)(std::vector<PlaneStreams>* planes);
  TableCache<AcTable> ac_tables_;
  TableCache<DcTable> dc_tables_;
};

}  // namespace dctstream
