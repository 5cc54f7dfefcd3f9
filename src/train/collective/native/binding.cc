// JavaScript <-> Communicator: checks the types of what it is given and settles promises when the communicator's thread
// is done.
#include <napi.h>

#include <future>
#include <memory>

#include "communicator.h"

namespace dctstream {
namespace {

struct State {
  std::unique_ptr<Communicator> communicator;
  Napi::ThreadSafeFunction main_thread;
  int pending = 0;  // while there are any, the process stays alive
};

Napi::Error mpi_error(Napi::Env env, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, "MPI: " + message);
  error.Value().Set("code", "MPI_FAILED");
  return error;
}

State* state_of(const Napi::CallbackInfo& info) { return info.Env().GetInstanceData<State>(); }

// The communicator, or nullptr with an exception pending when there is none.
Communicator* joined(const Napi::CallbackInfo& info) {
  Communicator* communicator = state_of(info)->communicator.get();
  if (communicator == nullptr) mpi_error(info.Env(), "not joined").ThrowAsJavaScriptException();
  return communicator;
}

Napi::Value join(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  State* state = state_of(info);
  if (state->communicator == nullptr) {
    std::string error;
    auto communicator = std::make_unique<Communicator>(&error);
    if (!error.empty()) {
      mpi_error(env, error).ThrowAsJavaScriptException();
      return env.Undefined();
    }
    state->communicator = std::move(communicator);
    const Napi::Function nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
    state->main_thread = Napi::ThreadSafeFunction::New(env, nothing, "dctstream MPI", 0, 1);
    state->main_thread.Unref(env);
  }
  const Place& place = state->communicator->place();
  Napi::Object result = Napi::Object::New(env);
  result.Set("rank", place.rank);
  result.Set("size", place.size);
  result.Set("localRank", place.local_rank);
  result.Set("localSize", place.local_size);
  return result;
}

// What one operation holds until it has ended; made and freed on JavaScript's thread.
struct Pending {
  Pending(Napi::Env env, Napi::Value memory) : deferred(env), memory(Napi::Persistent(memory.As<Napi::Object>())) {}
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference memory;
};

// A promise of an operation, and what the communicator's thread calls at its end.
std::pair<Napi::Promise, Communicator::Done> begin(const Napi::CallbackInfo& info, Napi::Value memory) {
  State* state = state_of(info);
  auto* pending = new Pending(info.Env(), memory);
  if (state->pending++ == 0) state->main_thread.Ref(info.Env());
  auto done = [state, pending](const std::string& error) {
    state->main_thread.BlockingCall([state, pending, error](Napi::Env env, Napi::Function) {
      if (error.empty()) {
        pending->deferred.Resolve(env.Undefined());
      } else {
        pending->deferred.Reject(mpi_error(env, error).Value());
      }
      delete pending;
      if (--state->pending == 0) state->main_thread.Unref(env);
    });
  };
  return {pending->deferred.Promise(), done};
}

bool is_float_array(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array;
}

Napi::Value bad_argument(Napi::Env env, const char* expected) {
  Napi::TypeError::New(env, std::string("expected ") + expected).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value sum(const Napi::CallbackInfo& info) {
  Communicator* communicator = joined(info);
  if (communicator == nullptr) return info.Env().Undefined();
  if (!is_float_array(info[0])) return bad_argument(info.Env(), "a Float32Array");
  auto values = info[0].As<Napi::Float32Array>();
  const auto [promise, done] = begin(info, values);
  communicator->sum(values.Data(), values.ElementLength(), done);
  return promise;
}

Napi::Value sum_now(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Communicator* communicator = joined(info);
  if (communicator == nullptr) return env.Undefined();
  if (!is_float_array(info[0])) return bad_argument(env, "a Float32Array");
  auto values = info[0].As<Napi::Float32Array>();
  std::promise<std::string> ended;
  communicator->sum(values.Data(), values.ElementLength(),
                    [&ended](const std::string& error) { ended.set_value(error); });
  const std::string error = ended.get_future().get();
  if (!error.empty()) mpi_error(env, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value broadcast(const Napi::CallbackInfo& info) {
  Communicator* communicator = joined(info);
  if (communicator == nullptr) return info.Env().Undefined();
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    return bad_argument(info.Env(), "a Uint8Array");
  auto bytes = info[0].As<Napi::Uint8Array>();
  const auto [promise, done] = begin(info, bytes);
  communicator->broadcast(bytes.Data(), bytes.ByteLength(), done);
  return promise;
}

Napi::Value close(const Napi::CallbackInfo& info) {
  Communicator* communicator = joined(info);
  if (communicator == nullptr) return info.Env().Undefined();
  const auto [promise, done] = begin(info, Napi::Object::New(info.Env()));
  communicator->finalize(done);
  return promise;
}

Napi::Value abort_job(const Napi::CallbackInfo& info) {
  Communicator* communicator = joined(info);
  if (communicator != nullptr) communicator->abort();
  return info.Env().Undefined();
}

// The state is never freed: the communicator's thread may still be in MPI when the process ends.
void keep(Napi::Env, State*) {}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<State, keep>(new State());
  exports.Set("join", Napi::Function::New(env, join));
  exports.Set("sum", Napi::Function::New(env, sum));
  exports.Set("sumNow", Napi::Function::New(env, sum_now));
  exports.Set("broadcast", Napi::Function::New(env, broadcast));
  exports.Set("close", Napi::Function::New(env, close));
  exports.Set("abort", Napi::Function::New(env, abort_job));
  return exports;
}

}  // namespace

NODE_API_MODULE(dctstream_mpi, init)

}  // namespace dctstream
