// Fuzz target: a view worker's task, of samples that an index and shards describe by any bytes: in memory and in a
// file, with views that are planned for the size that the index states. Every SIMD level must refuse the same samples
// for the same reasons.
#include "../../src/native/batch.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <map>

#include "../../src/native/packed/scan_order.h"
#include "fuzz.h"

using namespace dctstream;

namespace {

// Any number at all, now and then.
double wild(Input* input) {
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) bits |= uint64_t(input->byte()) << (8 * i);
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// What ends early is not wild: short inputs are tasks that can be rendered.
double maybe_wild(Input* input, double value) { return input->byte() >= 252 ? wild(input) : value; }

void write_axis(Input* input, double size, int out_count, double* p) {
  const double from = input->fraction() * size, to = size - input->fraction() * size;
  const uint8_t how = input->byte();
  double box[6] = {std::min(from, to), std::max(from, to), double(out_count), 0, double(out_count), double(how & 1)};
  // At its own size, where the image is as large.
  if (how & 2 && size >= out_count) {
    box[0] = std::floor(from / size * (size - out_count));
    box[1] = box[0] + out_count;
  }
  for (int i = 0; i < 6; i++) p[i] = maybe_wild(input, box[i]);
}

// The image that a task's samples are of, unless their numbers are wild.
struct Image {
  int width = 1, height = 1;
  std::vector<uint8_t> layout = std::vector<uint8_t>(kLayoutBytes, 1);
  std::vector<Grid> grids;
};

Image read_image(Input* input) {
  Image image;
  image.width += input->byte() * (input->byte() >= 248 ? 17 : 1);
  image.height += input->byte();
  const int components = input->byte() & 1 ? input->byte() % 4 : 3;
  int factors[3][2], largest[2] = {1, 1};
  for (int c = 0; c < 3; c++) {
    uint8_t* const p = image.layout.data() + size_t(c) * kLayoutComponentBytes;
    for (int axis = 0; axis < 2; axis++) {
      factors[c][axis] = input->byte() >= 248 ? input->byte() % 8 : 1 + (input->byte() & 1);
      if (c < components) largest[axis] = std::max(largest[axis], factors[c][axis]);
      p[axis] = c < components ? uint8_t(factors[c][axis]) : 0;
    }
    p[2] = input->byte();
  }
  for (int c = 0; c < components; c++) {
    const auto side = [&](int pixels, int axis) {
      const uint32_t factor = uint32_t(std::max(1, factors[c][axis]));
      return ceil_div(ceil_div(uint32_t(pixels) * factor, 8 * uint32_t(largest[axis])), factor) * factor;
    };
    image.grids.push_back({side(image.width, 0), side(image.height, 1)});
  }
  return image;
}

// A packed record of the image with a coefficient here and there, and some of its bytes changed.
std::vector<uint8_t> packed_bytes(Input* input, const Image& image, Codec codec) {
  std::vector<PlaneStreams> streams(image.grids.size());
  for (size_t i = 0; i < streams.size(); i++) {
    std::vector<int16_t> plane(image.grids[i].blocks() * kBlockSize);
    for (int k = input->byte() % 32; k > 0; k--) plane[input->number() % plane.size()] = int16_t(input->number());
    gather_streams({image.grids[i], plane.data()}, to_scan_order_for(Simd::kScalar), &streams[i]);
  }
  std::vector<uint8_t> packed;
  static Packer packer;
  require(packer.pack(streams, codec, &packed).ok(), "packing fails");
  for (int k = input->byte() % 4; k > 0 && !packed.empty(); k--)
    packed[input->number() % packed.size()] ^= input->byte();
  packed.shrink_to_fit();
  return packed;
}

struct Content {
  std::vector<uint8_t> bytes;
  int file = -1;
};

// The bytes that all samples lie in, as memory of exactly their size and as a file.
Content content_of(const std::vector<uint8_t>& bytes) {
  static std::FILE* const file = std::tmpfile();
  require(file != nullptr, "no temporary file");
  Content content = {bytes, fileno(file)};
  require(ftruncate(content.file, 0) == 0, "the temporary file cannot be emptied");
  require(pwrite(content.file, bytes.data(), bytes.size(), 0) == ssize_t(bytes.size()), "it cannot be written");
  return content;
}

void write_sample(Input* input, const BatchForm& form, const Image& image, Codec codec, const Content& content,
                  size_t place, double* p) {
  const bool in_file = input->byte() & 1;
  // Now and then the bytes are a file, and the block that describes it, too.
  p[kBlock] = maybe_wild(input, input->byte() >= 192 ? 0 : -1);
  p[kBlockSample] = maybe_wild(input, 0);
  p[kFirstByte] = maybe_wild(input, 0);
  const size_t size = content.bytes.size(), from = input->byte() >= 248 ? input->number() % (size + 1) : 0;
  p[kMemory] = maybe_wild(input, in_file ? -1 : 0);
  p[kFile] = content.file;
  p[kOffset] = maybe_wild(input, double(from));
  p[kBytes] = maybe_wild(input, double(size - from));
  p[kCrc32c] = 0;
  p[kChecked] = input->byte() >= 248;
  p[kCodec] = double(codec);
  p[kWidth] = maybe_wild(input, image.width);
  p[kHeight] = maybe_wild(input, image.height);
  p[kLayouts] = maybe_wild(input, 0);
  p[kLayout] = maybe_wild(input, 0);
  for (size_t c = 0; c < 3; c++) {
    const Grid grid = c < image.grids.size() ? image.grids[c] : Grid();
    p[kGrid + 2 * c] = maybe_wild(input, grid.blocks_wide);
    p[kGrid + 2 * c + 1] = maybe_wild(input, grid.blocks_high);
  }
  p[kPlace] = maybe_wild(input, double(place));
  write_axis(input, image.width, form.width, p + kAxisX);
  write_axis(input, image.height, form.height, p + kAxisY);
  const bool changed = input->byte() & 1;
  for (int i = 0; i < kColorNumbers; i++) p[kColor + i] = changed ? maybe_wild(input, input->fraction()) : i < 2;
  for (int i = 0; i < kBoxNumbers; i++) p[kErase + i] = changed ? maybe_wild(input, input->byte()) : 0;
}

BatchForm read_form(Input* input) {
  BatchForm form;
  ViewSpec& spec = form.spec;
  spec.kind = input->byte() & 1 ? ViewKind::kDct : ViewKind::kPixels;
  spec.chroma_step = 1 + (input->byte() & 1);
  const bool narrow = input->byte() & 1;
  if (narrow) spec.type = spec.kind == ViewKind::kDct ? SampleType::kInt16 : SampleType::kUint8;
  spec.rgb = input->byte() & 1;
  form.width = form.height = 16 * (1 + input->byte() % 3);
  return form;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  BatchTask task;
  task.form = read_form(&input);
  task.views = 4;
  task.replace = input.byte() & 1;
  const Image image = read_image(&input);
  const Codec codec = input.byte() & 1 ? Codec::kZstd : Codec::kNone;
  const size_t count = 1 + input.byte() % 4;
  std::vector<uint8_t> bytes;
  if (input.byte() & 1) {
    bytes.resize(input.number() % 4096);
    for (uint8_t& byte : bytes) byte = input.byte();
  } else {
    bytes = packed_bytes(&input, image, codec);
  }
  const Content content = content_of(bytes);
  std::vector<double> samples(count * kSampleNumbers), pairs;
  for (size_t i = 0; i < count; i++)
    write_sample(&input, task.form, image, codec, content, i, samples.data() + i * kSampleNumbers);
  if (input.byte() & 1) {
    pairs = {0, 1, input.byte() & 1 ? 0.25 : -1, 0, 0, 0, 0};
    for (int i = 3; i < 7; i++) pairs[size_t(i)] = maybe_wild(&input, input.byte());
    for (int i = 0; i < 3; i++) pairs[size_t(i)] = maybe_wild(&input, pairs[size_t(i)]);
  }
  task.memory = {{content.bytes.data(), content.bytes.size()}};
  task.blocks = task.memory;
  task.layouts = {{image.layout.data(), image.layout.size()}};
  task.samples = samples.data();
  task.sample_count = count;
  task.pairs = pairs.data();
  task.pair_count = pairs.size() / kPairNumbers;
  std::vector<float> empty[3];
  task.planes = planes_of(task.form, empty);
  Status first_status;
  std::vector<BatchFailure> first_failures;
  // Kept from task to task, as in a worker.
  static std::map<Simd, BatchTools> tools;
  for (const Simd level : levels()) {
    std::vector<std::vector<uint8_t>> memory;
    for (BatchPlane& plane : task.planes) {
      memory.emplace_back(task.views * plane.view_bytes());
      plane.data = memory.back().data();
    }
    BatchTask own = task;
    std::vector<BatchFailure> failures;
    const Status status = render_batch(&own, &tools.try_emplace(level, level).first->second, &failures);
    require(status.ok() || status.code == Code::kInvalidArgument, "a task fails for a reason that is a sample's own");
    if (level == Simd::kScalar) {
      first_status = status;
      first_failures = failures;
    }
    require(status.code == first_status.code && failures.size() == first_failures.size(), "SIMD levels differ");
    for (size_t i = 0; i < failures.size(); i++)
      require(failures[i].sample == first_failures[i].sample &&
                  failures[i].status.code == first_failures[i].status.code &&
                  failures[i].copy_of == first_failures[i].copy_of,
              "a SIMD level refuses another sample");
  }
  return 0;
}
