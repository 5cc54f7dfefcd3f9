// JavaScript values <-> the cores. The only file that knows Node; src/native/index.ts is its typed other side.
// It checks the type and the length of every view; what the numbers mean was checked by the caller.
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>

#include "crc32c.h"
#include "encode.h"
#include "frequency_stats.h"
#include "jpeg.h"
#include "pack.h"
#include "scan.h"
#include "view.h"

namespace {

using namespace dctstream;

// One per environment (main thread or worker): buffers that keep their capacity from image to image.
struct Scratch {
  Simd simd = simd_from_environment();
  Jpeg jpeg;
  Packer packer{simd};
  Unpacker unpacker{simd};
  Viewer viewer{simd};
  std::vector<uint8_t> packed, rebuilt;
};

Napi::Value fail(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message);
  error.Set("code", Napi::String::New(env, code_name(status.code)));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value bad_argument(Napi::Env env, const char* what) {
  return fail(env, Status::failure(Code::kInvalidArgument, what));
}

template <typename T>
struct Span {
  T* data = nullptr;
  size_t length = 0;
};

template <typename T>
bool get_span(const Napi::Value& value, napi_typedarray_type type, Span<T>* span) {
  if (!value.IsTypedArray()) return false;
  napi_typedarray_type found;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &found, &length, &data, nullptr, nullptr) != napi_ok) return false;
  if (found != type) return false;
  *span = {static_cast<T*>(data), length};
  return true;
}

bool get_bytes(const Napi::Value& value, Span<const uint8_t>* span) {
  return get_span<const uint8_t>(value, napi_uint8_array, span);
}

bool get_codec(const Napi::Value& value, Codec* codec) {
  if (!value.IsNumber()) return false;
  const int id = value.As<Napi::Number>().Int32Value();
  *codec = id == 0 ? Codec::kNone : Codec::kZstd;
  return id == 0 || id == 1;
}

// [wide, high] per component.
bool get_grids(const Napi::Value& value, std::vector<Grid>* grids) {
  Span<const uint32_t> flat;
  if (!get_span<const uint32_t>(value, napi_uint32_array, &flat) || flat.length % 2 != 0 ||
      flat.length > 2 * kMaxComponents)
    return false;
  for (size_t i = 0; i < flat.length; i += 2) grids->push_back({flat.data[i], flat.data[i + 1]});
  // A JPEG side has at most 65,535 samples: bounds every product below.
  for (const Grid& grid : *grids) {
    if (grid.blocks_wide == 0 || grid.blocks_high == 0 || grid.blocks_wide > 32768 || grid.blocks_high > 32768)
      return false;
  }
  return !grids->empty();
}

Napi::Value new_bytes(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  return Napi::Uint8Array::New(env, bytes.size(), buffer, 0);
}

const char* color_space_name(ColorSpace space) {
  switch (space) {
    case ColorSpace::kGrey:
      return "grey";
    case ColorSpace::kYCbCr:
      return "ycbcr";
    case ColorSpace::kRgb:
      return "rgb";
    case ColorSpace::kCmyk:
      return "cmyk";
    case ColorSpace::kYcck:
      return "ycck";
    case ColorSpace::kUnknown:
      break;
  }
  return "unknown";
}

std::vector<PlaneView> planes_of(const Jpeg& jpeg) {
  std::vector<PlaneView> planes;
  for (size_t i = 0; i < jpeg.components.size(); i++) planes.push_back(jpeg.plane(i));
  return planes;
}

// Whether header + scan coded anew + trailer is the file again, byte for byte.
bool rebuilds(Scratch* scratch, const std::vector<PlaneView>& planes, Span<const uint8_t> file, size_t scan_end) {
  const Jpeg& jpeg = scratch->jpeg;
  if (!jpeg.single_scan) return false;
  scratch->rebuilt.clear();
  scratch->rebuilt.reserve(file.length + 64);
  const Status status = rebuild_jpeg(file.data, jpeg.header_bytes, file.data + scan_end, file.length - scan_end, planes,
                                     scratch->simd, &scratch->rebuilt);
  return status.ok() && scratch->rebuilt.size() == file.length &&
         std::memcmp(scratch->rebuilt.data(), file.data, file.length) == 0;
}

Napi::Value describe_stats(Napi::Env env, const FrequencyStats& stats) {
  constexpr size_t kValues = sizeof(FrequencyStats) / sizeof(double);
  static_assert(kValues == 3 + 2 * 3 * kBlockSize, "FrequencyStats is read as plain doubles");
  Napi::Float64Array array = Napi::Float64Array::New(env, kValues);
  std::memcpy(array.Data(), &stats, sizeof(stats));
  return array;
}

// readJpeg(bytes: Uint8Array, maxPixels: number, codec: 0 | 1)
Napi::Value ReadJpeg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const uint8_t> file;
  Codec codec;
  if (!get_bytes(info[0], &file) || !info[1].IsNumber() || !get_codec(info[2], &codec))
    return bad_argument(env, "readJpeg(Uint8Array, number, codec)");
  JpegLimits limits;
  limits.max_pixels = uint64_t(info[1].As<Napi::Number>().DoubleValue());
  Jpeg& jpeg = scratch->jpeg;
  if (Status status = read_jpeg(file.data, file.length, limits, &jpeg); !status.ok()) return fail(env, status);

  const std::vector<PlaneView> planes = planes_of(jpeg);
  const size_t scan_end = find_scan_end(file.data, file.length, jpeg.header_bytes);
  if (Status status = scratch->packer.pack(planes, codec, &scratch->packed); !status.ok()) return fail(env, status);
  FrequencyStats stats;
  add_frequencies(jpeg, &stats);

  const size_t count = jpeg.components.size();
  Napi::Int32Array components = Napi::Int32Array::New(env, count * 6);
  Napi::Uint16Array quant = Napi::Uint16Array::New(env, count * kBlockSize);
  for (size_t i = 0; i < count; i++) {
    const JpegComponent& c = jpeg.components[i];
    const int32_t row[6] = {c.h,
                            c.v,
                            int32_t(c.blocks_wide),
                            int32_t(c.blocks_high),
                            int32_t(c.stored.blocks_wide),
                            int32_t(c.stored.blocks_high)};
    std::memcpy(components.Data() + i * 6, row, sizeof(row));
    std::memcpy(quant.Data() + i * kBlockSize, c.quant, sizeof(c.quant));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("width", jpeg.width);
  result.Set("height", jpeg.height);
  result.Set("colorSpace", color_space_name(jpeg.color_space));
  result.Set("progressive", jpeg.progressive);
  result.Set("arithmetic", jpeg.arithmetic);
  result.Set("warnings", double(jpeg.warnings));
  result.Set("firstWarning", jpeg.first_warning);
  result.Set("headerBytes", double(jpeg.header_bytes));
  result.Set("trailerStart", double(scan_end));
  result.Set("rebuildable", rebuilds(scratch, planes, file, scan_end));
  result.Set("components", components);
  result.Set("quantTables", quant);
  result.Set("packed", new_bytes(env, scratch->packed));
  result.Set("crc32c", double(crc32c(scratch->packed.data(), scratch->packed.size())));
  result.Set("frequencies", describe_stats(env, stats));
  return result;
}

size_t total_values(const std::vector<Grid>& grids) {
  size_t values = 0;
  for (const Grid& grid : grids) values += grid.blocks() * kBlockSize;
  return values;
}

// Coefficients of whole planes, one after another.
std::vector<PlaneView> planes_over(const std::vector<Grid>& grids, const int16_t* coefficients) {
  std::vector<PlaneView> planes;
  for (const Grid& grid : grids) {
    planes.push_back({grid, coefficients});
    coefficients += grid.blocks() * kBlockSize;
  }
  return planes;
}

// pack(coefficients: Int16Array, grids: Uint32Array, codec)
Napi::Value Pack(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const int16_t> coefficients;
  std::vector<Grid> grids;
  Codec codec;
  if (!get_span<const int16_t>(info[0], napi_int16_array, &coefficients) || !get_grids(info[1], &grids) ||
      !get_codec(info[2], &codec)) {
    return bad_argument(env, "pack(Int16Array, Uint32Array grids, codec)");
  }
  if (total_values(grids) != coefficients.length)
    return bad_argument(env, "pack: the coefficients do not fill the grids");
  if (Status status = scratch->packer.pack(planes_over(grids, coefficients.data), codec, &scratch->packed);
      !status.ok())
    return fail(env, status);
  return new_bytes(env, scratch->packed);
}

// Whole planes, one after another.
Status unpack_all(Unpacker* unpacker, Span<const uint8_t> packed, const std::vector<Grid>& grids, Codec codec,
                  int16_t* out) {
  if (Status status = unpacker->open(packed.data, packed.length, grids, codec); !status.ok()) return status;
  for (size_t i = 0; i < grids.size(); i++) {
    const BlockRange all = {0, grids[i].blocks_high, 0, grids[i].blocks_wide};
    if (Status status = unpacker->unpack(i, all, out); !status.ok()) return status;
    out += grids[i].blocks() * kBlockSize;
  }
  return {};
}

// unpack(packed, grids, codec, simd?: "scalar" | "avx2" | "avx512")
Napi::Value Unpack(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> packed;
  std::vector<Grid> grids;
  Codec codec;
  if (!get_bytes(info[0], &packed) || !get_grids(info[1], &grids) || !get_codec(info[2], &codec)) {
    return bad_argument(env, "unpack(Uint8Array, Uint32Array grids, codec, simd?)");
  }
  // Every block takes at least its part of a directory entry or a mask; a grid far beyond the bytes must not be
  // allocated.
  if (codec == Codec::kNone && total_values(grids) / kBlockSize * 8 > packed.length) {
    return fail(env, Status::failure(Code::kCorruptRecord, "the packed bytes are shorter than the grids' masks"));
  }
  Unpacker* unpacker = &env.GetInstanceData<Scratch>()->unpacker;
  std::unique_ptr<Unpacker> forced;
  if (info[3].IsString()) {
    Simd level;
    if (!parse_simd(info[3].As<Napi::String>().Utf8Value().c_str(), &level) || level > best_simd())
      return bad_argument(env, "unpack: this processor has no such SIMD level");
    forced = std::make_unique<Unpacker>(level);
    unpacker = forced.get();
  }
  Napi::Int16Array out = Napi::Int16Array::New(env, total_values(grids));
  if (env.IsExceptionPending()) return env.Undefined();
  if (Status status = unpack_all(unpacker, packed, grids, codec, out.Data()); !status.ok()) return fail(env, status);
  return out;
}

// rebuildJpeg(header, trailer, packed, grids, codec)
Napi::Value RebuildJpeg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const uint8_t> header, trailer, packed;
  std::vector<Grid> grids;
  Codec codec;
  if (!get_bytes(info[0], &header) || !get_bytes(info[1], &trailer) || !get_bytes(info[2], &packed) ||
      !get_grids(info[3], &grids) || !get_codec(info[4], &codec)) {
    return bad_argument(env, "rebuildJpeg(header, trailer, packed, Uint32Array grids, codec)");
  }
  std::vector<int16_t>& coefficients = scratch->jpeg.coefficients;
  coefficients.resize(total_values(grids));
  if (Status status = unpack_all(&scratch->unpacker, packed, grids, codec, coefficients.data()); !status.ok())
    return fail(env, status);
  const std::vector<PlaneView> planes = planes_over(grids, coefficients.data());
  scratch->rebuilt.clear();
  const Status status =
      rebuild_jpeg(header.data, header.length, trailer.data, trailer.length, planes, scratch->simd, &scratch->rebuilt);
  return status.ok() ? new_bytes(env, scratch->rebuilt) : fail(env, status);
}

int int_option(const Napi::Object& options, const char* name, int fallback) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : fallback;
}

bool flag_option(const Napi::Object& options, const char* name) { return options.Get(name).ToBoolean().Value(); }

// encodeJpeg(pixels: Uint8Array, width, height, channels, options)
Napi::Value EncodeJpeg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> pixels;
  if (!get_bytes(info[0], &pixels) || !info[1].IsNumber() || !info[2].IsNumber() || !info[3].IsNumber() ||
      !info[4].IsObject()) {
    return bad_argument(env, "encodeJpeg(Uint8Array, width, height, channels, options)");
  }
  const int width = info[1].As<Napi::Number>().Int32Value(), height = info[2].As<Napi::Number>().Int32Value();
  const int channels = info[3].As<Napi::Number>().Int32Value();
  const bool sized =
      width > 0 && height > 0 && width <= 65500 && height <= 65500 && (channels == 1 || channels == 3 || channels == 4);
  if (!sized || pixels.length != size_t(width) * height * channels)
    return bad_argument(env, "encodeJpeg: the pixels do not fill width x height x channels");
  const Napi::Object given = info[4].As<Napi::Object>();
  EncodeOptions options;
  options.quality = int_option(given, "quality", options.quality);
  options.luma_h = int_option(given, "lumaH", 1);
  options.luma_v = int_option(given, "lumaV", 1);
  options.restart_interval = int_option(given, "restartInterval", 0);
  options.progressive = flag_option(given, "progressive");
  options.arithmetic = flag_option(given, "arithmetic");
  options.keep_rgb = flag_option(given, "keepRgb");
  std::vector<uint8_t> jpeg;
  const Status status = encode_jpeg(pixels.data, width, height, channels, options, &jpeg);
  return status.ok() ? new_bytes(env, jpeg) : fail(env, status);
}

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

// renderView(geometry: Int32Array, quant: Uint16Array, packed: Uint8Array, codec, spec: Float64Array, y | rgb, cb?,
// cr?) spec: kind (0 dct, 1 rgb), x axis, y axis (box start, box end, scaled size, out start, out count, flip),
// scale[3], bias[3]
Napi::Value RenderView(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ViewImage image;
  Span<const uint8_t> packed;
  Codec codec;
  Span<const double> numbers;
  if (!get_image(info[0], info[1], &image) || !get_bytes(info[2], &packed) || !get_codec(info[3], &codec) ||
      !get_span<const double>(info[4], napi_float64_array, &numbers) || numbers.length != 1 + 2 * kAxisNumbers + 6) {
    return bad_argument(env, "renderView(geometry, quant, packed, codec, spec, out...)");
  }
  ViewSpec spec;
  spec.kind = numbers.data[0] == 0 ? ViewKind::kDct : ViewKind::kRgb;
  spec.x = axis_from(numbers.data + 1);
  spec.y = axis_from(numbers.data + 1 + kAxisNumbers);
  for (int c = 0; c < 3; c++) {
    spec.scale[c] = float(numbers.data[1 + 2 * kAxisNumbers + c]);
    spec.bias[c] = float(numbers.data[4 + 2 * kAxisNumbers + c]);
  }
  const bool dct = spec.kind == ViewKind::kDct;
  const size_t luma = size_t(std::max(spec.x.out_count, 0)) * std::max(spec.y.out_count, 0);
  float* out[3] = {};
  for (int i = 0; i < (dct ? 3 : 1); i++) {
    Span<float> span;
    const size_t expected = dct ? (i == 0 ? luma : luma / (kDctChromaStep * kDctChromaStep)) : luma * 3;
    if (!get_span<float>(info[5 + i], napi_float32_array, &span) || span.length != expected)
      return bad_argument(env, "renderView: an output has the wrong type or length");
    out[i] = span.data;
  }
  const Status status =
      env.GetInstanceData<Scratch>()->viewer.render(image, packed.data, packed.length, codec, spec, out);
  return status.ok() ? env.Undefined() : fail(env, status);
}

Napi::Value Crc32c(const Napi::CallbackInfo& info) {
  Span<const uint8_t> bytes;
  if (!get_bytes(info[0], &bytes)) return bad_argument(info.Env(), "crc32c(Uint8Array)");
  return Napi::Number::New(info.Env(), crc32c(bytes.data, bytes.length));
}

// No C++ exception may reach Node: a grid too large for the machine is an error like any other.
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const std::bad_alloc&) {
    return fail(info.Env(), Status::failure(Code::kOutOfMemory, "not enough memory"));
  } catch (const std::length_error&) {
    return fail(info.Env(), Status::failure(Code::kOutOfMemory, "larger than memory can hold"));
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Scratch* scratch = new Scratch();
  env.SetInstanceData(scratch);  // freed by node-addon-api when the environment ends
  exports.Set("version", 1);     // raised when a function here changes; index.ts refuses another
  exports.Set("simd", simd_name(scratch->simd));
  exports.Set("bestSimd", simd_name(best_simd()));
  exports.Set("rowsPerFrame", kRowsPerFrame);
  exports.Set("readJpeg", Napi::Function::New(env, Guarded<ReadJpeg>));
  exports.Set("pack", Napi::Function::New(env, Guarded<Pack>));
  exports.Set("unpack", Napi::Function::New(env, Guarded<Unpack>));
  exports.Set("rebuildJpeg", Napi::Function::New(env, Guarded<RebuildJpeg>));
  exports.Set("encodeJpeg", Napi::Function::New(env, Guarded<EncodeJpeg>));
  exports.Set("renderView", Napi::Function::New(env, Guarded<RenderView>));
  exports.Set("crc32c", Napi::Function::New(env, Guarded<Crc32c>));
  return exports;
}

}  // namespace

NODE_API_MODULE(dctstream, Init)
