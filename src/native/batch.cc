#include "batch.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "seek/block.h"

namespace dctstream {
namespace {

// Numbers come as doubles: one that its type cannot hold must not be converted.
template <typename T>
bool whole(double value, double least, double most, T* out) {
  if (!(value >= least && value <= most)) return false;
  *out = T(value);
  return true;
}

constexpr double kMaxExact = 9007199254740991;  // 2^53 - 1
constexpr double kMaxUint32 = 4294967295, kMaxInt32 = 2147483647;
constexpr double kMaxImageSide = 65535;  // what a JPEG has bits for

Status invalid(const char* what) { return Status::failure(Code::kInvalidArgument, what); }
Status corrupt(const char* what) { return Status::failure(Code::kCorruptRecord, what); }

Status read_place(const double* p, const std::vector<ByteSpan>& memory, SamplePlace* place) {
  place->checked = p[kChecked] != 0;
  if (!whole(p[kBytes], 0, kMaxUint32, &place->bytes) || !whole(p[kOffset], 0, kMaxExact, &place->offset) ||
      !whole(p[kCrc32c], 0, kMaxUint32, &place->crc32c))
    return invalid("a sample lies nowhere");
  if (!(p[kMemory] >= 0))
    return whole(p[kFile], 0, kMaxInt32, &place->file) ? Status{} : invalid("a sample lies in no file");
  size_t at = 0;
  if (!whole(p[kMemory], 0, kMaxUint32, &at) || at >= memory.size() || place->offset + place->bytes > memory[at].length)
    return invalid("a sample lies outside its memory");
  place->memory = memory[at].data + place->offset;
  return {};
}

struct Layout {
  uint16_t quant[3][kBlockSize];
};

// Whether the blocks of a side are as many as its pixels need, up to whole MCUs. ITU-T T.81, A.2.
bool side_fits(int pixels, int factor, int largest, uint32_t blocks) {
  const uint32_t needed = ceil_div(uint32_t(pixels) * uint32_t(factor), 8 * uint32_t(largest));
  return blocks == ceil_div(needed, uint32_t(factor)) * uint32_t(factor);
}

// The image that a sample is of; false when there can be no such image.
bool read_image(const double* p, const std::vector<ByteSpan>& layouts, Layout* layout, ViewImage* image) {
  size_t table = 0, entry = 0;
  if (!whole(p[kLayouts], 0, kMaxUint32, &table) || !whole(p[kLayout], 0, kMaxUint32, &entry) ||
      table >= layouts.size() || (entry + 1) * kLayoutBytes > layouts[table].length ||
      !whole(p[kWidth], 1, kMaxImageSide, &image->width) || !whole(p[kHeight], 1, kMaxImageSide, &image->height))
    return false;
  const uint8_t* bytes = layouts[table].data + entry * kLayoutBytes;
  image->components.clear();
  int h_max = 1, v_max = 1;
  for (int c = 0; c < 3 && bytes[0] != 0; c++, bytes += kLayoutComponentBytes) {
    const int h = bytes[0], v = bytes[1];
    Grid grid;
    if (h > 4 || v < 1 || v > 4 || !whole(p[kGrid + 2 * c], 1, kMaxImageSide, &grid.blocks_wide) ||
        !whole(p[kGrid + 2 * c + 1], 1, kMaxImageSide, &grid.blocks_high))
      return false;
    std::memcpy(layout->quant[c], bytes + 2, sizeof(layout->quant[c]));
    image->components.push_back({h, v, grid, layout->quant[c]});
    h_max = std::max(h_max, h);
    v_max = std::max(v_max, v);
  }
  for (const ViewComponent& component : image->components) {
    if (!side_fits(image->width, component.h, h_max, component.stored.blocks_wide) ||
        !side_fits(image->height, component.v, v_max, component.stored.blocks_high))
      return false;
  }
  return image->components.size() == 1 || image->components.size() == 3;
}

bool read_box(const double* p, PixelBox* box) {
  return whole(p[kBoxTop], 0, kMaxInt32, &box->top) && whole(p[kBoxLeft], 0, kMaxInt32, &box->left) &&
         whole(p[kBoxBottom], 0, kMaxInt32, &box->bottom) && whole(p[kBoxRight], 0, kMaxInt32, &box->right);
}

void copy_view(const std::vector<BatchPlane>& planes, size_t from, size_t to) {
  for (const BatchPlane& plane : planes) std::memcpy(plane.view(to), plane.view(from), plane.view_bytes());
}

void clear_view(const std::vector<BatchPlane>& planes, size_t place) {
  for (const BatchPlane& plane : planes) std::memset(plane.view(place), 0, plane.view_bytes());
}

constexpr size_t kTimedEvery = 32;

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point began) {
  return std::chrono::duration<double, std::nano>(Clock::now() - began).count();
}

// A sample that is a JPEG file: what the index says of it, and the bytes of it that are read.
struct SeekSource {
  SeekSample sample;
  ByteRange range;
  Status status;  // of finding these
};

// What a task's samples are rendered with, one after another.
class Renderer {
 public:
  Renderer(BatchTask* task, BatchTools* tools) : task_(*task), tools_(*tools), places_(task->sample_count) {}

  // Everything of the task that no data decides; nothing is rendered when it is wrong.
  Status open() {
    for (size_t i = 0; i < task_.sample_count; i++) {
      const double* p = numbers(i);
      ViewAxis x, y;
      PixelBox box;
      if (Status s = read_place(p, task_.memory, &places_[i]); !s.ok()) return s;
      if (!(p[kPlace] >= 0 && p[kPlace] < double(task_.views)))
        return invalid("a sample's place lies outside the batch");
      if (!read_axis(p + kAxisX, &x) || !read_axis(p + kAxisY, &y) || x.out_count != task_.form.width ||
          y.out_count != task_.form.height)
        return invalid("a view has another size than its batch");
      if (!read_box(p + kErase, &box)) return invalid("a box to erase lies outside its view");
      if (!(p[kBlock] >= 0)) continue;
      if (!(p[kBlock] < double(task_.blocks.size())) || !(p[kBlockSample] >= 0 && p[kBlockSample] <= kMaxUint32) ||
          !(p[kFirstByte] >= 0 && p[kFirstByte] <= kMaxUint32))
        return invalid("a sample is described nowhere");
      seeks_.resize(task_.sample_count);
      seeks_[i].status = find_range(i, &seeks_[i]);
    }
    for (size_t i = 0; i < task_.pair_count; i++) {
      const double* p = task_.pairs + i * kPairNumbers;
      PixelBox box;
      const double views = double(task_.views);
      if (!(p[kPairA] >= 0 && p[kPairA] < views && p[kPairB] >= 0 && p[kPairB] < views) ||
          !read_box(p + kPairBox, &box))
        return invalid("a pair lies outside the batch");
    }
    return {};
  }

  Status render(size_t i) {
    set_view(i);
    // A sample now and then: reading the clock for every row of blocks would cost a few per cent.
    const bool timed = task_.times != nullptr && i % kTimedEvery == (task_.sample_count - 1) % kTimedEvery;
    tools_.viewer.time_unpacking(timed ? &task_.times[kTimeUnpack] : nullptr);
    const auto began = timed ? Clock::now() : Clock::time_point();
    const uint8_t* bytes = nullptr;
    Status status = describe(i);
    if (status.ok()) status = tools_.reader.read(places_, i, &bytes);
    if (timed) task_.times[kTimeRead] += nanoseconds_since(began);
    if (status.ok()) status = render_into(i, bytes);
    if (timed) task_.times[kTimeAll] += nanoseconds_since(began);
    return status;
  }

  size_t place_of(size_t i) const { return size_t(numbers(i)[kPlace]); }

 private:
  const double* numbers(size_t i) const { return task_.samples + i * kSampleNumbers; }

  bool seeks(size_t i) const { return numbers(i)[kBlock] >= 0; }

  void set_view(size_t i) {
    ViewSpec& spec = task_.form.spec;
    const double* p = numbers(i);
    (void)read_axis(p + kAxisX, &spec.x);
    (void)read_axis(p + kAxisY, &spec.y);
    spec.color = read_color(p + kColor);
  }

  // Narrows a file's place to the bytes that its view needs: these alone are asked for and read.
  Status find_range(size_t i, SeekSource* seek) {
    const double* p = numbers(i);
    const ByteSpan& block = task_.blocks[size_t(p[kBlock])];
    if (Status s = read_sample(block.data, block.length, uint32_t(p[kBlockSample]), &seek->sample); !s.ok()) return s;
    set_view(i);
    if (Status s = bytes_of_view(seek->sample, task_.form.spec, &seek->range); !s.ok()) return s;
    SamplePlace& place = places_[i];
    const uint64_t first = uint64_t(p[kFirstByte]);
    if (seek->range.start < first || seek->range.end > first + place.bytes)
      return corrupt("fewer bytes are there than the view needs");
    const uint64_t skipped = seek->range.start - first;
    if (place.memory != nullptr) place.memory += skipped;
    place.offset += skipped;
    place.bytes = seek->range.end - seek->range.start;
    place.checked = false;  // row by row instead
    return {};
  }

  // The image of a sample.
  Status describe(size_t i) {
    if (!seeks(i)) {
      const bool described = read_image(numbers(i), task_.layouts, &layout_, &image_);
      return described ? Status{} : corrupt("the index describes no image");
    }
    if (seeks_[i].status.ok()) image_ = seeks_[i].sample.view_image();
    return seeks_[i].status;
  }

  Status render_image(size_t i, const uint8_t* bytes, void* const out[3]) {
    const double* p = numbers(i);
    const ViewSpec& spec = task_.form.spec;
    if (seeks(i)) {
      const SeekSource& seek = seeks_[i];
      SeekRows* const rows = &tools_.seek_rows;
      if (Status s = rows->open(seek.sample, bytes, seek.range, p[kChecked] != 0); !s.ok()) return s;
      return tools_.viewer.render(image_, rows, spec, out);
    }
    Codec codec;
    if (!codec_of(p[kCodec], &codec)) return invalid("no codec of that number");
    return tools_.viewer.render(image_, bytes, places_[i].bytes, codec, spec, out);
  }

  Status render_into(size_t i, const uint8_t* bytes) {
    const double* p = numbers(i);
    const size_t place = place_of(i);
    void* out[3] = {};
    for (size_t c = 0; c < task_.planes.size(); c++) out[c] = task_.planes[c].view(place);
    if (Status s = render_image(i, bytes, out); !s.ok()) return s;
    PixelBox box;
    if (read_box(p + kErase, &box) && box.bottom > box.top)
      for (const BatchPlane& plane : task_.planes) erase_box(plane, place, box);
    return {};
  }

  BatchTask& task_;
  BatchTools& tools_;
  std::vector<SamplePlace> places_;
  std::vector<SeekSource> seeks_;  // by sample; empty where all are packed records
  Layout layout_;
  ViewImage image_;
};

void mix_pairs(const BatchTask& task) {
  for (size_t i = 0; i < task.pair_count; i++) {
    const double* p = task.pairs + i * kPairNumbers;
    const size_t a = size_t(p[kPairA]), b = size_t(p[kPairB]);
    PixelBox box;
    (void)read_box(p + kPairBox, &box);
    for (const BatchPlane& plane : task.planes) {
      if (p[kPairShare] >= 0) {
        mix_views(plane, a, b, float(p[kPairShare]));
      } else {
        exchange_box(plane, a, b, box);
      }
    }
  }
}

}  // namespace

std::vector<BatchPlane> planes_of(const BatchForm& form, std::vector<float> empty[3]) {
  const ViewSpec& spec = form.spec;
  const bool dct = spec.kind == ViewKind::kDct;
  std::vector<BatchPlane> planes(dct ? 3 : 1);
  for (size_t i = 0; i < planes.size(); i++) {
    BatchPlane& plane = planes[i];
    plane.type = spec.type;
    plane.step = dct ? size_t(8) * size_t(i == 0 ? 1 : spec.chroma_step) : 1;
    plane.rows = size_t(form.height) / plane.step;
    plane.columns = size_t(form.width) / plane.step;
    plane.depth = dct ? size_t(spec.kept_count[i]) : 3;
    for (size_t k = 0; k < plane.depth; k++) {
      if (dct) {
        const size_t frequency = spec.kept[i] != nullptr ? spec.kept[i][k] : k;
        const float bias = spec.frequency_bias != nullptr ? spec.frequency_bias[i * kBlockSize + frequency] : 0;
        empty[i].push_back(spec.type == SampleType::kInt16 ? bias * kInt16Steps : bias);
      } else {
        empty[i].push_back(128 * spec.scale[k] + spec.bias[k]);
      }
    }
    plane.empty = empty[i].data();
  }
  return planes;
}

bool read_axis(const double* p, ViewAxis* axis) {
  *axis = {p[kBoxStart], p[kBoxEnd], p[kScaledSize], p[kOutStart], 0, p[kFlip] != 0};
  return whole(p[kOutCount], 1, kMaxImageSide, &axis->out_count);
}

ColorChange read_color(const double* p) {
  return {float(p[kColorLuma]), float(p[kColorChroma]), float(p[kColorOffset]), float(p[kColorOffsetOfMean])};
}

Status render_batch(BatchTask* task, BatchTools* tools, std::vector<BatchFailure>* failures) {
  Renderer renderer(task, tools);
  if (Status s = renderer.open(); !s.ok()) return s;
  const size_t count = task->sample_count;
  std::vector<bool> good(count, true);
  for (size_t i = 0; i < count; i++) {
    Status status = renderer.render(i);
    if (status.ok()) continue;
    good[i] = false;
    failures->push_back({i, std::move(status), -1});
  }
  for (BatchFailure& failure : *failures) {
    size_t other = failure.sample;
    while (other > 0 && !good[other]) other--;
    while (other < count && !good[other]) other++;
    if (task->replace && other < count) {
      copy_view(task->planes, renderer.place_of(other), renderer.place_of(failure.sample));
      failure.copy_of = int(other);
    } else {
      clear_view(task->planes, renderer.place_of(failure.sample));
    }
  }
  mix_pairs(*task);
  return {};
}

}  // namespace dctstream
