// Views without I/O and without JavaScript, on one core, against what other loaders do: libjpeg and a resize.
// bench/views.ts builds and runs it. Usage: views SIZE resized|whole PASSES < images, each behind its length as 4
// little-endian bytes. Prints "name value" lines: images per second, median of the passes, which take turns; and bytes
// per second of plain writes.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../src/native/image_reader.h"
#include "../src/native/jpeg/jpeg_session.h"
#include "../src/native/seek/block.h"
#include "../src/native/seek/builder.h"
#include "../src/native/seek/rows.h"
#include "../src/native/view/view.h"
#include "images.h"

using namespace dctstream;

namespace {

struct Record {
  Bytes jpeg, plain, zstd, index;  // index: an open block
  JpegFacts facts;
  ViewImage image;
  ViewAxis x, y;
};

// torchvision's RandomResizedCrop, and a flip.
void choose_box(int width, int height, int size, std::mt19937* random, ViewAxis* x, ViewAxis* y) {
  std::uniform_real_distribution<double> unit(0, 1);
  int w = width, h = height;
  for (int attempt = 0; attempt < 10; attempt++) {
    const double area = double(width) * height * (0.08 + 0.92 * unit(*random));
    const double ratio = std::exp(std::log(0.75) + (std::log(4.0 / 3) - std::log(0.75)) * unit(*random));
    const int tall = int(std::lround(std::sqrt(area / ratio))), wide = int(std::lround(std::sqrt(area * ratio)));
    if (wide < 1 || tall < 1 || wide > width || tall > height) continue;
    w = wide;
    h = tall;
    break;
  }
  const int left = int((*random)() % unsigned(width - w + 1)), top = int((*random)() % unsigned(height - h + 1));
  *x = {double(left), double(left + w), double(size), 0, size, unit(*random) < 0.5};
  *y = {double(top), double(top + h), double(size), 0, size, false};
}

struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf escape;
};
void on_error(j_common_ptr c) { std::longjmp(reinterpret_cast<ErrorManager*>(c->err)->escape, 1); }
void on_message(j_common_ptr, int) {}

// What a loader of 8-bit pixels does: all of the image, row by row to where it goes.
bool decode(const Record& record, uint8_t* out) {
  jpeg_decompress_struct d;
  ErrorManager e;
  d.err = jpeg_std_error(&e.base);
  e.base.error_exit = on_error;
  e.base.emit_message = on_message;
  jpeg_create_decompress(&d);
  if (setjmp(e.escape)) {
    jpeg_destroy_decompress(&d);
    return false;
  }
  jpeg_mem_src(&d, record.jpeg.data(), record.jpeg.size());
  jpeg_read_header(&d, TRUE);
  d.out_color_space = JCS_RGB;
  jpeg_start_decompress(&d);
  while (d.output_scanline < d.output_height) {
    JSAMPROW line = out + size_t(d.output_scanline) * d.output_width * 3;
    jpeg_read_scanlines(&d, &line, 1);
  }
  jpeg_finish_decompress(&d);
  jpeg_destroy_decompress(&d);
  return true;
}

// What a pixel loader does: the rows and columns of the box through libjpeg (all of them when `partial` is false),
// resampled with vector instructions to [size, size, 3] in float.
class PixelLoader {
 public:
  bool load(const Record& record, bool partial, bool resize, int size, float* out) {
    jpeg_decompress_struct d;
    ErrorManager e;
    d.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    e.base.emit_message = on_message;
    jpeg_create_decompress(&d);
    if (setjmp(e.escape)) {
      jpeg_destroy_decompress(&d);
      return false;
    }
    jpeg_mem_src(&d, record.jpeg.data(), record.jpeg.size());
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    const int top = partial ? int(record.y.box_start) : 0,
              bottom = partial ? int(record.y.box_end) : int(d.output_height);
    JDIMENSION left = 0, width = d.output_width;
    if (partial) {
      left = JDIMENSION(record.x.box_start);
      width = JDIMENSION(record.x.box_end) - left;
      jpeg_crop_scanline(&d, &left, &width);
      if (top > 0) jpeg_skip_scanlines(&d, JDIMENSION(top));
    }
    const size_t stride = size_t(d.output_width) * 3;
    rows_.resize(stride * size_t(bottom - top) + 16);
    for (int row = top; row < bottom; row++) {
      JSAMPROW line = rows_.data() + size_t(row - top) * stride;
      jpeg_read_scanlines(&d, &line, 1);
    }
    jpeg_abort_decompress(&d);
    jpeg_destroy_decompress(&d);
    if (!resize) {
      for (size_t i = 0; i < size_t(size) * size * 3; i++) out[i] = float(rows_[i]) / 255;
      return true;
    }
    ViewAxis x = record.x, y = record.y;
    x.box_start -= left;
    x.box_end -= left;
    if (partial) y.box_start = 0, y.box_end = bottom - top;
    compute_taps({x, 1, int(d.output_width), 1, size_t(size)}, &x_);
    compute_taps({y, 1, bottom - top, 1, size_t(size)}, &y_);
    line_.resize(stride + 16);
    for (int j = 0; j < size; j++) {
      const uint8_t* source = rows_.data() + size_t(y_.first[size_t(j)]) * stride;
      std::fill(line_.begin(), line_.end(), 0.0f);
      for (int k = 0; k < y_.taps; k++)
        add_row(source + size_t(k) * stride, stride, y_.weights[size_t(k) * y_.stride + size_t(j)]);
      for (int i = 0; i < size; i++, out += 3) {
        typedef float Pixel __attribute__((vector_size(16)));
        Pixel sum = {};
        for (int k = 0; k < x_.taps; k++) {
          Pixel pixel;
          std::memcpy(&pixel, line_.data() + 3 * (x_.first[size_t(i)] + k), 16);
          sum += pixel * x_.weights[size_t(k) * x_.stride + size_t(i)];
        }
        std::memcpy(out, &sum, 12);
      }
    }
    return true;
  }

 private:
  __attribute__((target_clones("avx2", "default"))) void add_row(const uint8_t* source, size_t count, float weight) {
    float* line = line_.data();
    for (size_t i = 0; i < count; i++) line[i] += weight * float(source[i]);
  }

  Bytes rows_;
  std::vector<float> line_;
  AxisTaps x_, y_;
};

void fill_past_caches(float* out, size_t count) {
#if defined(__x86_64__)
  for (size_t i = 0; i < count; i += 4) _mm_stream_ps(out + i, _mm_setzero_ps());
  _mm_sfence();
#else
  std::fill_n(out, count, 0.0f);
#endif
}

struct Measurement {
  std::string name;
  std::function<void(size_t)> work;  // of image i
  std::vector<double> rates;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int size = std::atoi(argv[1]), passes = std::atoi(argv[3]);
  const bool resized = std::string(argv[2]) == "resized";
  const Simd simd = simd_from_environment();
  std::mt19937 random(1);
  std::vector<Record> records;
  ImageReader reader(simd);
  SeekBuilder builder(simd);
  SeekOptions seek_options;
  seek_options.max_pixels = JpegLimits().max_pixels;
  for (Bytes& jpeg : read_images()) {
    Record record;
    ReadOptions options;
    options.codec = Codec::kNone;
    if (!reader.read(jpeg.data(), jpeg.size(), options).ok()) continue;
    record.plain = reader.packed();
    options.codec = Codec::kZstd;
    if (!reader.read(jpeg.data(), jpeg.size(), options).ok()) continue;
    record.zstd = reader.packed();
    record.facts = reader.facts();
    if (record.facts.color_space != ColorSpace::kYCbCr && record.facts.color_space != ColorSpace::kGrey) continue;
    if (!resized && (record.facts.width != size || record.facts.height != size)) continue;
    SeekSample sample;
    if (!builder.build(jpeg.data(), jpeg.size(), seek_options, &sample).ok()) continue;
    write_sample(sample, &record.index);
    record.jpeg = std::move(jpeg);
    records.push_back(std::move(record));
  }
  for (Record& record : records) {
    record.image.width = record.facts.width;
    record.image.height = record.facts.height;
    for (const JpegComponent& c : record.facts.components)
      record.image.components.push_back({c.h, c.v, c.stored, c.quant});
    if (resized) {
      choose_box(record.facts.width, record.facts.height, size, &random, &record.x, &record.y);
    } else {
      record.x = record.y = {0, double(size), double(size), 0, size, false};
    }
  }
  if (records.empty()) {
    std::fprintf(stderr, "no image that can be used%s\n", resized ? "" : ": their sides must be those of the views");
    return 2;
  }

  // Batches of 128 in turns over a few slots, as in a loader: results go to memory, not to the caches.
  constexpr size_t kBatch = 128, kSlots = 3;
  const size_t values = size_t(size) * size * 3;
  std::vector<float> memory(kBatch * kSlots * values + 16);
  float* const slots = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64 / 4;
  size_t turn = 0;
  const auto slot = [&] { return slots + (turn++ % (kBatch * kSlots)) * values; };

  Viewer viewer(simd);
  PixelLoader loader;
  ImageReader coefficients(simd);
  const auto spec_of = [](const Record& record, bool pixels) {
    ViewSpec spec;
    spec.kind = pixels ? ViewKind::kPixels : ViewKind::kDct;
    spec.chroma_step = 2;
    spec.x = record.x;
    spec.y = record.y;
    return spec;
  };
  const auto view = [&](bool pixels, bool zstd, SampleType type = SampleType::kFloat32) {
    return [&, pixels, zstd, type](size_t i) {
      const Record& record = records[i];
      ViewSpec spec = spec_of(record, pixels);
      spec.type = type;
      float* const out = slot();
      const size_t luma = size_t(size) * size;
      void* const planes[3] = {out, out + luma, out + luma + luma / 4};
      const Bytes& packed = zstd ? record.zstd : record.plain;
      const Status status =
          viewer.render(record.image, packed.data(), packed.size(), zstd ? Codec::kZstd : Codec::kNone, spec, planes);
      if (!status.ok()) std::abort();
    };
  };
  SeekRows rows(simd);
  SeekSample sample;
  double needed_bytes = 0, file_bytes = 0;
  const auto seek_view = [&](bool pixels) {
    return [&, pixels](size_t i) {
      const Record& record = records[i];
      const ViewSpec spec = spec_of(record, pixels);
      float* const out = slot();
      const size_t luma = size_t(size) * size;
      void* const planes[3] = {out, out + luma, out + luma + luma / 4};
      ByteRange range;
      Status status = read_sample(record.index.data(), record.index.size(), 0, &sample);
      if (status.ok()) status = bytes_of_view(sample, spec, &range);
      if (status.ok()) status = rows.open(sample, record.jpeg.data() + range.start, range, true);
      if (status.ok()) status = viewer.render(sample.view_image(), &rows, spec, planes);
      if (!status.ok()) std::abort();
      needed_bytes += range.end - range.start;
      file_bytes += double(record.jpeg.size());
    };
  };
  const auto build = [&](size_t i) {
    Bytes block;
    const Bytes& file = records[i].jpeg;
    if (!builder.build(file.data(), file.size(), seek_options, &sample).ok()) std::abort();
    write_sample(sample, &block);
  };
  Jpeg jpeg;
  std::vector<Measurement> all;
  all.push_back({"libjpeg-full", [&](size_t i) { loader.load(records[i], false, resized, size, slot()); }, {}});
  if (resized)
    all.push_back({"libjpeg-partial", [&](size_t i) { loader.load(records[i], true, true, size, slot()); }, {}});
  if (!resized) {
    const auto bytes = [&] { return reinterpret_cast<uint8_t*>(slot()); };
    all.push_back({"libjpeg-bytes", [&, bytes](size_t i) { (void)decode(records[i], bytes()); }, {}});
  }
  all.push_back(
      {"libjpeg-coefficients",
       [&](size_t i) { (void)read_jpeg(records[i].jpeg.data(), records[i].jpeg.size(), JpegLimits(), &jpeg); },
       {}});
  all.push_back({"dct-none", view(false, false), {}});
  all.push_back({"dct-zstd", view(false, true), {}});
  all.push_back({"rgb-none", view(true, false), {}});
  all.push_back({"rgb-zstd", view(true, true), {}});
  if (!resized) {
    all.push_back({"bytes-none", view(true, false, SampleType::kUint8), {}});
    all.push_back({"bytes-zstd", view(true, true, SampleType::kUint8), {}});
  }
  all.push_back({"dct-index", seek_view(false), {}});
  all.push_back({"rgb-index", seek_view(true), {}});
  all.push_back({"index-build", build, {}});
  // The limit of any kernel that writes its results to memory: stores that go past the caches, of nothing.
  std::vector<double> written;
  for (int pass = 0; pass < passes; pass++) {
    const double start = now();
    fill_past_caches(slots, kBatch * kSlots * values / 16 * 16);
    written.push_back(double(kBatch * kSlots * values / 16 * 64) / (now() - start));
  }
  std::sort(written.begin(), written.end());
  std::printf("write-bytes %f\n", written[written.size() / 2]);
  Compressor compressor;
  double sealed_bytes = 0, sealed_of = 0;
  for (size_t from = 0; from < records.size(); from += kMaxBlockSamples) {
    std::vector<OpenBlock> parts;
    for (size_t i = from; i < std::min(records.size(), from + kMaxBlockSamples); i++) {
      parts.push_back({records[i].index.data(), records[i].index.size()});
      sealed_of += double(records[i].jpeg.size());
    }
    Bytes sealed;
    if (!seal_block(parts, std::vector<uint64_t>(parts.size()), &compressor, &sealed).ok()) std::abort();
    sealed_bytes += double(sealed.size());
  }
  std::printf("index-share %f\n", sealed_bytes / sealed_of);
  const char* const only = std::getenv("VIEWS_ONLY");
  for (int pass = 0; pass <= passes; pass++) {
    for (Measurement& m : all) {
      if (only != nullptr && m.name != only) continue;
      const double start = now();
      for (size_t i = 0; i < records.size(); i++) m.work(i);
      if (pass > 0) m.rates.push_back(double(records.size()) / (now() - start));
    }
  }
  for (Measurement& m : all) {
    if (m.rates.empty()) continue;
    std::sort(m.rates.begin(), m.rates.end());
    std::printf("%s %f\n", m.name.c_str(), m.rates[m.rates.size() / 2]);
  }
  std::printf("range-share %f\n", needed_bytes / std::max(1.0, file_bytes));
}
