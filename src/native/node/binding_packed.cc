// The side of the binding for packed coefficients: packing, and what is packed back to coefficients.
#include <memory>
#include <string>

#include "node/binding.h"

namespace dctstream {
namespace {

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

}  // namespace

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

}  // namespace dctstream
