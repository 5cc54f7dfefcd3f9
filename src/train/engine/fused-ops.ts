// The operations of a training step, each with its gradient, on TensorFlow's own kernels: convolution, batch
// normalisation with what follows it, pooling. tfjs composes the same of several times as many passes over memory.
import type { Tensor, Tensor4D, Variable } from "@tensorflow/tfjs";
import { assign } from "./assign.js";
import type { Attribute, Kernels } from "./kernels.js";
import type { PrivateMemory } from "./private-memory.js";
import type { Tf } from "./tensorflow.js";

export interface ConvolutionOptions {
  readonly strides: readonly [number, number];
  readonly padding: "valid" | "same";
  /** Whether the gradient of the input is computed; false when nothing that is trained lies before. */
  readonly inputGradient: boolean;
}

export interface BatchNormWeights {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly movingMean: Variable;
  readonly movingVariance: Variable;
}

export interface BatchNormOptions {
  readonly epsilon: number;
  /** Share of the old moving statistics that is kept. */
  readonly momentum: number;
  readonly relu: boolean;
}

type Save = (tensors: Tensor[]) => void;

export class FusedOps {
  private readonly tf: Tf;
  private readonly elementwise: Attribute[];

  /** `own`: our kernels are loaded, for tensors in the processor's memory. */
  constructor(
    private readonly kernels: Kernels,
    private readonly memory: PrivateMemory,
    private readonly own: boolean,
  ) {
    this.tf = kernels.tf;
    this.elementwise = [this.kernels.float32("T")];
  }

  /** x [n, h, w, c], kernel [kh, kw, c, filters]. */
  convolution(x: Tensor, kernel: Tensor, options: ConvolutionOptions): Tensor {
    const { tf, kernels } = this;
    const attributes = [
      kernels.float32("T"),
      kernels.int("strides", [1, ...options.strides, 1]),
      kernels.string("padding", options.padding.toUpperCase()),
      kernels.string("data_format", "NHWC"),
      kernels.int("dilations", [1, 1, 1, 1]),
    ];
    const gradient = (name: string, before: Tensor[], shape: number[], dy: Tensor) =>
      tf.tidy(() => {
        const sizes = tf.tensor1d(shape, "int32");
        // The filter's gradient takes input, sizes, dy; the input's takes sizes, filter, dy.
        const inputs = name === "Conv2DBackpropFilter" ? [...before, sizes, dy] : [sizes, ...before, dy];
        return kernels.run(name, attributes, inputs);
      });
    const operation = (...given: unknown[]) => {
      const [w, input = x] = given.slice(0, -1) as [Tensor, Tensor?];
      (given.at(-1) as Save)([input, w]);
      const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) => {
        const [savedInput, savedKernel] = saved as [Tensor, Tensor];
        const ofKernel = gradient("Conv2DBackpropFilter", [savedInput], savedKernel.shape, dy as Tensor);
        if (!options.inputGradient) return [ofKernel];
        return [ofKernel, gradient("Conv2DBackpropInput", [savedKernel], savedInput.shape, dy as Tensor)];
      };
      return { value: kernels.run("Conv2D", attributes, [input, w]), gradFunc };
    };
    // What is not an operand has no gradient.
    return options.inputGradient ? tf.customGrad(operation)(kernel, x) : tf.customGrad(operation)(kernel);
  }

  /**
   * Normalises x [n, h, w, c] by its own mean and variance, adds `residual` when there is one, and ends in a ReLU when
   * asked. The moving statistics are blended on the way; the moving variance is the unbiased one, as in Keras and
   * PyTorch.
   */
  batchNorm(x: Tensor, weights: BatchNormWeights, residual: Tensor | undefined, options: BatchNormOptions): Tensor {
    if (this.own) return this.ownBatchNorm(x, weights, residual, options);
    const { kernels } = this;
    const attributes = [
      kernels.float32("T"),
      kernels.float32("U"),
      kernels.float("epsilon", options.epsilon),
      kernels.string("data_format", "NHWC"),
      kernels.bool("is_training", true),
    ];
    const blending = [...attributes, kernels.float("exponential_avg_factor", 1 - options.momentum)];
    const { gamma, beta, movingMean, movingVariance } = weights;
    const operation = (...given: unknown[]) => {
      const [input, scale, offset, added] = given.slice(0, -1) as [Tensor, Tensor, Tensor, Tensor?];
      const inputs = [input, scale, offset, movingMean, movingVariance];
      const outputs = kernels.runMany("FusedBatchNormV3", blending, inputs, 6);
      const [normalized, mean, variance, ...reserved] = outputs as [Tensor, Tensor, Tensor, ...Tensor[]];
      assign(movingMean, mean);
      assign(movingVariance, variance);
      const y = this.addAndActivate(normalized, added, options.relu);
      (given.at(-1) as Save)([y, input, scale, ...reserved]);
      const gradFunc = (dy: Tensor | Tensor[], [savedY, ...saved]: Tensor[]) => {
        const open = options.relu
          ? kernels.run("ReluGrad", this.elementwise, [dy as Tensor, savedY as Tensor])
          : (dy as Tensor).clone();
        const gradients = kernels.runMany("FusedBatchNormGradV3", attributes, [open, ...saved], 5).slice(0, 3);
        if (added !== undefined) return [...gradients, open];
        open.dispose();
        return gradients;
      };
      return { value: y, gradFunc };
    };
    const operands = residual === undefined ? [x, gamma, beta] : [x, gamma, beta, residual];
    return this.tf.customGrad(operation)(...operands);
  }

  /** Batch normalisation on our own kernels: two passes over memory forwards, two backwards. */
  private ownBatchNorm(
    x: Tensor,
    { gamma, beta, movingMean, movingVariance }: BatchNormWeights,
    residual: Tensor | undefined,
    options: BatchNormOptions,
  ): Tensor {
    const { kernels } = this;
    const shared = [kernels.bool("relu", options.relu), kernels.int("N", residual === undefined ? 0 : 1)];
    const settings = [kernels.float("epsilon", options.epsilon), kernels.float("keep", options.momentum), ...shared];
    const operands = residual === undefined ? [x, gamma, beta] : [x, gamma, beta, residual];
    const operation = (...given: unknown[]) => {
      const [input, scale, offset, ...added] = given.slice(0, -1) as [Tensor, Tensor, Tensor, ...Tensor[]];
      const moving = [this.memory.claim(movingMean), this.memory.claim(movingVariance)];
      const inputs = [input, scale, offset, ...moving, ...added];
      const [y, mean, inverse] = kernels.runMany("DctstreamBatchNorm", settings, inputs, 3) as [Tensor, Tensor, Tensor];
      (given.at(-1) as Save)([input, y, scale, offset, mean, inverse]);
      const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) =>
        kernels.runMany("DctstreamBatchNormGrad", shared, [dy as Tensor, ...saved], operands.length);
      return { value: y, gradFunc };
    };
    return this.tf.customGrad(operation)(...operands);
  }

  relu(x: Tensor): Tensor {
    const { kernels, elementwise } = this;
    return this.tf.customGrad((input, save) => {
      const y = kernels.run("Relu", elementwise, [input as Tensor]);
      (save as Save)([y]);
      const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) =>
        kernels.run("ReluGrad", elementwise, [dy as Tensor, saved[0] as Tensor]);
      return { value: y, gradFunc };
    })(x);
  }

  /** Largest value of each window, without padding; the window is square. */
  maxPool(x: Tensor, window: number, stride: number): Tensor {
    const { kernels } = this;
    const attributes = [
      kernels.float32("T"),
      kernels.int("ksize", [1, window, window, 1]),
      kernels.int("strides", [1, stride, stride, 1]),
      kernels.string("padding", "VALID"),
      kernels.string("data_format", "NHWC"),
    ];
    const own = [kernels.int("window", window), kernels.int("stride", stride)];
    return this.tf.customGrad((input, save) => {
      const y = kernels.run("MaxPool", attributes, [input as Tensor]);
      (save as Save)([input as Tensor, y]);
      const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) => {
        const inputs = [...saved, dy as Tensor];
        return this.own
          ? kernels.run("DctstreamMaxPoolGrad", own, inputs)
          : kernels.run("MaxPoolGrad", attributes, inputs);
      };
      return { value: y, gradFunc };
    })(x);
  }

  /** Mean over height and width: [n, h, w, c] -> [n, c]. */
  globalAveragePool(x: Tensor): Tensor {
    const { tf } = this;
    const [n, height, width, channels] = (x as Tensor4D).shape;
    return tf.customGrad((input) => ({
      value: tf.mean(input as Tensor, [1, 2]),
      gradFunc: (dy: Tensor | Tensor[]) =>
        tf.tidy(() =>
          tf.broadcastTo(tf.reshape(tf.mul(dy as Tensor, 1 / (height * width)), [n, 1, 1, channels]), [
            n,
            height,
            width,
            channels,
          ]),
        ),
    }))(x);
  }

  private addAndActivate(normalized: Tensor, residual: Tensor | undefined, relu: boolean): Tensor {
    let y = normalized;
    if (residual !== undefined) {
      y = this.kernels.run("AddV2", this.elementwise, [normalized, residual]);
      normalized.dispose();
    }
    if (!relu) return y;
    const activated = this.kernels.run("Relu", this.elementwise, [y]);
    y.dispose();
    return activated;
  }
}
