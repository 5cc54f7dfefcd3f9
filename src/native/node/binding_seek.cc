// The index's side of the binding: what is noted of a JPEG file, and the bytes of it that a view needs. Rendering is a
// batch's: binding_views.cc.
#include <algorithm>

#include "node/binding.h"
#include "seek/block.h"

namespace dctstream {
namespace {

// Of a sample; the rest of its facts only the addon needs.
enum SeekFact {
  kSeekOffset,
  kSeekFileBytes,
  kSeekWidth,
  kSeekHeight,
  kSeekSpacing,
  kSeekCrc32c,
  kSeekEntries,
  kSeekFacts
};

}  // namespace

Napi::Object seek_positions(Napi::Env env) {
  return positions(env, {{"offset", kSeekOffset},
                         {"byteLength", kSeekFileBytes},
                         {"width", kSeekWidth},
                         {"height", kSeekHeight},
                         {"spacing", kSeekSpacing},
                         {"crc32c", kSeekCrc32c},
                         {"entries", kSeekEntries},
                         {"numbers", kSeekFacts}});
}

// buildSeekSample(jpeg: Uint8Array, maxPixels, spacing, facts: Float64Array): an open block of one sample, or a string:
// why there is none. `facts` gets what readJpeg says of the image, without what concerns packed bytes.
Napi::Value BuildSeekSample(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const uint8_t> jpeg;
  Span<double> facts;
  SeekOptions options;
  if (!get_bytes(info[0], &jpeg) || !get_pixels(info[1], &options.max_pixels) || !info[2].IsNumber() ||
      !get_facts(info[3], &facts))
    return bad_argument(env, "buildSeekSample(Uint8Array, number, number, Float64Array)");
  options.spacing = info[2].As<Napi::Number>().Int32Value();
  if (options.spacing < SeekOptions::kSpacingByWidth || options.spacing > 65535)
    return bad_argument(env, "buildSeekSample: no spacing of that many MCUs");
  const Status status = scratch->seek_builder.build(jpeg.data, jpeg.length, options, &scratch->seek_sample);
  if (!status.ok()) return Napi::String::New(env, status.message);
  describe_jpeg(scratch->seek_builder.facts(), scratch->seek_builder.stats(), facts.data);
  std::vector<uint8_t> block;
  write_sample(scratch->seek_sample, &block);
  return new_bytes(env, block);
}

// sealSeekBlock(parts: Uint8Array[], offsets: Float64Array)
Napi::Value SealSeekBlock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<ByteSpan> spans;
  Span<const double> numbers;
  if (!get_spans(info[0], &spans) || !get_span<const double>(info[1], napi_float64_array, &numbers))
    return bad_argument(env, "sealSeekBlock(Uint8Array[], Float64Array)");
  std::vector<OpenBlock> parts;
  for (const ByteSpan& span : spans) parts.push_back({span.data, span.length});
  std::vector<uint64_t> offsets;
  for (size_t i = 0; i < numbers.length; i++) {
    if (!(numbers.data[i] >= 0 && numbers.data[i] < 9007199254740992))
      return bad_argument(env, "sealSeekBlock: an offset that no file has");
    offsets.push_back(uint64_t(numbers.data[i]));
  }
  std::vector<uint8_t> sealed;
  const Status status = seal_block(parts, offsets, &env.GetInstanceData<Scratch>()->compressor, &sealed);
  return status.ok() ? new_bytes(env, sealed) : fail(env, status);
}

// openSeekBlock(sealed: Uint8Array)
Napi::Value OpenSeekBlock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> sealed;
  if (!get_bytes(info[0], &sealed)) return bad_argument(env, "openSeekBlock(Uint8Array)");
  std::vector<uint8_t> open;
  const Status status = open_block(sealed.data, sealed.length, &env.GetInstanceData<Scratch>()->decompressor, &open);
  return status.ok() ? new_bytes(env, open) : fail(env, status);
}

// readSeekFacts(block: Uint8Array): Float64Array [samples, kSeekFacts]
Napi::Value ReadSeekFacts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> block;
  if (!get_bytes(info[0], &block)) return bad_argument(env, "readSeekFacts(Uint8Array)");
  uint32_t count = 0;
  if (Status s = count_samples(block.data, block.length, &count); !s.ok()) return fail(env, s);
  Napi::Float64Array out = Napi::Float64Array::New(env, count * size_t(kSeekFacts));
  for (uint32_t i = 0; i < count; i++) {
    SampleFacts sample;
    if (Status s = read_facts(block.data, block.length, i, &sample); !s.ok()) return fail(env, s);
    double* const p = out.Data() + i * size_t(kSeekFacts);
    p[kSeekOffset] = double(sample.facts.offset);
    p[kSeekFileBytes] = sample.facts.file_bytes;
    p[kSeekWidth] = sample.facts.width;
    p[kSeekHeight] = sample.facts.height;
    p[kSeekSpacing] = sample.facts.spacing;
    p[kSeekCrc32c] = sample.facts.crc32c;
    p[kSeekEntries] = double(sample.grid.entries());
  }
  return out;
}

// takeSeekSample(block: Uint8Array, sample: number): an open block of that sample alone, as buildSeekSample gives it
Napi::Value TakeSeekSample(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> block;
  if (!get_bytes(info[0], &block) || !info[1].IsNumber())
    return bad_argument(env, "takeSeekSample(Uint8Array, number)");
  SeekSample& sample = env.GetInstanceData<Scratch>()->seek_sample;
  const Status status = read_sample(block.data, block.length, info[1].As<Napi::Number>().Uint32Value(), &sample);
  if (!status.ok()) return fail(env, status);
  sample.facts.offset = 0;
  std::vector<uint8_t> taken;
  write_sample(sample, &taken);
  return new_bytes(env, taken);
}

// bytesOfView(block: Uint8Array, sample: number, form: Float64Array, axes: Float64Array [x, y], out: Float64Array
// [start, end])
Napi::Value BytesOfView(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> block;
  Span<const double> axes;
  Span<double> out;
  BatchForm form;
  if (!get_bytes(info[0], &block) || !info[1].IsNumber() ||
      !get_form(info[2], env.Undefined(), env.Undefined(), &form) ||
      !get_span<const double>(info[3], napi_float64_array, &axes) || axes.length != 2 * kAxisNumbers ||
      !get_span<double>(info[4], napi_float64_array, &out) || out.length != 2 || !read_axis(axes.data, &form.spec.x) ||
      !read_axis(axes.data + kAxisNumbers, &form.spec.y))
    return bad_argument(env, "bytesOfView(Uint8Array, number, Float64Array, Float64Array, Float64Array)");
  SeekSample& sample = env.GetInstanceData<Scratch>()->seek_sample;
  ByteRange range;
  Status status = read_sample(block.data, block.length, info[1].As<Napi::Number>().Uint32Value(), &sample);
  if (status.ok()) status = bytes_of_view(sample, form.spec, &range);
  if (!status.ok()) return fail(env, status);
  out.data[0] = range.start;
  out.data[1] = range.end;
  return env.Undefined();
}

// checkSeekRows(block: Uint8Array, sample: number, bytes: Uint8Array, firstByte: number): whether the rows are intact
Napi::Value CheckSeekRows(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Span<const uint8_t> block, bytes;
  if (!get_bytes(info[0], &block) || !info[1].IsNumber() || !get_bytes(info[2], &bytes) || !info[3].IsNumber())
    return bad_argument(env, "checkSeekRows(Uint8Array, number, Uint8Array, number)");
  const double first = info[3].As<Napi::Number>().DoubleValue();
  if (!(first >= 0 && first <= kMaxSeekFileBytes)) return bad_argument(env, "checkSeekRows: no file has that byte");
  SeekSample& sample = env.GetInstanceData<Scratch>()->seek_sample;
  const Status status = read_sample(block.data, block.length, info[1].As<Napi::Number>().Uint32Value(), &sample);
  if (!status.ok()) return fail(env, status);
  // No row ends behind the largest file.
  const uint32_t length = uint32_t(std::min<size_t>(bytes.length, kMaxSeekFileBytes));
  return Napi::Boolean::New(env, rows_are_intact(sample, bytes.data, {uint32_t(first), uint32_t(first) + length}));
}

}  // namespace dctstream
