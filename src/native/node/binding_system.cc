// The side of the binding for what JavaScript cannot ask of the system or of memory itself.
#include <sys/resource.h>

#include <cstring>
#include <ctime>

#include "base/crc32c.h"
#include "base/deadline.h"
#include "base/lock.h"
#include "node/binding.h"

namespace dctstream {

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

// holdTemporary(path: string)
Napi::Value HoldTemporary(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return bad_argument(info.Env(), "holdTemporary(string)");
  hold_temporary(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

// releaseTemporary(path: string)
Napi::Value ReleaseTemporary(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return bad_argument(info.Env(), "releaseTemporary(string)");
  release_temporary(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
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

}  // namespace dctstream
