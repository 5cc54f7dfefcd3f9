// The views' side of the binding: one view of one record, and a batch of views from many.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include "binding.h"
#include "compose.h"

namespace dctstream {
namespace {

constexpr size_t kAxisNumbers = 6;

ViewAxis axis_from(const double* p) { return {p[0], p[1], p[2], p[3], int(p[4]), p[5] != 0}; }

// [width, height, then per component h, v, stored blocks wide, stored blocks high]; quant: 64 per component
bool get_image(const Napi::Value& geometry_value, const Napi::Value& quant_value, ViewImage* image) {
  Span<const int32_t> geometry;
  Span<const uint16_t> quant;
  if (!get_span<const int32_t>(geometry_value, napi_int32_array, &geometry) ||
      !get_span<const uint16_t>(quant_value, napi_uint16_array, &quant))
    return false;
  const size_t components = quant.length / kBlockSize;
  if (components == 0 || components > kMaxComponents || quant.length % kBlockSize != 0 ||
      geometry.length != 2 + 4 * components)
    return false;
  image->width = geometry.data[0];
  image->height = geometry.data[1];
  for (size_t i = 0; i < components; i++) {
    const int32_t* g = geometry.data + 2 + 4 * i;
    if (g[2] < 1 || g[3] < 1 || g[2] > 32768 || g[3] > 32768) return false;
    image->components.push_back({g[0], g[1], {uint32_t(g[2]), uint32_t(g[3])}, quant.data + i * kBlockSize});
  }
  return true;
}

// What the views of a batch have in common.
enum FormNumber {
  kFormKind,        // 0 DCT, 1 pixels
  kFormType,        // SampleType
  kFormChromaStep,  // DCT
  kFormRgb,         // pixels: 1 RGB, 0 Y Cb Cr
  kFormScale,       // pixels, 3
  kFormBias = kFormScale + 3,
  kFormWidth = kFormBias + 3,
  kFormHeight,
  kFormNumbers
};

// Numbers, frequency tables ([scale, bias][3][64], or none) and the kept frequencies of each component (or none).
struct Form {
  ViewSpec spec;
  int width = 0, height = 0;
};

bool get_form(const Napi::Value& numbers_value, const Napi::Value& tables_value, const Napi::Value& kept_value,
              Form* form) {
  Span<const double> numbers;
  if (!get_span<const double>(numbers_value, napi_float64_array, &numbers) || numbers.length != kFormNumbers)
    return false;
  const double* p = numbers.data;
  ViewSpec& spec = form->spec;
  spec.kind = p[kFormKind] == 0 ? ViewKind::kDct : ViewKind::kPixels;
  if (p[kFormType] < 0 || p[kFormType] > 2) return false;
  spec.type = SampleType(int(p[kFormType]));
  spec.chroma_step = int(p[kFormChromaStep]);
  spec.rgb = p[kFormRgb] != 0;
  for (int c = 0; c < 3; c++) {
    spec.scale[c] = float(p[kFormScale + c]);
    spec.bias[c] = float(p[kFormBias + c]);
  }
  form->width = int(p[kFormWidth]);
  form->height = int(p[kFormHeight]);
  if (tables_value.IsTypedArray()) {
    Span<const float> tables;
    if (!get_span<const float>(tables_value, napi_float32_array, &tables) || tables.length != 2 * 3 * kBlockSize)
      return false;
    spec.frequency_scale = tables.data;
    spec.frequency_bias = tables.data + 3 * kBlockSize;
  }
  if (kept_value.IsArray()) {
    const Napi::Array lists = kept_value.As<Napi::Array>();
    if (lists.Length() != 3) return false;
    for (uint32_t c = 0; c < 3; c++) {
      Span<const uint8_t> list;
      if (!get_bytes(lists.Get(c), &list) || list.length > kBlockSize) return false;
      for (size_t i = 0; i < list.length; i++)
        if (list.data[i] >= kBlockSize) return false;
      spec.kept[c] = list.data;
      spec.kept_count[c] = int(list.length);
    }
  }
  const bool sized = form->width >= 1 && form->height >= 1 && form->width <= 16384 && form->height <= 16384;
  return sized && (spec.chroma_step == 1 || spec.chroma_step == 2);
}

// The arrays of a batch, each of `views` views. `empty` holds what mid-grey is in them.
bool get_planes(const Napi::Value& value, const Form& form, size_t views, std::vector<BatchPlane>* planes,
                std::vector<float> empty[3]) {
  if (!value.IsArray()) return false;
  const Napi::Array arrays = value.As<Napi::Array>();
  const ViewSpec& spec = form.spec;
  const bool dct = spec.kind == ViewKind::kDct;
  if (arrays.Length() != (dct ? 3u : 1u)) return false;
  for (uint32_t i = 0; i < arrays.Length(); i++) {
    BatchPlane plane;
    plane.type = spec.type;
    plane.step = dct ? size_t(8) * (i == 0 ? 1 : spec.chroma_step) : 1;
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
    const napi_typedarray_type types[3] = {napi_float32_array, napi_int16_array, napi_uint8_array};
    Span<uint8_t> span;
    if (!get_span<uint8_t>(arrays.Get(i), types[int(spec.type)], &span) || span.length < views * plane.values())
      return false;
    plane.data = span.data;
    planes->push_back(plane);
  }
  return true;
}

// Numbers of one sample of a batch.
enum SampleNumber {
  kMemory,  // index of the memory it lies in, or -1: in a file
  kFile,
  kOffset,
  kBytes,
  kCrc32c,
  kChecked,  // whether the CRC-32C is still to be checked
  kCodec,
  kWidth,
  kHeight,
  kLayouts,            // index of the table of layouts
  kLayout,             // index in that table
  kGrid,               // 6
  kPlace = kGrid + 6,  // in the batch
  kAxisX,
  kAxisY = kAxisX + int(kAxisNumbers),
  kColor = kAxisY + int(kAxisNumbers),  // luma, chroma, offset, offset of mean
  kErase = kColor + 4,                  // top, left, bottom, right; all zero: nothing
  kSampleNumbers = kErase + 4
};
static_assert(kSampleNumbers == kBatchSampleNumbers, "binding.h says how many");

// As the index stores them: per component h, v, and a table of 64 little-endian uint16.
constexpr size_t kLayoutComponentBytes = 2 + 2 * kBlockSize, kLayoutBytes = 3 * kLayoutComponentBytes;

struct Layout {
  uint16_t quant[3][kBlockSize];
};

bool get_record(const double* p, const std::vector<Span<const uint8_t>>& layouts, Layout* layout, ViewImage* image) {
  const size_t table = size_t(p[kLayouts]), entry = size_t(p[kLayout]);
  if (table >= layouts.size() || (entry + 1) * kLayoutBytes > layouts[table].length) return false;
  const uint8_t* bytes = layouts[table].data + entry * kLayoutBytes;
  image->width = int(p[kWidth]);
  image->height = int(p[kHeight]);
  image->components.clear();
  for (int c = 0; c < 3; c++, bytes += kLayoutComponentBytes) {
    if (bytes[0] == 0) break;
    const Grid grid = {uint32_t(p[kGrid + 2 * c]), uint32_t(p[kGrid + 2 * c + 1])};
    if (grid.blocks_wide < 1 || grid.blocks_high < 1 || grid.blocks_wide > 32768 || grid.blocks_high > 32768)
      return false;
    std::memcpy(layout->quant[c], bytes + 2, sizeof(layout->quant[c]));
    image->components.push_back({bytes[0], bytes[1], grid, layout->quant[c]});
  }
  return !image->components.empty();
}

PixelBox box_from(const double* p) { return {int(p[0]), int(p[1]), int(p[2]), int(p[3])}; }

// A pair of views to be mixed: a, b, share of a (below 0: exchange the box instead), box.
constexpr size_t kPairNumbers = 7;

void copy_view(const std::vector<BatchPlane>& planes, size_t from, size_t to) {
  for (const BatchPlane& plane : planes) std::memcpy(plane.view(to), plane.view(from), plane.view_bytes());
}

void clear_view(const std::vector<BatchPlane>& planes, size_t place) {
  for (const BatchPlane& plane : planes) std::memset(plane.view(place), 0, plane.view_bytes());
}

// Nanoseconds of the samples that are timed: reading, unpacking, all of it.
enum TimeNumber { kTimeRead, kTimeUnpack, kTimeAll, kTimes };
constexpr size_t kTimedEvery = 32;

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point began) {
  return std::chrono::duration<double, std::nano>(Clock::now() - began).count();
}

struct Failure {
  size_t sample;
  Status status;
  int copy_of = -1;  // the sample that its place shows instead
};

Napi::Value failures_to_js(Napi::Env env, const std::vector<Failure>& failures) {
  if (failures.empty()) return env.Undefined();
  Napi::Array list = Napi::Array::New(env);
  for (const Failure& failure : failures) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("sample", Napi::Number::New(env, double(failure.sample)));
    entry.Set("code", Napi::String::New(env, code_name(failure.status.code)));
    entry.Set("message", Napi::String::New(env, failure.status.message));
    entry.Set("copyOf", Napi::Number::New(env, failure.copy_of));
    list.Set(list.Length(), entry);
  }
  return list;
}

}  // namespace

// renderView(geometry: Int32Array, quant: Uint16Array, packed: Uint8Array, codec, form: Float64Array, axes:
// Float64Array, tables?: Float32Array, kept?: Uint8Array[3], out: typed arrays)
Napi::Value RenderView(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ViewImage image;
  Span<const uint8_t> packed;
  Codec codec;
  Form form;
  Span<const double> axes;
  if (!get_image(info[0], info[1], &image) || !get_bytes(info[2], &packed) || !get_codec(info[3], &codec) ||
      !get_form(info[4], info[6], info[7], &form) || !get_span<const double>(info[5], napi_float64_array, &axes) ||
      axes.length != 2 * kAxisNumbers + 4) {
    return bad_argument(env, "renderView(geometry, quant, packed, codec, form, axes, tables, kept, out)");
  }
  ViewSpec& spec = form.spec;
  spec.x = axis_from(axes.data);
  spec.y = axis_from(axes.data + kAxisNumbers);
  const double* color = axes.data + 2 * kAxisNumbers;
  spec.color = {float(color[0]), float(color[1]), float(color[2]), float(color[3])};
  std::vector<BatchPlane> planes;
  std::vector<float> empty[3];
  if (spec.x.out_count != form.width || spec.y.out_count != form.height ||
      !get_planes(info[8], form, 1, &planes, empty))
    return bad_argument(env, "renderView: an output has the wrong type or length");
  void* out[3] = {};
  for (size_t i = 0; i < planes.size(); i++) out[i] = planes[i].data;
  const Status status =
      env.GetInstanceData<Scratch>()->viewer.render(image, packed.data, packed.length, codec, spec, out);
  return status.ok() ? env.Undefined() : fail(env, status);
}

// renderBatch(memory: Uint8Array[], layouts: Uint8Array[], samples: Float64Array [n, kSampleNumbers], form, tables?,
// kept?, out: typed arrays of `views` views, views, pairs: Float64Array [m, kPairNumbers], replace: boolean, times?:
// Float64Array(3)) Undefined when all went well; otherwise the samples that failed. Their places are copies of a
// neighbour's when `replace` says so and there is one, and zero otherwise.
Napi::Value RenderBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const double> samples, pairs;
  Form form;
  std::vector<BatchPlane> planes;
  std::vector<float> empty[3];
  std::vector<Span<const uint8_t>> memory, layouts;
  const auto get_list = [](const Napi::Value& value, std::vector<Span<const uint8_t>>* list) {
    if (!value.IsArray()) return false;
    const Napi::Array array = value.As<Napi::Array>();
    list->resize(array.Length());
    for (uint32_t i = 0; i < array.Length(); i++)
      if (!get_bytes(array.Get(i), &(*list)[i])) return false;
    return true;
  };
  const size_t views = info[7].IsNumber() ? size_t(info[7].As<Napi::Number>().Int64Value()) : 0;
  if (!get_list(info[0], &memory) || !get_list(info[1], &layouts) ||
      !get_span<const double>(info[2], napi_float64_array, &samples) || samples.length % kSampleNumbers != 0 ||
      !get_form(info[3], info[4], info[5], &form) || !get_planes(info[6], form, views, &planes, empty) ||
      !get_span<const double>(info[8], napi_float64_array, &pairs) || pairs.length % kPairNumbers != 0) {
    return bad_argument(env, "renderBatch(memory, layouts, samples, form, tables, kept, out, views, pairs, replace)");
  }
  const bool replace = info[9].ToBoolean().Value();
  Span<double> times;
  if (!get_span<double>(info[10], napi_float64_array, &times) || times.length != kTimes) times.length = 0;
  const size_t count = samples.length / kSampleNumbers;
  std::vector<SamplePlace> places(count);
  for (size_t i = 0; i < count; i++) {
    const double* p = samples.data + i * kSampleNumbers;
    SamplePlace& place = places[i];
    place.bytes = uint32_t(p[kBytes]);
    place.offset = uint64_t(p[kOffset]);
    place.checked = p[kChecked] != 0;
    place.crc32c = uint32_t(p[kCrc32c]);
    place.file = int(p[kFile]);
    if (p[kMemory] >= 0) {
      const size_t at = size_t(p[kMemory]);
      if (at >= memory.size() || place.offset + place.bytes > memory[at].length)
        return bad_argument(env, "renderBatch: a sample lies outside its memory");
      place.memory = memory[at].data + place.offset;
    }
    if (size_t(p[kPlace]) >= views) return bad_argument(env, "renderBatch: a sample's place lies outside the batch");
  }
  std::vector<Failure> failures;
  std::vector<bool> good(count, true);
  Layout layout;
  ViewImage image;
  for (size_t i = 0; i < count; i++) {
    const double* p = samples.data + i * kSampleNumbers;
    ViewSpec& spec = form.spec;
    spec.x = axis_from(p + kAxisX);
    spec.y = axis_from(p + kAxisY);
    if (spec.x.out_count != form.width || spec.y.out_count != form.height)
      return bad_argument(env, "renderBatch: a view has another size than its batch");
    spec.color = {float(p[kColor]), float(p[kColor + 1]), float(p[kColor + 2]), float(p[kColor + 3])};
    void* out[3] = {};
    for (size_t c = 0; c < planes.size(); c++) out[c] = planes[c].view(size_t(p[kPlace]));
    const uint8_t* bytes = nullptr;
    // A sample now and then: reading the clock for every row of blocks would cost a few per cent.
    const bool timed = times.length > 0 && i % kTimedEvery == (count - 1) % kTimedEvery;
    scratch->viewer.time_unpacking(timed ? &times.data[kTimeUnpack] : nullptr);
    const auto began = timed ? Clock::now() : Clock::time_point();
    Status status = get_record(p, layouts, &layout, &image)
                        ? scratch->sample_reader.read(places, i, &bytes)
                        : Status::failure(Code::kCorruptRecord, "the index describes no image");
    const Codec codec = p[kCodec] == 0 ? Codec::kNone : Codec::kZstd;
    if (timed) times.data[kTimeRead] += nanoseconds_since(began);
    if (status.ok()) status = scratch->viewer.render(image, bytes, places[i].bytes, codec, spec, out);
    if (timed) times.data[kTimeAll] += nanoseconds_since(began);
    if (!status.ok()) {
      good[i] = false;
      failures.push_back({i, status, -1});
      continue;
    }
    const PixelBox box = box_from(p + kErase);
    if (box.bottom > box.top)
      for (const BatchPlane& plane : planes) erase_box(plane, size_t(p[kPlace]), box);
  }
  for (Failure& failure : failures) {
    const auto place_of = [&](size_t i) { return size_t(samples.data[i * kSampleNumbers + kPlace]); };
    size_t other = failure.sample;
    while (other > 0 && !good[other]) other--;
    while (other < count && !good[other]) other++;
    if (replace && other < count) {
      copy_view(planes, place_of(other), place_of(failure.sample));
      failure.copy_of = int(other);
    } else {
      clear_view(planes, place_of(failure.sample));
    }
  }
  for (size_t i = 0; i < pairs.length; i += kPairNumbers) {
    const double* p = pairs.data + i;
    const size_t a = size_t(p[0]), b = size_t(p[1]);
    if (a >= views || b >= views) return bad_argument(env, "renderBatch: a pair lies outside the batch");
    for (const BatchPlane& plane : planes) {
      if (p[2] >= 0) {
        mix_views(plane, a, b, float(p[2]));
      } else {
        exchange_box(plane, a, b, box_from(p + 3));
      }
    }
  }
  return failures_to_js(env, failures);
}

}  // namespace dctstream
