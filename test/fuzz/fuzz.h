// What the fuzz targets share: reading numbers out of the fuzzer's bytes, and stopping at the first thing that is
// wrong.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../../src/native/base/simd.h"
#include "../../src/native/packed/pack.h"

namespace dctstream {

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::abort();
}

inline std::vector<Simd> levels() {
  std::vector<Simd> all;
  for (const Simd level : simd_levels())
    if (level <= best_simd()) all.push_back(level);
  return all;
}

// Takes numbers from the front; zeros when there is nothing left.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t byte() {
    if (size_ == 0) return 0;
    size_--;
    return *data_++;
  }
  uint16_t number() { return uint16_t(byte() | byte() << 8); }
  double fraction() { return number() / 65535.0; }
  // What is left, in memory of exactly its size: reading one byte too many is then an error that the sanitizer sees.
  std::vector<uint8_t> rest() const { return std::vector<uint8_t>(data_, data_ + size_); }

 private:
  const uint8_t* data_;
  size_t size_;
};

// Whole planes, one after another; empty when the bytes are refused. Every level must say the same of the same bytes.
inline std::vector<int16_t> unpack_at_all_levels(const std::vector<uint8_t>& packed, const std::vector<Grid>& grids,
                                                 Codec codec) {
  std::vector<int16_t> first;
  for (const Simd level : levels()) {
    Unpacker unpacker(level);
    bool good = unpacker.open(packed.data(), packed.size(), grids, codec).ok();
    std::vector<int16_t> all;
    for (size_t i = 0; good && i < grids.size(); i++) {
      std::vector<int16_t> plane(grids[i].blocks() * kBlockSize);
      good = unpacker.unpack(i, {0, grids[i].blocks_high, 0, grids[i].blocks_wide}, plane.data()).ok();
      all.insert(all.end(), plane.begin(), plane.end());
    }
    if (!good) all.clear();
    if (level == Simd::kScalar) first = all;
    require(all == first, "a SIMD level differs from the scalar twin");
  }
  return first;
}

}  // namespace dctstream
