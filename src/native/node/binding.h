// What the files of the binding share: memory that is kept from call to call, and reading JavaScript values.
#pragma once
#include <napi.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "batch.h"
#include "image_reader.h"
#include "packed/pack.h"
#include "seek/builder.h"

namespace dctstream {

// One per environment (main thread or worker): buffers that keep their capacity from image to image.
struct Scratch {
  Simd simd = simd_from_environment();
  ImageReader reader{simd};
  Packer packer;
  Unpacker unpacker{simd};
  BatchTools batch{simd};
  SeekBuilder seek_builder{simd};
  SeekSample seek_sample;
  Compressor compressor;
  Decompressor decompressor;
  std::vector<PlaneStreams> streams;
  std::vector<uint8_t> packed, rebuilt;
};

inline Napi::Value fail(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message);
  error.Set("code", Napi::String::New(env, code_name(status.code)));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

inline Napi::Value bad_argument(Napi::Env env, const char* what) {
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

inline bool get_bytes(const Napi::Value& value, Span<const uint8_t>* span) {
  return get_span<const uint8_t>(value, napi_uint8_array, span);
}

// A number of pixels as a limit; as many as can be counted exactly.
inline bool get_pixels(const Napi::Value& value, uint64_t* pixels) {
  if (!value.IsNumber()) return false;
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= double(uint64_t(1) << 53))) return false;
  *pixels = uint64_t(number);
  return true;
}

inline bool get_codec(const Napi::Value& value, Codec* codec) {
  return value.IsNumber() && codec_of(value.As<Napi::Number>().DoubleValue(), codec);
}

// [wide, high] per component.
inline bool get_grids(const Napi::Value& value, std::vector<Grid>* grids) {
  Span<const uint32_t> flat;
  if (!get_span<const uint32_t>(value, napi_uint32_array, &flat) || flat.length % 2 != 0 ||
      flat.length > 2 * kMaxComponents)
    return false;
  for (size_t i = 0; i < flat.length; i += 2) grids->push_back({flat.data[i], flat.data[i + 1]});
  for (const Grid& grid : *grids) {
    if (grid.blocks_wide == 0 || grid.blocks_high == 0 || grid.blocks_wide > kMaxGridSide ||
        grid.blocks_high > kMaxGridSide)
      return false;
  }
  return !grids->empty();
}

inline Napi::Value new_bytes(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.Data(), bytes.data(), bytes.size());
  return Napi::Uint8Array::New(env, bytes.size(), buffer, 0);
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

// Positions in an array of numbers, by name.
inline Napi::Object positions(Napi::Env env, std::initializer_list<std::pair<const char*, int>> list) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, position] : list) object.Set(name, position);
  return object;
}

inline bool get_spans(const Napi::Value& value, std::vector<ByteSpan>* list) {
  if (!value.IsArray()) return false;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    Span<const uint8_t> span;
    if (!get_bytes(array.Get(i), &span)) return false;
    list->push_back({span.data, span.length});
  }
  return true;
}

// binding_seek.cc
Napi::Object seek_positions(Napi::Env env);
Napi::Value BuildSeekSample(const Napi::CallbackInfo& info);
Napi::Value SealSeekBlock(const Napi::CallbackInfo& info);
Napi::Value OpenSeekBlock(const Napi::CallbackInfo& info);
Napi::Value TakeSeekSample(const Napi::CallbackInfo& info);
Napi::Value ReadSeekFacts(const Napi::CallbackInfo& info);
Napi::Value BytesOfView(const Napi::CallbackInfo& info);
Napi::Value CheckSeekRows(const Napi::CallbackInfo& info);

// binding_views.cc
bool get_form(const Napi::Value& numbers, const Napi::Value& tables, const Napi::Value& kept, BatchForm* form);
Napi::Object form_positions(Napi::Env env);
Napi::Object sample_positions(Napi::Env env);
Napi::Object axis_positions(Napi::Env env);
Napi::Object color_positions(Napi::Env env);
Napi::Object box_positions(Napi::Env env);
Napi::Object pair_positions(Napi::Env env);
Napi::Value RenderView(const Napi::CallbackInfo& info);
Napi::Value RenderBatch(const Napi::CallbackInfo& info);

// binding_jpeg.cc
bool get_facts(const Napi::Value& value, Span<double>* facts);
void describe_jpeg(const JpegFacts& facts, const FrequencyStats& stats, double* out);
Napi::Object fact_positions(Napi::Env env);
Napi::Object grid_positions(Napi::Env env);
Napi::Value ReadJpeg(const Napi::CallbackInfo& info);
Napi::Value TakePacked(const Napi::CallbackInfo& info);
Napi::Value TakeFile(const Napi::CallbackInfo& info);
Napi::Value ReadPixels(const Napi::CallbackInfo& info);
Napi::Value ReadOrientation(const Napi::CallbackInfo& info);
Napi::Value RebuildJpeg(const Napi::CallbackInfo& info);
Napi::Value EncodeJpeg(const Napi::CallbackInfo& info);

// binding_packed.cc
Napi::Value Pack(const Napi::CallbackInfo& info);
Napi::Value Unpack(const Napi::CallbackInfo& info);
Napi::Value ExpandPacked(const Napi::CallbackInfo& info);

// binding_system.cc
Napi::Value LockFile(const Napi::CallbackInfo& info);
Napi::Value WatchInterrupts(const Napi::CallbackInfo& info);
Napi::Value SetGrace(const Napi::CallbackInfo& info);
Napi::Value UnwatchInterrupts(const Napi::CallbackInfo& info);
Napi::Value ExitWithin(const Napi::CallbackInfo& info);
Napi::Value HoldTemporary(const Napi::CallbackInfo& info);
Napi::Value ReleaseTemporary(const Napi::CallbackInfo& info);
Napi::Value CopyBytes(const Napi::CallbackInfo& info);
Napi::Value Misalignment(const Napi::CallbackInfo& info);
Napi::Value ThreadCpuMs(const Napi::CallbackInfo& info);
Napi::Value OpenFileLimit(const Napi::CallbackInfo& info);
Napi::Value Crc32c(const Napi::CallbackInfo& info);

}  // namespace dctstream
