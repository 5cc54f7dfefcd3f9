#include "jpeg/rebuild.h"

namespace dctstream {
namespace {

class UnpackedRows : public BlockRows {
 public:
  UnpackedRows(const std::vector<Grid>& grids, Unpacker* unpacker)
      : grids_(grids), unpacker_(*unpacker), rows_(grids.size()) {}

  // Rows are asked for once, in order.
  Status open() {
    for (size_t i = 0; i < grids_.size(); i++) {
      const BlockRange all = {0, grids_[i].blocks_high, 0, grids_[i].blocks_wide};
      if (Status s = unpacker_.begin(i, all); !s.ok()) return s;
    }
    return {};
  }

  const std::vector<Grid>& grids() const override { return grids_; }

  Status read(size_t component, uint32_t, uint32_t count, const int16_t** blocks) override {
    const size_t row_values = size_t(grids_[component].blocks_wide) * kBlockSize;
    std::vector<int16_t>& rows = rows_[component];
    rows.resize(count * row_values);
    for (uint32_t i = 0; i < count; i++)
      if (Status s = unpacker_.next_row(component, rows.data() + i * row_values); !s.ok()) return s;
    *blocks = rows.data();
    return {};
  }

 private:
  const std::vector<Grid>& grids_;
  Unpacker& unpacker_;
  std::vector<std::vector<int16_t>> rows_;
};

}  // namespace

Status rebuild_packed(const uint8_t* header, size_t header_size, const uint8_t* trailer, size_t trailer_size,
                      const PackedImage& image, Unpacker* unpacker, Simd simd, std::vector<uint8_t>* out) {
  if (Status s = unpacker->open(image.packed, image.size, image.grids, image.codec); !s.ok()) return s;
  UnpackedRows rows(image.grids, unpacker);
  if (Status s = rows.open(); !s.ok()) return s;
  return rebuild_jpeg(header, header_size, trailer, trailer_size, &rows, simd, out);
}

}  // namespace dctstream
