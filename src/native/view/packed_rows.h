// Rows of a view's blocks out of a packed record.
#pragma once
#include <vector>

#include "view/row_source.h"

namespace dctstream {

class PackedRows : public RowSource {
 public:
  explicit PackedRows(Simd simd) : unpacker_(simd) {}

  // As Unpacker::open.
  Status open(const uint8_t* packed, size_t size, const std::vector<Grid>& grids, Codec codec) {
    return unpacker_.open(packed, size, grids, codec);
  }

  Status begin(size_t component, BlockRange range) override {
    ranges_[component] = range;
    return {};
  }

  Status start(size_t components) override {
    for (size_t i = 0; i < components; i++)
      if (Status s = unpacker_.begin(i, ranges_[i]); !s.ok()) return s;
    return {};
  }

  Status next_row(size_t component, const int16_t** blocks) override {
    const BlockRange& range = ranges_[component];
    const size_t values = (range.column_end - range.column_start + 1) * size_t(kBlockSize);
    if (blocks_.size() < values) blocks_.resize(values);
    *blocks = blocks_.data();
    return unpacker_.next_row(component, blocks_.data());
  }

  bool can_dequantise() const override { return unpacker_.can_dequantise(); }
  Status next_row_dequantised(size_t component, const DequantisedRow& row) override {
    return unpacker_.next_row_dequantised(component, row);
  }

 private:
  Unpacker unpacker_;
  BlockRange ranges_[kMaxComponents];
  std::vector<int16_t> blocks_;
};

}  // namespace dctstream
