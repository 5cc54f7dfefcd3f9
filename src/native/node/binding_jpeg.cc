// The side of the binding for JPEG files: files -> packed coefficients, facts and pixels, and both back to files.
#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "jpeg/encode.h"
#include "jpeg/pixels.h"
#include "jpeg/rebuild.h"
#include "node/binding.h"

namespace dctstream {
namespace {

// [shorter side, crop, quality, chroma step]
bool get_resize(const Napi::Value& value, ResizeOptions* options) {
  Span<const int32_t> numbers;
  if (!get_span<const int32_t>(value, napi_int32_array, &numbers) || numbers.length != 4) return false;
  *options = {numbers.data[0], numbers.data[1], numbers.data[2], numbers.data[3]};
  const bool fits = options->crop >= 0 && options->crop <= options->shorter_side && options->shorter_side >= 1;
  return fits && options->quality >= 1 && options->quality <= 100 &&
         (options->chroma_step == 1 || options->chroma_step == 2);
}

// Of a component.
enum GridNumber { kGridH, kGridV, kGridBlocksWide, kGridBlocksHigh, kGridStoredWide, kGridStoredHigh, kGridNumbers };

// What a read file is described by, as one flat array: so that thousands of files a second cost no objects.
enum Fact {
  kFactWidth,
  kFactHeight,
  kFactColorSpace,
  kFactProgressive,
  kFactArithmetic,
  kFactDecoder,  // 0: libjpeg, 1: baseline
  kFactWarnings,
  kFactHeaderBytes,
  kFactTrailerStart,
  kFactRebuildable,
  kFactPackedBytes,
  kFactCrc32c,
  kFactFileBytes,  // of a resized file; 0: none
  kFactComponents,
  kFactGeometry,                                                    // per component kGridNumbers
  kFactQuant = kFactGeometry + kMaxComponents * int(kGridNumbers),  // per component 64
  kFactStatistics = kFactQuant + kMaxComponents * kBlockSize,
  kFactNumbers = kFactStatistics + 3 * (1 + 4 * kBlockSize),
};

Napi::Value copy_out(const Napi::CallbackInfo& info, const std::vector<uint8_t>& bytes, const char* usage) {
  Span<uint8_t> out;
  if (!get_span<uint8_t>(info[0], napi_uint8_array, &out) || out.length != bytes.size())
    return bad_argument(info.Env(), usage);
  std::copy(bytes.begin(), bytes.end(), out.data);
  return info.Env().Undefined();
}

int int_option(const Napi::Object& options, const char* name, int fallback) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : fallback;
}

bool flag_option(const Napi::Object& options, const char* name) { return options.Get(name).ToBoolean().Value(); }

}  // namespace

bool get_facts(const Napi::Value& value, Span<double>* facts) {
  return get_span<double>(value, napi_float64_array, facts) && facts->length == kFactNumbers;
}

void describe_jpeg(const JpegFacts& facts, const FrequencyStats& stats, double* out) {
  std::fill(out, out + kFactNumbers, 0.0);
  out[kFactWidth] = facts.width;
  out[kFactHeight] = facts.height;
  out[kFactColorSpace] = double(facts.color_space);
  out[kFactProgressive] = facts.progressive;
  out[kFactArithmetic] = facts.arithmetic;
  out[kFactWarnings] = double(facts.warnings);
  out[kFactHeaderBytes] = double(facts.header_bytes);
  out[kFactTrailerStart] = double(facts.trailer_start);
  out[kFactComponents] = double(facts.components.size());
  for (size_t i = 0; i < facts.components.size(); i++) {
    const JpegComponent& c = facts.components[i];
    double* const row = out + kFactGeometry + kGridNumbers * i;
    row[kGridH] = c.h;
    row[kGridV] = c.v;
    row[kGridBlocksWide] = c.blocks_wide;
    row[kGridBlocksHigh] = c.blocks_high;
    row[kGridStoredWide] = c.stored.blocks_wide;
    row[kGridStoredHigh] = c.stored.blocks_high;
    std::copy(c.quant, c.quant + kBlockSize, out + kFactQuant + kBlockSize * i);
  }
  int64_t numbers[sizeof(stats) / sizeof(int64_t)];
  static_assert(sizeof(numbers) / sizeof(int64_t) == kFactNumbers - kFactStatistics);
  std::memcpy(numbers, &stats, sizeof(stats));
  // Exact: all of them are below 2^52.
  std::copy(std::begin(numbers), std::end(numbers), out + kFactStatistics);
}

// Where TypeScript finds each of them: it has no numbers of its own.
Napi::Object fact_positions(Napi::Env env) {
  return positions(env, {{"width", kFactWidth},
                         {"height", kFactHeight},
                         {"colorSpace", kFactColorSpace},
                         {"progressive", kFactProgressive},
                         {"arithmetic", kFactArithmetic},
                         {"decoder", kFactDecoder},
                         {"warnings", kFactWarnings},
                         {"headerBytes", kFactHeaderBytes},
                         {"trailerStart", kFactTrailerStart},
                         {"rebuildable", kFactRebuildable},
                         {"packedBytes", kFactPackedBytes},
                         {"crc32c", kFactCrc32c},
                         {"fileBytes", kFactFileBytes},
                         {"components", kFactComponents},
                         {"grids", kFactGeometry},
                         {"quantTables", kFactQuant},
                         {"frequencies", kFactStatistics},
                         {"numbers", kFactNumbers}});
}

Napi::Object grid_positions(Napi::Env env) {
  return positions(env, {{"h", kGridH},
                         {"v", kGridV},
                         {"blocksWide", kGridBlocksWide},
                         {"blocksHigh", kGridBlocksHigh},
                         {"storedWide", kGridStoredWide},
                         {"storedHigh", kGridStoredHigh},
                         {"numbers", kGridNumbers}});
}

// readJpeg(bytes: Uint8Array, maxPixels, codec: a number of kCodecs, libjpegOnly: boolean, facts: Float64Array,
// resize?: Int32Array) The packed bytes, and a resized file, are kept until the next call: takePacked and takeFile copy
// them out.
Napi::Value ReadJpeg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ImageReader& reader = env.GetInstanceData<Scratch>()->reader;
  Span<const uint8_t> file;
  Span<double> out;
  ReadOptions options;
  ResizeOptions resize;
  const bool resizes = !info[5].IsUndefined();
  if (!get_bytes(info[0], &file) || !get_pixels(info[1], &options.limits.max_pixels) ||
      !get_codec(info[2], &options.codec) || !get_facts(info[4], &out) || (resizes && !get_resize(info[5], &resize)))
    return bad_argument(env, "readJpeg(Uint8Array, number, codec, boolean, Float64Array, Int32Array?)");
  options.libjpeg_only = info[3].ToBoolean().Value();
  if (resizes) options.resize = &resize;
  if (Status status = reader.read(file.data, file.length, options); !status.ok()) return fail(env, status);
  describe_jpeg(reader.facts(), reader.stats(), out.data);
  out.data[kFactDecoder] = reader.by_own_decoder();
  out.data[kFactRebuildable] = reader.rebuildable();
  out.data[kFactPackedBytes] = double(reader.packed().size());
  out.data[kFactCrc32c] = double(crc32c(reader.packed().data(), reader.packed().size()));
  out.data[kFactFileBytes] = double(reader.resized_file().size());
  return env.Undefined();
}

// takePacked(out: Uint8Array): of the last readJpeg
Napi::Value TakePacked(const Napi::CallbackInfo& info) {
  return copy_out(info, info.Env().GetInstanceData<Scratch>()->reader.packed(),
                  "takePacked: not as long as the packed bytes");
}

// takeFile(out: Uint8Array): the resized file of the last readJpeg
Napi::Value TakeFile(const Napi::CallbackInfo& info) {
  return copy_out(info, info.Env().GetInstanceData<Scratch>()->reader.resized_file(),
                  "takeFile: not as long as the file");
}

// readPixels(bytes: Uint8Array, maxPixels: number, orientation: number)
Napi::Value ReadPixels(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> file;
  JpegLimits limits;
  if (!get_bytes(info[0], &file) || !get_pixels(info[1], &limits.max_pixels) || !info[2].IsNumber())
    return bad_argument(env, "readPixels(Uint8Array, number, number)");
  Pixels pixels;
  if (Status status = read_pixels(file.data, file.length, limits, &pixels); !status.ok()) return fail(env, status);
  apply_orientation(info[2].As<Napi::Number>().Int32Value(), &pixels);
  Napi::Object result = Napi::Object::New(env);
  result.Set("width", pixels.width);
  result.Set("height", pixels.height);
  result.Set("channels", pixels.channels);
  result.Set("warnings", double(pixels.warnings));
  result.Set("pixels", new_bytes(env, pixels.samples));
  return result;
}

// readOrientation(bytes: Uint8Array)
Napi::Value ReadOrientation(const Napi::CallbackInfo& info) {
  Span<const uint8_t> file;
  if (!get_bytes(info[0], &file)) return bad_argument(info.Env(), "readOrientation(Uint8Array)");
  return Napi::Number::New(info.Env(), read_orientation(file.data, file.length));
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
  scratch->rebuilt.clear();
  const Status status = rebuild_packed(header.data, header.length, trailer.data, trailer.length,
                                       {packed.data, packed.length, std::move(grids), codec}, &scratch->unpacker,
                                       scratch->simd, &scratch->rebuilt);
  return status.ok() ? new_bytes(env, scratch->rebuilt) : fail(env, status);
}

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

}  // namespace dctstream
