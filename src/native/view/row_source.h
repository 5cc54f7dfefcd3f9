// Where the blocks of a view come from: a packed record, or a file that an index leads into.
#pragma once
#include "base/blocks.h"
#include "base/status.h"
#include "packed/pack.h"

namespace dctstream {

// First `begin` for every component, then `start`, then rows in ascending order within each component.
class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual Status begin(size_t component, BlockRange range) = 0;

  // From now on the rows of the first `components` components are asked for, in step with each other, each from its
  // range's first one on. May be called again, to start over.
  virtual Status start(size_t components) = 0;

  // The next row of the range: quantised, natural order, DC restored. One block more than the row has may be read
  // behind it, of any value. Valid until the next call.
  virtual Status next_row(size_t component, const int16_t** blocks) = 0;

  // The same dequantised, where that is one step: `can_dequantise` says so.
  virtual bool can_dequantise() const { return false; }
  virtual Status next_row_dequantised(size_t, const DequantisedRow&) {
    return Status::failure(Code::kInvalidArgument, "these rows cannot be dequantised");
  }
};

}  // namespace dctstream
