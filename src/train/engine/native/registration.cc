// Registers our kernels with TensorFlow through its C interface, which stays the same from release to release. Loading
// this file into the process is all it takes; there is nothing to call from JavaScript.
//
// The operations change inputs in place (moving statistics, weights, velocities): each such tensor must be held by one
// variable alone.
#include <node_api.h>
#include <tensorflow/c/kernels.h>
#include <tensorflow/c/ops.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "batch_norm.h"
#include "max_pool.h"
#include "momentum.h"

namespace {

using dctstream::BatchNormBackward;
using dctstream::BatchNormForward;
using dctstream::MaxPoolGradient;

struct TensorDeleter {
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, TensorDeleter>;

float* floats(const Tensor& tensor) { return static_cast<float*>(TF_TensorData(tensor.get())); }
int64_t count_of(const Tensor& tensor) { return TF_TensorElementCount(tensor.get()); }

std::vector<int64_t> shape_of(const Tensor& tensor) {
  std::vector<int64_t> shape(TF_NumDims(tensor.get()));
  for (size_t i = 0; i < shape.size(); i++) shape[i] = TF_Dim(tensor.get(), static_cast<int>(i));
  return shape;
}

// The tensors of one call. After the first failure every access yields an empty tensor, and ok() is false.
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {}
  Call(const Call&) = delete;
  ~Call() {
    if (!ok()) TF_OpKernelContext_Failure(context_, status_);
    TF_DeleteStatus(status_);
  }

  bool ok() const { return TF_GetCode(status_) == TF_OK; }

  Tensor input(int index) {
    TF_Tensor* tensor = nullptr;
    if (ok()) TF_GetInput(context_, index, &tensor, status_);
    return Tensor(tensor);
  }

  Tensor output(int index, const std::vector<int64_t>& shape) {
    if (!ok()) return Tensor();
    size_t bytes = sizeof(float);
    for (const int64_t size : shape) bytes *= size;
    return Tensor(
        TF_AllocateOutput(context_, index, TF_FLOAT, shape.data(), static_cast<int>(shape.size()), bytes, status_));
  }

  // Fails the call unless `tensor` holds `count` values.
  void expect(const Tensor& tensor, int64_t count, const char* name) {
    if (!ok() || count_of(tensor) == count) return;
    fail(std::string(name) + ": expected " + std::to_string(count) + " values, got " +
         std::to_string(count_of(tensor)));
  }

  void fail(const std::string& message) { TF_SetStatus(status_, TF_INVALID_ARGUMENT, message.c_str()); }

 private:
  TF_OpKernelContext* context_;
  TF_Status* status_;
};

// The attributes of a node; those its operation does not have stay as they are here.
struct Attributes {
  float epsilon = 0, keep = 0;
  unsigned char relu = 0;
  int64_t residuals = 0, window = 0, stride = 0;
};

void* read_attributes(TF_OpKernelConstruction* construction) {
  auto attributes = std::make_unique<Attributes>();
  TF_Status* status = TF_NewStatus();
  const auto has = [&](const char* name) {
    return TF_GetCode(status) == TF_OK && TF_OpKernelConstruction_HasAttr(construction, name, status);
  };
  const auto read_float = [&](const char* name, float* value) {
    if (has(name)) TF_OpKernelConstruction_GetAttrFloat(construction, name, value, status);
  };
  const auto read_int = [&](const char* name, int64_t* value) {
    if (has(name)) TF_OpKernelConstruction_GetAttrInt64(construction, name, value, status);
  };
  read_float("epsilon", &attributes->epsilon);
  read_float("keep", &attributes->keep);
  read_int("N", &attributes->residuals);
  read_int("window", &attributes->window);
  read_int("stride", &attributes->stride);
  if (has("relu")) TF_OpKernelConstruction_GetAttrBool(construction, "relu", &attributes->relu, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return attributes.release();
}

void delete_attributes(void* state) { delete static_cast<Attributes*>(state); }

void run_batch_norm(void* state, TF_OpKernelContext* context) {
  const auto& attributes = *static_cast<Attributes*>(state);
  Call call(context);
  const Tensor x = call.input(0), gamma = call.input(1), beta = call.input(2), moving_mean = call.input(3),
               moving_variance = call.input(4);
  const Tensor residual = TF_NumInputs(context) > 5 ? call.input(5) : Tensor();
  if (!call.ok()) return;
  const std::vector<int64_t> shape = shape_of(x);
  const int64_t channels = shape.empty() ? 0 : shape.back();
  call.expect(gamma, channels, "gamma");
  call.expect(beta, channels, "beta");
  call.expect(moving_mean, channels, "moving_mean");
  call.expect(moving_variance, channels, "moving_variance");
  if (residual) call.expect(residual, count_of(x), "residual");
  const Tensor y = call.output(0, shape), mean = call.output(1, {channels}), inverse = call.output(2, {channels});
  if (!call.ok() || count_of(x) == 0) return;
  BatchNormForward op{};
  op.rows = count_of(x) / channels;
  op.channels = channels;
  op.epsilon = attributes.epsilon;
  op.keep = attributes.keep;
  op.relu = attributes.relu != 0;
  op.x = floats(x);
  op.gamma = floats(gamma);
  op.beta = floats(beta);
  op.residual = residual ? floats(residual) : nullptr;
  op.moving_mean = floats(moving_mean);
  op.moving_variance = floats(moving_variance);
  op.y = floats(y);
  op.mean = floats(mean);
  op.inverse_std = floats(inverse);
  dctstream::batch_norm_forward(op);
}

void run_batch_norm_gradient(void* state, TF_OpKernelContext* context) {
  const auto& attributes = *static_cast<Attributes*>(state);
  Call call(context);
  const Tensor dy = call.input(0), x = call.input(1), y = call.input(2), gamma = call.input(3), beta = call.input(4),
               mean = call.input(5), inverse = call.input(6);
  if (!call.ok()) return;
  const std::vector<int64_t> shape = shape_of(x);
  const int64_t channels = shape.empty() ? 0 : shape.back();
  call.expect(dy, count_of(x), "dy");
  call.expect(y, count_of(x), "y");
  call.expect(gamma, channels, "gamma");
  call.expect(beta, channels, "beta");
  call.expect(mean, channels, "mean");
  call.expect(inverse, channels, "inverse_std");
  const Tensor dx = call.output(0, shape), dgamma = call.output(1, {channels}), dbeta = call.output(2, {channels});
  const Tensor dresidual = attributes.residuals > 0 ? call.output(3, shape) : Tensor();
  if (!call.ok() || count_of(x) == 0) return;
  BatchNormBackward op{};
  op.rows = count_of(x) / channels;
  op.channels = channels;
  op.relu = attributes.relu != 0;
  op.dy = floats(dy);
  op.x = floats(x);
  op.y = floats(y);
  op.gamma = floats(gamma);
  op.beta = floats(beta);
  op.mean = floats(mean);
  op.inverse_std = floats(inverse);
  op.dx = floats(dx);
  op.dgamma = floats(dgamma);
  op.dbeta = floats(dbeta);
  op.dresidual = dresidual ? floats(dresidual) : nullptr;
  dctstream::batch_norm_backward(op);
}

void run_max_pool_gradient(void* state, TF_OpKernelContext* context) {
  const auto& attributes = *static_cast<Attributes*>(state);
  Call call(context);
  const Tensor x = call.input(0), y = call.input(1), dy = call.input(2);
  if (!call.ok()) return;
  const std::vector<int64_t> shape = shape_of(x), pooled = shape_of(y);
  const auto outputs = [&](int64_t size) { return (size - attributes.window) / attributes.stride + 1; };
  const bool fits = shape.size() == 4 && pooled.size() == 4 && attributes.stride > 0 && shape[0] == pooled[0] &&
                    outputs(shape[1]) == pooled[1] && outputs(shape[2]) == pooled[2] && shape[3] == pooled[3];
  if (!fits) return call.fail("y is not what pooling x without padding gives");
  call.expect(dy, count_of(y), "dy");
  const Tensor dx = call.output(0, shape);
  if (!call.ok()) return;
  dctstream::max_pool_gradient({shape[0], shape[1], shape[2], shape[3], pooled[1], pooled[2], attributes.window,
                                attributes.stride, floats(x), floats(y), floats(dy), floats(dx)});
}

void run_momentum(void*, TF_OpKernelContext* context) {
  Call call(context);
  const Tensor weight = call.input(0), velocity = call.input(1), gradient = call.input(2), settings = call.input(3);
  if (!call.ok()) return;
  call.expect(velocity, count_of(weight), "velocity");
  call.expect(gradient, count_of(weight), "gradient");
  call.expect(settings, 3, "settings");
  const Tensor done = call.output(0, {0});
  if (!call.ok()) return;
  const float* const setting = floats(settings);
  dctstream::momentum_update(
      {count_of(weight), setting[0], setting[1], setting[2], floats(gradient), floats(weight), floats(velocity)});
}

struct Operation {
  const char* name;
  std::vector<const char*> attributes, inputs, outputs;
  void (*compute)(void*, TF_OpKernelContext*);
};

void register_operation(const Operation& operation, TF_Status* status) {
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(operation.name);
  for (const char* attribute : operation.attributes) TF_OpDefinitionBuilderAddAttr(definition, attribute);
  for (const char* input : operation.inputs) TF_OpDefinitionBuilderAddInput(definition, input);
  for (const char* output : operation.outputs) TF_OpDefinitionBuilderAddOutput(definition, output);
  TF_OpDefinitionBuilderSetIsStateful(definition, true);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, &TF_ShapeInferenceContextSetUnknownShape);
  TF_RegisterOpDefinition(definition, status);
  if (TF_GetCode(status) != TF_OK) return;
  TF_KernelBuilder* kernel =
      TF_NewKernelBuilder(operation.name, "CPU", read_attributes, operation.compute, delete_attributes);
  TF_RegisterKernelBuilder(operation.name, kernel, status);
}

std::string register_operations() {
  const std::array<Operation, 4> operations = {{
      {"DctstreamBatchNorm",
       {"epsilon: float", "keep: float", "relu: bool", "N: int >= 0"},
       {"x: float", "gamma: float", "beta: float", "moving_mean: float", "moving_variance: float",
        "residual: N * float"},
       {"y: float", "mean: float", "inverse_std: float"},
       run_batch_norm},
      {"DctstreamBatchNormGrad",
       {"relu: bool", "N: int >= 0"},
       {"dy: float", "x: float", "y: float", "gamma: float", "beta: float", "mean: float", "inverse_std: float"},
       {"dx: float", "dgamma: float", "dbeta: float", "dresidual: N * float"},
       run_batch_norm_gradient},
      {"DctstreamMaxPoolGrad",
       {"window: int >= 1", "stride: int >= 1"},
       {"x: float", "y: float", "dy: float"},
       {"dx: float"},
       run_max_pool_gradient},
      {"DctstreamMomentum",
       {},
       {"weight: float", "velocity: float", "gradient: float", "settings: float"},
       {"done: float"},
       run_momentum},
  }};
  TF_Status* status = TF_NewStatus();
  std::string problem;
  for (const Operation& operation : operations) {
    register_operation(operation, status);
    if (TF_GetCode(status) == TF_OK) continue;
    problem = TF_Message(status);
    break;
  }
  TF_DeleteStatus(status);
  return problem;
}

}  // namespace

NAPI_MODULE_INIT() {
  // Once a process, however many Node environments load the addon.
  static const std::string problem = register_operations();
  if (!problem.empty()) napi_throw_error(env, nullptr, problem.c_str());
  return exports;
}
