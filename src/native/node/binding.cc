// JavaScript values <-> the cores. Nothing but this file and its neighbours knows Node; src/native/index.ts is
// its typed other side.
// It checks the type and the length of every view; what the numbers mean was checked by the caller.
#include "node/binding.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/crc32c.h"
#include "base/deadline.h"
#include "base/lock.h"
#include "jpeg/encode.h"
#include "jpeg/pixels.h"
#include "jpeg/rebuild.h"

namespace {

using namespace dctstream;

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

void describe(const JpegFacts& facts, const FrequencyStats& stats, double* out) {
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

std::vector<const char*> codec_names() {
  std::vector<const char*> list;
  for (const CodecFacts& codec : kCodecs) list.push_back(codec.name);
  return list;
}

Napi::Array names(Napi::Env env, const std::vector<const char*>& list) {
  Napi::Array array = Napi::Array::New(env, list.size());
  for (size_t i = 0; i < list.size(); i++) array.Set(uint32_t(i), list[i]);
  return array;
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
  if (!get_bytes(info[0], &file) || !info[1].IsNumber() || !get_codec(info[2], &options.codec) ||
      !get_span<double>(info[4], napi_float64_array, &out) || out.length != kFactNumbers ||
      (resizes && !get_resize(info[5], &resize)))
    return bad_argument(env, "readJpeg(Uint8Array, number, codec, boolean, Float64Array, Int32Array?)");
  options.limits.max_pixels = uint64_t(info[1].As<Napi::Number>().DoubleValue());
  options.libjpeg_only = info[3].ToBoolean().Value();
  if (resizes) options.resize = &resize;
  if (Status status = reader.read(file.data, file.length, options); !status.ok()) return fail(env, status);
  describe(reader.facts(), reader.stats(), out.data);
  out.data[kFactDecoder] = reader.by_own_decoder();
  out.data[kFactRebuildable] = reader.rebuildable();
  out.data[kFactPackedBytes] = double(reader.packed().size());
  out.data[kFactCrc32c] = double(crc32c(reader.packed().data(), reader.packed().size()));
  out.data[kFactFileBytes] = double(reader.resized_file().size());
  return env.Undefined();
}

// copyBytes(to: Uint8Array, from: Uint8Array): as long as each other. Between shared buffers V8 itself copies word by
// word.
Napi::Value CopyBytes(const Napi::CallbackInfo& info) {
  Span<uint8_t> to;
  Span<const uint8_t> from;
  if (!get_span<uint8_t>(info[0], napi_uint8_array, &to) || !get_bytes(info[1], &from) || to.length != from.length)
    return bad_argument(info.Env(), "copyBytes(Uint8Array, Uint8Array) of one length");
  if (from.length > 0) std::memmove(to.data, from.data, from.length);
  return info.Env().Undefined();
}

Napi::Value copy_out(const Napi::CallbackInfo& info, const std::vector<uint8_t>& bytes, const char* usage) {
  Span<uint8_t> out;
  if (!get_span<uint8_t>(info[0], napi_uint8_array, &out) || out.length != bytes.size())
    return bad_argument(info.Env(), usage);
  std::copy(bytes.begin(), bytes.end(), out.data);
  return info.Env().Undefined();
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
  if (!get_bytes(info[0], &file) || !info[1].IsNumber() || !info[2].IsNumber())
    return bad_argument(env, "readPixels(Uint8Array, number, number)");
  JpegLimits limits;
  limits.max_pixels = uint64_t(info[1].As<Napi::Number>().DoubleValue());
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

// lockFile(descriptor: number): false when another process holds the lock
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) return bad_argument(info.Env(), "lockFile(number)");
  bool taken = false;
  const Status status = lock_file(info[0].As<Napi::Number>().Int32Value(), &taken);
  return status.ok() ? Napi::Boolean::New(info.Env(), taken) : fail(info.Env(), status);
}

// watchInterrupts(graceMs: number, status: number): whether they are watched
Napi::Value WatchInterrupts(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber() || !info[1].IsNumber()) return bad_argument(info.Env(), "watchInterrupts(number, number)");
  const auto number = [&](size_t i) { return info[i].As<Napi::Number>().Int32Value(); };
  return Napi::Boolean::New(info.Env(), watch_interrupts(number(0), number(1)));
}

// setGrace(graceMs: number)
Napi::Value SetGrace(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) return bad_argument(info.Env(), "setGrace(number)");
  set_grace(info[0].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

// unwatchInterrupts()
Napi::Value UnwatchInterrupts(const Napi::CallbackInfo& info) {
  unwatch_interrupts();
  return info.Env().Undefined();
}

// exitWithin(ms: number, status: number): whether it will
Napi::Value ExitWithin(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber() || !info[1].IsNumber()) return bad_argument(info.Env(), "exitWithin(number, number)");
  const auto number = [&](size_t i) { return info[i].As<Napi::Number>().Int32Value(); };
  return Napi::Boolean::New(info.Env(), exit_within(number(0), number(1)));
}

// holdTemporary(path: string), releaseTemporary(path: string)
template <void (*change)(const std::string&)>
Napi::Value ChangeTemporaries(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return bad_argument(info.Env(), "holdTemporary(string)");
  change(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
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
  const std::vector<PlaneView> planes = planes_over(grids, coefficients.data);
  if (scratch->streams.size() != planes.size()) scratch->streams = std::vector<PlaneStreams>(planes.size());
  for (size_t i = 0; i < planes.size(); i++)
    gather_streams(planes[i], to_scan_order_for(scratch->simd), &scratch->streams[i]);
  if (Status status = scratch->packer.pack(scratch->streams, codec, &scratch->packed); !status.ok())
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
  if (!compresses(codec) && total_values(grids) / kBlockSize * 8 > packed.length) {
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

// expandPacked(packed, grids, codec): the same coefficients packed without compression
Napi::Value ExpandPacked(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const uint8_t> packed;
  std::vector<Grid> grids;
  Codec codec;
  if (!get_bytes(info[0], &packed) || !get_grids(info[1], &grids) || !get_codec(info[2], &codec))
    return bad_argument(env, "expandPacked(Uint8Array, Uint32Array grids, codec)");
  Status status = scratch->unpacker.open(packed.data, packed.length, grids, codec);
  std::vector<uint8_t> plain;
  if (status.ok()) status = scratch->unpacker.store_plain(&plain);
  if (!status.ok()) return fail(env, status);
  return new_bytes(env, plain);
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

// misalignment(bytes: Uint8Array, alignment): how far its first byte is behind a multiple of `alignment`
Napi::Value Misalignment(const Napi::CallbackInfo& info) {
  Span<const uint8_t> bytes;
  if (!get_bytes(info[0], &bytes) || !info[1].IsNumber())
    return bad_argument(info.Env(), "misalignment(Uint8Array, number)");
  return Napi::Number::New(info.Env(),
                           double(reinterpret_cast<uintptr_t>(bytes.data) % info[1].As<Napi::Number>().Uint32Value()));
}

// threadCpuMs(): milliseconds that the calling thread has had a core
Napi::Value ThreadCpuMs(const Napi::CallbackInfo& info) {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return Napi::Number::New(info.Env(), double(time.tv_sec) * 1e3 + double(time.tv_nsec) / 1e6);
}

// openFileLimit(): files that the process may have open at a time
Napi::Value OpenFileLimit(const Napi::CallbackInfo& info) {
  rlimit limit = {};
  const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return Napi::Number::New(info.Env(), known ? double(limit.rlim_cur) : 65536);
}

Napi::Value Crc32c(const Napi::CallbackInfo& info) {
  Span<const uint8_t> bytes;
  if (!get_bytes(info[0], &bytes) || !info[1].IsNumber()) return bad_argument(info.Env(), "crc32c(Uint8Array, number)");
  return Napi::Number::New(info.Env(), crc32c(bytes.data, bytes.length, info[1].As<Napi::Number>().Uint32Value()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Scratch* scratch = new Scratch();
  env.SetInstanceData(scratch);  // freed by node-addon-api when the environment ends
  exports.Set("version", 8);     // raised when a function here changes; addon.ts refuses another
  exports.Set("simd", simd_name(scratch->simd));
  exports.Set("bestSimd", simd_name(best_simd()));
  exports.Set("rowsPerFrame", kRowsPerFrame);
  exports.Set("readJpeg", Napi::Function::New(env, Guarded<ReadJpeg>));
  exports.Set("factAt", fact_positions(env));
  exports.Set("gridAt", grid_positions(env));
  exports.Set("copyBytes", Napi::Function::New(env, Guarded<CopyBytes>));
  exports.Set("takePacked", Napi::Function::New(env, Guarded<TakePacked>));
  exports.Set("takeFile", Napi::Function::New(env, Guarded<TakeFile>));
  exports.Set("readPixels", Napi::Function::New(env, Guarded<ReadPixels>));
  exports.Set("readOrientation", Napi::Function::New(env, Guarded<ReadOrientation>));
  exports.Set("lockFile", Napi::Function::New(env, Guarded<LockFile>));
  exports.Set("watchInterrupts", Napi::Function::New(env, Guarded<WatchInterrupts>));
  exports.Set("setGrace", Napi::Function::New(env, Guarded<SetGrace>));
  exports.Set("unwatchInterrupts", Napi::Function::New(env, Guarded<UnwatchInterrupts>));
  exports.Set("exitWithin", Napi::Function::New(env, Guarded<ExitWithin>));
  exports.Set("holdTemporary", Napi::Function::New(env, Guarded<ChangeTemporaries<hold_temporary>>));
  exports.Set("releaseTemporary", Napi::Function::New(env, Guarded<ChangeTemporaries<release_temporary>>));
  exports.Set("pack", Napi::Function::New(env, Guarded<Pack>));
  exports.Set("unpack", Napi::Function::New(env, Guarded<Unpack>));
  exports.Set("expandPacked", Napi::Function::New(env, Guarded<ExpandPacked>));
  exports.Set("rebuildJpeg", Napi::Function::New(env, Guarded<RebuildJpeg>));
  exports.Set("encodeJpeg", Napi::Function::New(env, Guarded<EncodeJpeg>));
  exports.Set("renderView", Napi::Function::New(env, Guarded<RenderView>));
  exports.Set("renderBatch", Napi::Function::New(env, Guarded<RenderBatch>));
  exports.Set("buildSeekSample", Napi::Function::New(env, Guarded<BuildSeekSample>));
  exports.Set("sealSeekBlock", Napi::Function::New(env, Guarded<SealSeekBlock>));
  exports.Set("sealedBytes", Napi::Function::New(env, Guarded<SealedBytes>));
  exports.Set("openSeekBlock", Napi::Function::New(env, Guarded<OpenSeekBlock>));
  exports.Set("readSeekFacts", Napi::Function::New(env, Guarded<ReadSeekFacts>));
  exports.Set("bytesOfView", Napi::Function::New(env, Guarded<BytesOfView>));
  exports.Set("seekFactAt", seek_positions(env));
  exports.Set("formAt", form_positions(env));
  exports.Set("sampleAt", sample_positions(env));
  exports.Set("axisAt", axis_positions(env));
  exports.Set("colorAt", color_positions(env));
  exports.Set("boxAt", box_positions(env));
  exports.Set("pairAt", pair_positions(env));
  exports.Set("codecs", names(env, codec_names()));
  exports.Set("colorSpaces", names(env, {std::begin(kColorSpaceNames), std::end(kColorSpaceNames)}));
  exports.Set("threadCpuMs", Napi::Function::New(env, Guarded<ThreadCpuMs>));
  exports.Set("openFileLimit", Napi::Function::New(env, Guarded<OpenFileLimit>));
  exports.Set("misalignment", Napi::Function::New(env, Guarded<Misalignment>));
  exports.Set("crc32c", Napi::Function::New(env, Guarded<Crc32c>));
  return exports;
}

}  // namespace

NODE_API_MODULE(dctstream, Init)
