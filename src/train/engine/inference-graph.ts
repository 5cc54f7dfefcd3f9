// A LayersModel -> a TensorFlow graph for inference: batch normalisation folded into the convolution before it, weights as constants, in a
// form that TensorFlow's optimiser fuses (convolution, bias, addition, ReLU in one kernel).
import type { LayersModel, Variable } from "@tensorflow/tfjs";
import { foldedConvolution, normalization, type WeightValues, weightValues } from "./folding.js";
import { type GraphAttribute, GraphBuilder } from "./graph-def.js";
import { type Layer, type LayerGraph, layerGraph, weightOf } from "./layer-graph.js";

const T = { T: { type: "float32" } } as const;
const indexed = { Tidx: { type: "int32" } } as const;
const imageFormat = { data_format: { string: "NHWC" } } as const;

/** The graph's nodes for the model's inputs (in its order) and its output; undefined when it has a layer this file does not know. */
export interface InferenceGraph {
  readonly builder: GraphBuilder;
  readonly inputs: readonly string[];
  readonly output: string;
}

export async function inferenceGraph(model: LayersModel): Promise<InferenceGraph | undefined> {
  return new Lowering(layerGraph(model), await weightValues(model)).run();
}

type Lower = (this: Lowering, name: string, layer: Layer, inputs: readonly string[], index: number) => string;

class Lowering {
  readonly builder = new GraphBuilder();
  private readonly values = new Map<number, string>();

  constructor(
    readonly graph: LayerGraph,
    readonly weights: WeightValues,
  ) {}

  run(): InferenceGraph | undefined {
    for (const [index, { layer, kind, inputs }] of this.graph.nodes.entries()) {
      if (this.values.has(index)) continue; // folded into an earlier one
      const lower = lowerings[kind];
      if (lower === undefined) return undefined;
      const from = inputs.map((input) => this.values.get(input) as string);
      const name = lower.call(this, layer.name, layer, from, index);
      this.values.set(index, name);
    }
    return {
      builder: this.builder,
      inputs: this.graph.inputs.map((input) => this.values.get(input) as string),
      output: this.values.get(this.graph.output) as string,
    };
  }

  /** The value of a layer that is computed together with an earlier one. */
  cover(index: number, name: string): void {
    this.values.set(index, name);
  }

  weight(name: string, weight: Variable): string {
    return this.builder.constant(name, this.weights(weight), weight.shape);
  }

  axes(name: string, axes: readonly number[]): string {
    return this.builder.constant(name, Int32Array.from(axes), [axes.length]);
  }

  unary(op: string, name: string, input: string, attributes: Readonly<Record<string, GraphAttribute>> = {}): string {
    return this.builder.node(op, name, [input], { ...T, ...attributes });
  }

  binary(op: string, name: string, left: string, right: string): string {
    return this.builder.node(op, name, [left, right], T);
  }

  scalar(name: string, value: number): string {
    return this.builder.constant(name, Float32Array.of(value), []);
  }

  mean(name: string, input: string, axes: readonly number[], keepDims = false): string {
    const attributes = { ...T, ...indexed, keep_dims: { bool: keepDims } };
    return this.builder.node("Mean", name, [input, this.axes(`${name}/axes`, axes)], attributes);
  }

  reshape(name: string, input: string, shape: readonly number[]): string {
    const attributes = { ...T, Tshape: { type: "int32" } } as const;
    return this.builder.node("Reshape", name, [input, this.axes(`${name}/shape`, shape)], attributes);
  }
}

interface PoolConfig {
  readonly poolSize: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: string;
}

const pool = (op: string): Lower =>
  function (name, layer, [input]) {
    const { poolSize, strides, padding } = layer.getConfig() as unknown as PoolConfig;
    return this.unary(op, name, input as string, {
      ...imageFormat,
      ksize: { ints: [1, ...poolSize, 1] },
      strides: { ints: [1, ...strides, 1] },
      padding: { string: padding.toUpperCase() },
    });
  };

const activations: Readonly<Record<string, Lower | undefined>> = {
  linear: (_name, _layer, [input]) => input as string,
  relu(name, _layer, [input]) {
    return this.unary("Relu", name, input as string);
  },
  softmax(name, _layer, [input]) {
    return this.unary("Softmax", name, input as string);
  },
  /** x (1 + erf(x / sqrt 2)) / 2. */
  gelu(name, _layer, [input]) {
    const scaled = this.binary("Mul", `${name}/scaled`, input as string, this.scalar(`${name}/root`, Math.SQRT1_2));
    const one = this.scalar(`${name}/one`, 1);
    const shifted = this.binary("AddV2", `${name}/shifted`, this.unary("Erf", `${name}/erf`, scaled), one);
    const half = this.binary("Mul", `${name}/half`, input as string, this.scalar(`${name}/factor`, 0.5));
    return this.binary("Mul", name, half, shifted);
  },
};

const lowerings: Readonly<Record<string, Lower | undefined>> = {
  InputLayer(name) {
    return this.builder.placeholder(name);
  },
  Conv2D(name, layer, [input], index) {
    const folded = foldedConvolution(this.graph, index, this.weights);
    const { strides, padding } = layer.getConfig() as { strides: [number, number]; padding: string };
    const kernel = this.builder.constant(`${name}/kernel`, folded.kernel, folded.shape);
    const conv = this.builder.node("Conv2D", name, [input as string, kernel], {
      ...T,
      ...imageFormat,
      strides: { ints: [1, ...strides, 1] },
      dilations: { ints: [1, 1, 1, 1] },
      padding: { string: padding.toUpperCase() },
      use_cudnn_on_gpu: { bool: true },
    });
    if (folded.bias === undefined) return conv;
    const bias = this.builder.constant(`${name}/bias`, folded.bias, [folded.bias.length]);
    const sum = this.builder.node("BiasAdd", `${name}/biased`, [conv, bias], { ...T, ...imageFormat });
    if (folded.covers !== undefined) this.cover(folded.covers, sum);
    return sum;
  },
  Conv2DTranspose(name, layer, [input]) {
    const { strides } = layer.getConfig() as { strides: [number, number] };
    const kernel = weightOf(layer, "kernel") as Variable;
    const [height, width, channels] = (layer.outputShape as number[]).slice(1) as [number, number, number];
    // The sizes of the output are an input, and the batch is known only when it runs.
    const shape = this.builder.node("Shape", `${name}/shape`, [input as string], {
      ...T,
      out_type: { type: "int32" },
    });
    const slice = { Index: { type: "int32" }, T: { type: "int32" } } as const;
    const batch = this.builder.node(
      "Slice",
      `${name}/batch`,
      [shape, this.axes(`${name}/first`, [0]), this.axes(`${name}/count`, [1])],
      slice,
    );
    const rest = this.axes(`${name}/rest`, [height, width, channels]);
    const axis = this.builder.constant(`${name}/axis`, Int32Array.of(0), []);
    const sizes = this.builder.node("ConcatV2", `${name}/sizes`, [batch, rest, axis], {
      N: { int: 2 },
      T: { type: "int32" },
      ...indexed,
    });
    const inputs = [sizes, this.weight(`${name}/kernel`, kernel), input as string];
    return this.builder.node("Conv2DBackpropInput", name, inputs, {
      ...T,
      ...imageFormat,
      strides: { ints: [1, ...strides, 1] },
      dilations: { ints: [1, 1, 1, 1] },
      padding: { string: "VALID" },
      use_cudnn_on_gpu: { bool: true },
    });
  },
  BatchNormalization(name, layer, [input]) {
    const { scale, offset } = normalization(layer, this.weights);
    const factor = this.builder.constant(`${name}/scale`, scale, [scale.length]);
    const shift = this.builder.constant(`${name}/offset`, offset, [offset.length]);
    return this.binary("AddV2", name, this.binary("Mul", `${name}/scaled`, input as string, factor), shift);
  },
  ReLU: activations.relu,
  Activation(name, layer, inputs, index) {
    const lower = activations[(layer.getConfig() as { activation: string }).activation] as Lower;
    return lower.call(this, name, layer, inputs, index);
  },
  Add(name, _layer, inputs) {
    return inputs.slice(1).reduce((sum, input, i) => {
      return this.binary("AddV2", i === inputs.length - 2 ? name : `${name}/${i}`, sum, input);
    }, inputs[0] as string);
  },
  Concatenate(name, _layer, inputs) {
    const axis = this.builder.constant(`${name}/axis`, Int32Array.of(-1), []);
    return this.builder.node("ConcatV2", name, [...inputs, axis], { ...T, ...indexed, N: { int: inputs.length } });
  },
  ZeroPadding2D(name, layer, [input]) {
    const { padding } = layer.getConfig() as unknown as { padding: [[number, number], [number, number]] };
    const zeros = this.builder.constant(`${name}/zeros`, Int32Array.of(0, 0, ...padding.flat(), 0, 0), [4, 2]);
    return this.builder.node("Pad", name, [input as string, zeros], { ...T, Tpaddings: { type: "int32" } });
  },
  Cropping2D(name, layer, [input]) {
    const { cropping, dataFormat } = layer.getConfig() as unknown as {
      cropping: [[number, number], [number, number]];
      dataFormat: string;
    };
    const first = dataFormat === "channelsFirst" ? 2 : 1;
    const begin = [0, 0, 0, 0];
    begin[first] = cropping[0][0];
    begin[first + 1] = cropping[1][0];
    const size = [-1, ...(layer.outputShape as number[]).slice(1)];
    const inputs = [input as string, this.axes(`${name}/begin`, begin), this.axes(`${name}/size`, size)];
    return this.builder.node("Slice", name, inputs, { ...T, Index: { type: "int32" } });
  },
  UpSampling2D(name, layer, [input]) {
    const [height, width] = (layer.outputShape as number[]).slice(1, 3);
    const size = this.axes(`${name}/size`, [height as number, width as number]);
    return this.builder.node("ResizeNearestNeighbor", name, [input as string, size], {
      ...T,
      align_corners: { bool: false },
      half_pixel_centers: { bool: false },
    });
  },
  MaxPooling2D: pool("MaxPool"),
  AveragePooling2D: pool("AvgPool"),
  GlobalAveragePooling2D(name, _layer, [input]) {
    return this.mean(name, input as string, [1, 2]);
  },
  GlobalAveragePooling1D(name, _layer, [input]) {
    return this.mean(name, input as string, [1]);
  },
  Dense(name, layer, [input], index) {
    const kernel = weightOf(layer, "kernel") as Variable;
    const bias = weightOf(layer, "bias");
    const shape = (layer.outputShape as number[]).slice(1);
    const rows =
      shape.length === 1
        ? (input as string)
        : this.reshape(`${name}/rows`, input as string, [-1, kernel.shape[0] as number]);
    const plain = { transpose_a: { bool: false }, transpose_b: { bool: false } };
    let y = this.builder.node("MatMul", `${name}/matmul`, [rows, this.weight(`${name}/kernel`, kernel)], {
      ...T,
      ...plain,
    });
    if (bias !== undefined)
      y = this.builder.node("BiasAdd", `${name}/biased`, [y, this.weight(`${name}/bias`, bias)], {
        ...T,
        ...imageFormat,
      });
    if (shape.length > 1) y = this.reshape(`${name}/shaped`, y, [-1, ...shape]);
    const activation = (layer.getConfig() as { activation: string }).activation;
    return (activations[activation] as Lower).call(this, name, layer, [y], index);
  },
  Reshape(name, layer, [input]) {
    return this.reshape(name, input as string, [-1, ...(layer.outputShape as number[]).slice(1)]);
  },
  Rescaling(name, layer, [input]) {
    const { scale, offset } = layer.getConfig() as { scale: number; offset: number };
    const scaled = this.binary("Mul", `${name}/scaled`, input as string, this.scalar(`${name}/scale`, scale));
    return this.binary("AddV2", name, scaled, this.scalar(`${name}/offset`, offset));
  },
  LayerNormalization(name, layer, [input]) {
    const { epsilon } = layer.getConfig() as { epsilon: number };
    const centred = this.binary(
      "Sub",
      `${name}/centred`,
      input as string,
      this.mean(`${name}/mean`, input as string, [-1], true),
    );
    const variance = this.mean(`${name}/variance`, this.unary("Square", `${name}/squares`, centred), [-1], true);
    const stable = this.binary("AddV2", `${name}/stable`, variance, this.scalar(`${name}/epsilon`, epsilon));
    const scaled = this.binary("Mul", `${name}/unit`, centred, this.unary("Rsqrt", `${name}/rsqrt`, stable));
    const gained = this.binary(
      "Mul",
      `${name}/gained`,
      scaled,
      this.weight(`${name}/gamma`, weightOf(layer, "gamma") as Variable),
    );
    return this.binary("AddV2", name, gained, this.weight(`${name}/beta`, weightOf(layer, "beta") as Variable));
  },
  Dot(name, layer, [left, right]) {
    const [a, b] = (layer.getConfig() as unknown as { axes: [number, number] }).axes;
    return this.builder.node("BatchMatMulV2", name, [left as string, right as string], {
      ...T,
      adj_x: { bool: a === 1 },
      adj_y: { bool: b === 2 },
    });
  },
};
