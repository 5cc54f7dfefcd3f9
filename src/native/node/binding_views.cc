// The views' side of the binding: one view of one record, and a batch of views from many.
#include <string>

#include "node/binding.h"

namespace dctstream {
namespace {

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
    if (g[2] < 1 || g[3] < 1 || g[2] > int(kMaxGridSide) || g[3] > int(kMaxGridSide)) return false;
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

// The arrays of a batch, each of `views` views. `empty` holds what mid-grey is in them.
bool get_planes(const Napi::Value& value, const BatchForm& form, size_t views, std::vector<BatchPlane>* planes,
                std::vector<float> empty[3]) {
  if (!value.IsArray()) return false;
  const Napi::Array arrays = value.As<Napi::Array>();
  *planes = planes_of(form, empty);
  if (arrays.Length() != planes->size()) return false;
  const napi_typedarray_type types[3] = {napi_float32_array, napi_int16_array, napi_uint8_array};
  for (uint32_t i = 0; i < arrays.Length(); i++) {
    Span<uint8_t> span;
    BatchPlane& plane = (*planes)[i];
    if (!get_span<uint8_t>(arrays.Get(i), types[int(form.spec.type)], &span) || span.length < views * plane.values())
      return false;
    plane.data = span.data;
  }
  return true;
}

Napi::Value failures_to_js(Napi::Env env, const std::vector<BatchFailure>& failures) {
  if (failures.empty()) return env.Undefined();
  Napi::Array list = Napi::Array::New(env);
  for (const BatchFailure& failure : failures) {
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

// Numbers, frequency tables ([scale, bias][3][64], or none) and the kept frequencies of each component (or none).
bool get_form(const Napi::Value& numbers_value, const Napi::Value& tables_value, const Napi::Value& kept_value,
              BatchForm* form) {
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

Napi::Object form_positions(Napi::Env env) {
  return positions(env, {{"kind", kFormKind},
                         {"type", kFormType},
                         {"chromaStep", kFormChromaStep},
                         {"rgb", kFormRgb},
                         {"scale", kFormScale},
                         {"bias", kFormBias},
                         {"width", kFormWidth},
                         {"height", kFormHeight},
                         {"numbers", kFormNumbers}});
}

Napi::Object sample_positions(Napi::Env env) {
  return positions(env, {{"block", kBlock},
                         {"blockSample", kBlockSample},
                         {"firstByte", kFirstByte},
                         {"memory", kMemory},
                         {"file", kFile},
                         {"offset", kOffset},
                         {"byteLength", kBytes},
                         {"crc32c", kCrc32c},
                         {"checked", kChecked},
                         {"codec", kCodec},
                         {"width", kWidth},
                         {"height", kHeight},
                         {"layouts", kLayouts},
                         {"layout", kLayout},
                         {"grids", kGrid},
                         {"place", kPlace},
                         {"x", kAxisX},
                         {"y", kAxisY},
                         {"color", kColor},
                         {"erase", kErase},
                         {"numbers", kSampleNumbers}});
}

Napi::Object axis_positions(Napi::Env env) {
  return positions(env, {{"boxStart", kBoxStart},
                         {"boxEnd", kBoxEnd},
                         {"scaledSize", kScaledSize},
                         {"outStart", kOutStart},
                         {"outCount", kOutCount},
                         {"flip", kFlip},
                         {"numbers", kAxisNumbers}});
}

Napi::Object color_positions(Napi::Env env) {
  return positions(env, {{"luma", kColorLuma},
                         {"chroma", kColorChroma},
                         {"offset", kColorOffset},
                         {"offsetOfMean", kColorOffsetOfMean},
                         {"numbers", kColorNumbers}});
}

Napi::Object box_positions(Napi::Env env) {
  return positions(
      env,
      {{"top", kBoxTop}, {"left", kBoxLeft}, {"bottom", kBoxBottom}, {"right", kBoxRight}, {"numbers", kBoxNumbers}});
}

Napi::Object pair_positions(Napi::Env env) {
  return positions(env,
                   {{"a", kPairA}, {"b", kPairB}, {"share", kPairShare}, {"box", kPairBox}, {"numbers", kPairNumbers}});
}

// renderView(geometry: Int32Array, quant: Uint16Array, packed: Uint8Array, codec, form: Float64Array, axes:
// Float64Array, tables?: Float32Array, kept?: Uint8Array[3], out: typed arrays)
Napi::Value RenderView(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ViewImage image;
  Span<const uint8_t> packed;
  Codec codec;
  BatchForm form;
  Span<const double> axes;
  if (!get_image(info[0], info[1], &image) || !get_bytes(info[2], &packed) || !get_codec(info[3], &codec) ||
      !get_form(info[4], info[6], info[7], &form) || !get_span<const double>(info[5], napi_float64_array, &axes) ||
      axes.length != 2 * kAxisNumbers + kColorNumbers) {
    return bad_argument(env, "renderView(geometry, quant, packed, codec, form, axes, tables, kept, out)");
  }
  ViewSpec& spec = form.spec;
  const bool sized = read_axis(axes.data, &spec.x) && read_axis(axes.data + kAxisNumbers, &spec.y);
  const double* color = axes.data + 2 * kAxisNumbers;
  spec.color = read_color(color);
  std::vector<BatchPlane> planes;
  std::vector<float> empty[3];
  if (!sized || spec.x.out_count != form.width || spec.y.out_count != form.height ||
      !get_planes(info[8], form, 1, &planes, empty))
    return bad_argument(env, "renderView: an output has the wrong type or length");
  void* out[3] = {};
  for (size_t i = 0; i < planes.size(); i++) out[i] = planes[i].data;
  const Status status =
      env.GetInstanceData<Scratch>()->batch.viewer.render(image, packed.data, packed.length, codec, spec, out);
  return status.ok() ? env.Undefined() : fail(env, status);
}

// renderBatch(memory: Uint8Array[], layouts: Uint8Array[], blocks: Uint8Array[], samples: Float64Array [n,
// kSampleNumbers], form, tables?, kept?, out: typed arrays of `views` views, views, pairs: Float64Array [m,
// kPairNumbers], replace: boolean, times?: Float64Array(3)) Undefined when all went well; otherwise the samples that
// failed. Their places are copies of a neighbour's when `replace` says so and there is one, and zero otherwise.
Napi::Value RenderBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Scratch* scratch = env.GetInstanceData<Scratch>();
  Span<const double> samples, pairs;
  BatchTask task;
  std::vector<float> empty[3];
  // A batch has at most as many views as an array has bytes.
  const double views = info[8].IsNumber() ? info[8].As<Napi::Number>().DoubleValue() : 0;
  if (views >= 1 && views <= 1 << 30) task.views = size_t(views);
  if (!get_spans(info[0], &task.memory) || !get_spans(info[1], &task.layouts) || !get_spans(info[2], &task.blocks) ||
      !get_span<const double>(info[3], napi_float64_array, &samples) || samples.length % kSampleNumbers != 0 ||
      !get_form(info[4], info[5], info[6], &task.form) ||
      !get_planes(info[7], task.form, task.views, &task.planes, empty) ||
      !get_span<const double>(info[9], napi_float64_array, &pairs) || pairs.length % kPairNumbers != 0) {
    return bad_argument(
        env, "renderBatch(memory, layouts, blocks, samples, form, tables, kept, out, views, pairs, replace)");
  }
  task.samples = samples.data;
  task.sample_count = samples.length / kSampleNumbers;
  task.pairs = pairs.data;
  task.pair_count = pairs.length / kPairNumbers;
  task.replace = info[10].ToBoolean().Value();
  Span<double> times;
  if (get_span<double>(info[11], napi_float64_array, &times) && times.length == kTimes) task.times = times.data;
  std::vector<BatchFailure> failures;
  const Status status = render_batch(&task, &scratch->batch, &failures);
  return status.ok() ? failures_to_js(env, failures) : fail(env, status);
}

}  // namespace dctstream
