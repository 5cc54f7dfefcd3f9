// JavaScript values <-> the cores: what the addon exports. Nothing but this folder knows Node; src/native/index.ts is
// its typed other side.
// It checks the type and the length of every view; what the numbers mean was checked by the caller.
#include "node/binding.h"

namespace {

using namespace dctstream;

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

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Scratch* scratch = new Scratch();
  env.SetInstanceData(scratch);  // freed by node-addon-api when the environment ends
  exports.Set("version", 11);    // raised when a function here changes; addon.ts refuses another
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
  exports.Set("holdTemporary", Napi::Function::New(env, Guarded<HoldTemporary>));
  exports.Set("releaseTemporary", Napi::Function::New(env, Guarded<ReleaseTemporary>));
  exports.Set("pack", Napi::Function::New(env, Guarded<Pack>));
  exports.Set("unpack", Napi::Function::New(env, Guarded<Unpack>));
  exports.Set("expandPacked", Napi::Function::New(env, Guarded<ExpandPacked>));
  exports.Set("rebuildJpeg", Napi::Function::New(env, Guarded<RebuildJpeg>));
  exports.Set("encodeJpeg", Napi::Function::New(env, Guarded<EncodeJpeg>));
  exports.Set("renderView", Napi::Function::New(env, Guarded<RenderView>));
  exports.Set("renderBatch", Napi::Function::New(env, Guarded<RenderBatch>));
  exports.Set("buildSeekSample", Napi::Function::New(env, Guarded<BuildSeekSample>));
  exports.Set("sealSeekBlock", Napi::Function::New(env, Guarded<SealSeekBlock>));
  exports.Set("openSeekBlock", Napi::Function::New(env, Guarded<OpenSeekBlock>));
  exports.Set("takeSeekSample", Napi::Function::New(env, Guarded<TakeSeekSample>));
  exports.Set("readSeekFacts", Napi::Function::New(env, Guarded<ReadSeekFacts>));
  exports.Set("bytesOfView", Napi::Function::New(env, Guarded<BytesOfView>));
  exports.Set("checkSeekRows", Napi::Function::New(env, Guarded<CheckSeekRows>));
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
