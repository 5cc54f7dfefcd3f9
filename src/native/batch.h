// Views of many samples, rendered into the arrays of a batch: what a view worker does with a task. What the index says
// of a sample may be anything: it is held against the image that it describes and the bytes that are there first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "packed/sample_reader.h"
#include "seek/rows.h"
#include "view/compose.h"
#include "view/view.h"

namespace dctstream {

struct ByteSpan {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

// One axis of a view.
enum AxisNumber { kBoxStart, kBoxEnd, kScaledSize, kOutStart, kOutCount, kFlip, kAxisNumbers };

// A change of colours, and a box in luma pixels.
enum ColorNumber { kColorLuma, kColorChroma, kColorOffset, kColorOffsetOfMean, kColorNumbers };
enum BoxNumber { kBoxTop, kBoxLeft, kBoxBottom, kBoxRight, kBoxNumbers };

// Numbers of one sample of a batch: a packed record, or a JPEG file that an index leads into.
enum SampleNumber {
  kBlock,        // index of the open index block that describes its file, or -1: a packed record
  kBlockSample,  // its number in that block
  kFirstByte,    // the place in the file of the first byte that is there; its bytes reach as far as its views need
  kMemory,       // index of the memory it lies in, or -1: in a file
  kFile,
  kOffset,
  kBytes,
  kCrc32c,
  kChecked,  // whether the CRC-32C is still to be checked: for a JPEG file those of its MCU rows
  kCodec,    // this and what follows, to kGrid: of a packed record
  kWidth,
  kHeight,
  kLayouts,            // index of the table of layouts
  kLayout,             // index in that table
  kGrid,               // 6
  kPlace = kGrid + 6,  // in the batch
  kAxisX,
  kAxisY = kAxisX + int(kAxisNumbers),
  kColor = kAxisY + int(kAxisNumbers),
  kErase = kColor + int(kColorNumbers),  // all zero: nothing
  kSampleNumbers = kErase + int(kBoxNumbers)
};

// As the index stores them: per component h, v, and a table of 64 little-endian uint16.
constexpr size_t kLayoutComponentBytes = 2 + 2 * kBlockSize, kLayoutBytes = 3 * kLayoutComponentBytes;

// A pair of views to be mixed: `share` of a and the rest of b; below 0: they exchange a box instead.
enum PairNumber { kPairA, kPairB, kPairShare, kPairBox, kPairNumbers = kPairBox + int(kBoxNumbers) };

// Nanoseconds of the samples that are timed: reading, unpacking, all of it.
enum TimeNumber { kTimeRead, kTimeUnpack, kTimeAll, kTimes };

// What the views of a batch have in common.
struct BatchForm {
  ViewSpec spec;
  int width = 0, height = 0;
};

// The arrays of a batch of that form, without their memory. `empty` holds what mid-grey is in them and must outlive
// them.
std::vector<BatchPlane> planes_of(const BatchForm& form, std::vector<float> empty[3]);

// One axis of a view from its numbers; false when the count is impossible.
bool read_axis(const double* numbers, ViewAxis* axis);

ColorChange read_color(const double* numbers);

struct BatchTask {
  std::vector<ByteSpan> memory, layouts, blocks;
  const double* samples = nullptr;  // [sample_count, kSampleNumbers]
  size_t sample_count = 0;
  BatchForm form;
  std::vector<BatchPlane> planes;  // each of `views` views
  size_t views = 0;
  const double* pairs = nullptr;  // [pair_count, kPairNumbers]
  size_t pair_count = 0;
  bool replace = false;     // a failed sample's place becomes a copy of a neighbour's, where there is one
  double* times = nullptr;  // [kTimes], added to; null: nothing is timed
};

// A sample that could not be rendered: its place is a copy of another's, or zero.
struct BatchFailure {
  size_t sample;
  Status status;
  int copy_of = -1;  // the sample that its place shows instead
};

// What a thread renders with, kept from task to task.
struct BatchTools {
  explicit BatchTools(Simd simd) : viewer(simd), seek_rows(simd) {}
  Viewer viewer;
  SampleReader reader;
  SeekRows seek_rows;
};

// Renders all samples and mixes the pairs. What is wrong with a sample alone goes to `failures`; INVALID_ARGUMENT when
// the task itself is wrong: a place outside the batch, a view of another size.
Status render_batch(BatchTask* task, BatchTools* tools, std::vector<BatchFailure>* failures);

}  // namespace dctstream
