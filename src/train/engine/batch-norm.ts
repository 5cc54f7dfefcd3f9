// Batch normalisation through TensorFlow's fused kernels. tfjs composes the training pass of a dozen elementwise ops;
// FusedBatchNormV3 and its gradient halve a whole ResNet-50 step. Saves and loads as the standard BatchNormalization layer.
import type { layers, serialization, Tensor, Tensor4D, TensorInfo } from "@tensorflow/tfjs-node-gpu";
import type { Tf } from "./tensorflow.js";

/** What tfjs's layer keeps, and its types leave out. */
interface BatchNormalizationInternals {
  readonly gamma: { read(): Tensor };
  readonly beta: { read(): Tensor };
  readonly movingMean: { read(): Tensor; write(value: Tensor): unknown };
  readonly movingVariance: { read(): Tensor; write(value: Tensor): unknown };
  readonly momentum: number;
  readonly epsilon: number;
  invokeCallHook(inputs: Tensor | Tensor[], kwargs: unknown): void;
}

/** The part of the node backend that runs a kernel by name. */
interface KernelBackend {
  readonly binding: {
    TF_ATTR_TYPE: number;
    TF_ATTR_FLOAT: number;
    TF_ATTR_STRING: number;
    TF_ATTR_BOOL: number;
    TF_FLOAT: number;
  };
  executeMultipleOutputs(name: string, attributes: unknown[], inputs: TensorInfo[], outputs: number): Tensor[];
}

type LayerClass = new (
  config: Parameters<typeof layers.batchNormalization>[0],
) => layers.Layer & BatchNormalizationInternals;

let fusedClass: LayerClass | undefined;

/** A batch normalisation layer over the last axis of [batch, height, width, channels]. */
export function fusedBatchNormalization(tf: Tf, config: Parameters<typeof layers.batchNormalization>[0]): layers.Layer {
  fusedClass ??= defineLayer(tf);
  return new fusedClass(config);
}

function defineLayer(tf: Tf): LayerClass {
  // tfjs exports a factory but not the class; subclassing keeps its weights, its configuration and its name in saved models.
  const Base = tf.layers.batchNormalization({}).constructor as LayerClass &
    serialization.SerializableConstructor<serialization.Serializable>;
  return class FusedBatchNormalization extends Base {
    override call(inputs: Tensor | Tensor[], kwargs: { training?: boolean }): Tensor | Tensor[] {
      const input = Array.isArray(inputs) ? inputs[0] : inputs;
      if (!kwargs.training || input?.rank !== 4) return super.call(inputs, kwargs);
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        return normalizeBatch(tf, input as Tensor4D, this);
      });
    }
  } as unknown as LayerClass;
}

function attributes({ binding }: KernelBackend, epsilon: number): unknown[] {
  return [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "U", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "epsilon", type: binding.TF_ATTR_FLOAT, value: epsilon },
    { name: "data_format", type: binding.TF_ATTR_STRING, value: "NHWC" },
    { name: "is_training", type: binding.TF_ATTR_BOOL, value: true },
  ];
}

function normalizeBatch(tf: Tf, input: Tensor4D, layer: BatchNormalizationInternals): Tensor {
  const backend = tf.backend() as unknown as KernelBackend;
  const attrs = attributes(backend, layer.epsilon);
  const normalize = tf.customGrad((x, gamma, beta, save) => {
    const none = tf.tensor1d([]);
    const outputs = backend.executeMultipleOutputs(
      "FusedBatchNormV3",
      attrs,
      [x as Tensor, gamma as Tensor, beta as Tensor, none, none],
      6,
    );
    const [y, mean, variance, ...reserved] = outputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    updateMoving(layer, mean, variance);
    (save as (tensors: Tensor[]) => void)([x as Tensor, gamma as Tensor, ...reserved]);
    const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]): Tensor[] => {
      const [savedX, savedGamma, ...savedReserved] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const inputs = [dy as Tensor, savedX, savedGamma, ...savedReserved];
      return backend.executeMultipleOutputs("FusedBatchNormGradV3", attrs, inputs, 5).slice(0, 3);
    };
    return { value: y, gradFunc };
  });
  return normalize(input, layer.gamma.read(), layer.beta.read());
}

function updateMoving(layer: BatchNormalizationInternals, mean: Tensor, variance: Tensor): void {
  const blend = (old: Tensor, now: Tensor) => old.mul(layer.momentum).add(now.mul(1 - layer.momentum));
  layer.movingMean.write(blend(layer.movingMean.read(), mean));
  layer.movingVariance.write(blend(layer.movingVariance.read(), variance));
}
