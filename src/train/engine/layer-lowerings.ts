// What each kind of layer is in TensorFlow's operations.
import type { Variable } from "@tensorflow/tfjs";
import { foldedConvolution, normalization } from "./folding.js";
import { type Layer, weightOf, worksOnChannels } from "./layer-graph.js";
import { indexed, type Lowering } from "./lowering.js";

/** Appends a layer's nodes and returns the name of its value. */
export type Lower = (graph: Lowering, name: string, layer: Layer, inputs: readonly string[], index: number) => string;

const imageFormat = { data_format: { string: "NHWC" } } as const;

/** A layer's settings; the caller names those of its kind. */
function configOf<T>(layer: Layer): T {
  return layer.getConfig() as unknown as T;
}

const sizesAfterBatch = (layer: Layer) => (layer.outputShape as number[]).slice(1);

function windowed(strides: readonly number[], padding: string) {
  return { ...imageFormat, strides: { ints: [1, ...strides, 1] }, padding: { string: padding.toUpperCase() } };
}

const convolution = { dilations: { ints: [1, 1, 1, 1] }, use_cudnn_on_gpu: { bool: true } } as const;

const pool =
  (op: string): Lower =>
  (graph, name, layer, inputs) => {
    const config = configOf<{ poolSize: number[]; strides: number[]; padding: string }>(layer);
    const window = { ksize: { ints: [1, ...config.poolSize, 1] } };
    return graph.node(op, name, inputs, { ...windowed(config.strides, config.padding), ...window });
  };

const unary =
  (op: string): Lower =>
  (graph, name, _layer, inputs) =>
    graph.node(op, name, inputs);

/** x (1 + erf(x / sqrt 2)) / 2. */
const gelu: Lower = (graph, name, _layer, [input = ""]) => {
  const scaled = graph.node("Mul", `${name}/scaled`, [input, graph.scalar(`${name}/root`, Math.SQRT1_2)]);
  const erf = graph.node("Erf", `${name}/erf`, [scaled]);
  const shifted = graph.node("AddV2", `${name}/shifted`, [erf, graph.scalar(`${name}/one`, 1)]);
  const half = graph.node("Mul", `${name}/half`, [input, graph.scalar(`${name}/factor`, 0.5)]);
  return graph.node("Mul", name, [half, shifted]);
};

const activations: Readonly<Record<string, Lower | undefined>> = {
  linear: (_graph, _name, _layer, [input = ""]) => input,
  relu: unary("Relu"),
  softmax: unary("Softmax"),
  gelu,
};

/** What a layer does after its own work; undefined when this file does not know it. */
function activationOf(layer: Layer): Lower | undefined {
  return activations[configOf<{ activation: string }>(layer).activation];
}

const conv2d: Lower = (graph, name, layer, [input = ""], index) => {
  const folded = foldedConvolution(graph.layers, index, graph.weights);
  const { strides, padding } = configOf<{ strides: number[]; padding: string }>(layer);
  const kernel = graph.constant(`${name}/kernel`, folded.kernel, folded.shape);
  const attributes = { ...windowed(strides, padding), ...convolution };
  const conv = graph.node("Conv2D", `${name}/conv`, [input, kernel], attributes, graph.precision);
  if (folded.bias === undefined) return activationOf(layer)?.(graph, name, layer, [conv], index) ?? conv;
  const bias = graph.constant(`${name}/bias`, folded.bias, [folded.bias.length]);
  const sum = graph.node("BiasAdd", `${name}/biased`, [conv, bias], imageFormat);
  if (folded.covers === undefined) return activationOf(layer)?.(graph, name, layer, [sum], index) ?? sum;
  graph.set(folded.covers, sum);
  return sum;
};

const conv2dTranspose: Lower = (graph, name, layer, [input = ""]) => {
  const { strides, padding } = configOf<{ strides: number[]; padding: string }>(layer);
  // The sizes of the output are an input, and the batch is known only when it runs.
  const shape = graph.node("Shape", `${name}/shape`, [input], { out_type: { type: "int32" } });
  const [first, count] = [graph.indices(`${name}/first`, [0]), graph.indices(`${name}/count`, [1])];
  const int32 = { T: { type: "int32" } } as const;
  const batch = graph.indexNode("Slice", `${name}/batch`, [shape, first, count], {
    Index: { type: "int32" },
    ...int32,
  });
  const parts = [batch, graph.indices(`${name}/rest`, sizesAfterBatch(layer)), graph.indices(`${name}/axis`, [0], [])];
  const sizes = graph.indexNode("ConcatV2", `${name}/sizes`, parts, { N: { int: 2 }, ...int32, ...indexed });
  const inputs = [sizes, graph.weight(`${name}/kernel`, weightOf(layer, "kernel") as Variable), input];
  const attributes = { ...windowed(strides, padding), ...convolution };
  return graph.node("Conv2DBackpropInput", name, inputs, attributes, graph.precision);
};

const dense: Lower = (graph, name, layer, [input = ""], index) => {
  const kernel = weightOf(layer, "kernel") as Variable;
  const bias = weightOf(layer, "bias");
  const shape = sizesAfterBatch(layer);
  const rows = shape.length === 1 ? input : graph.reshape(`${name}/rows`, input, [-1, kernel.shape[0] as number]);
  const plain = { transpose_a: { bool: false }, transpose_b: { bool: false } };
  const factors = [rows, graph.weight(`${name}/kernel`, kernel)];
  let y = graph.node("MatMul", `${name}/matmul`, factors, plain, graph.precision);
  if (bias !== undefined)
    y = graph.node("BiasAdd", `${name}/biased`, [y, graph.weight(`${name}/bias`, bias)], imageFormat);
  if (shape.length > 1) y = graph.reshape(`${name}/shaped`, y, [-1, ...shape]);
  return (activationOf(layer) as Lower)(graph, name, layer, [y], index);
};

const batchNormalization: Lower = (graph, name, layer, [input = ""]) => {
  const { scale, offset } = normalization(layer, graph.weights);
  const factor = graph.constant(`${name}/scale`, scale, [scale.length]);
  const scaled = graph.node("Mul", `${name}/scaled`, [input, factor]);
  return graph.node("AddV2", name, [scaled, graph.constant(`${name}/offset`, offset, [offset.length])]);
};

const layerNormalization: Lower = (graph, name, layer, [input = ""]) => {
  const { epsilon } = configOf<{ epsilon: number }>(layer);
  const centred = graph.node("Sub", `${name}/centred`, [input, graph.mean(`${name}/mean`, input, [-1], true)]);
  const squares = graph.node("Square", `${name}/squares`, [centred]);
  const variance = graph.mean(`${name}/variance`, squares, [-1], true);
  const stable = graph.node("AddV2", `${name}/stable`, [variance, graph.scalar(`${name}/epsilon`, epsilon)]);
  const unit = graph.node("Mul", `${name}/unit`, [centred, graph.node("Rsqrt", `${name}/rsqrt`, [stable])]);
  const gamma = graph.weight(`${name}/gamma`, weightOf(layer, "gamma") as Variable);
  const beta = graph.weight(`${name}/beta`, weightOf(layer, "beta") as Variable);
  return graph.node("AddV2", name, [graph.node("Mul", `${name}/gained`, [unit, gamma]), beta]);
};

const cropping2d: Lower = (graph, name, layer, [input = ""]) => {
  const { cropping, dataFormat } = configOf<{ cropping: [number, number][]; dataFormat: string }>(layer);
  const first = dataFormat === "channelsFirst" ? 2 : 1;
  const begin = [0, 0, 0, 0];
  for (const [axis, [before]] of cropping.entries()) begin[first + axis] = before;
  const size = graph.indices(`${name}/size`, [-1, ...sizesAfterBatch(layer)]);
  const inputs = [input, graph.indices(`${name}/begin`, begin), size];
  return graph.node("Slice", name, inputs, { Index: { type: "int32" } });
};

const lowerings: Readonly<Record<string, Lower | undefined>> = {
  InputLayer: (graph, name) => graph.placeholder(name),
  Conv2D: conv2d,
  Conv2DTranspose: conv2dTranspose,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  Dense: dense,
  ReLU: unary("Relu"),
  Activation: (graph, name, layer, inputs, index) => (activationOf(layer) as Lower)(graph, name, layer, inputs, index),
  Add: (graph, name, _layer, [first = "", ...others]) =>
    others.reduce(
      (sum, input, i) => graph.node("AddV2", i === others.length - 1 ? name : `${name}/${i}`, [sum, input]),
      first,
    ),
  Concatenate: (graph, name, _layer, inputs) =>
    graph.node("ConcatV2", name, [...inputs, graph.indices(`${name}/axis`, [-1], [])], {
      ...indexed,
      N: { int: inputs.length },
    }),
  ZeroPadding2D(graph, name, layer, [input = ""]) {
    const { padding } = configOf<{ padding: [number, number][] }>(layer);
    const zeros = graph.indices(`${name}/zeros`, [0, 0, ...padding.flat(), 0, 0], [4, 2]);
    return graph.node("Pad", name, [input, zeros], { Tpaddings: { type: "int32" } });
  },
  Cropping2D: cropping2d,
  UpSampling2D: (graph, name, layer, [input = ""]) =>
    graph.node(
      "ResizeNearestNeighbor",
      name,
      [input, graph.indices(`${name}/size`, sizesAfterBatch(layer).slice(0, 2))],
      { align_corners: { bool: false }, half_pixel_centers: { bool: false } },
    ),
  MaxPooling2D: pool("MaxPool"),
  AveragePooling2D: pool("AvgPool"),
  GlobalAveragePooling2D: (graph, name, _layer, [input = ""]) => graph.mean(name, input, [1, 2]),
  GlobalAveragePooling1D: (graph, name, _layer, [input = ""]) => graph.mean(name, input, [1]),
  Reshape: (graph, name, layer, [input = ""]) => graph.reshape(name, input, [-1, ...sizesAfterBatch(layer)]),
  Rescaling(graph, name, layer, [input = ""]) {
    const { scale, offset } = configOf<{ scale: number; offset: number }>(layer);
    const scaled = graph.node("Mul", `${name}/scaled`, [input, graph.scalar(`${name}/scale`, scale)]);
    return graph.node("AddV2", name, [scaled, graph.scalar(`${name}/offset`, offset)]);
  },
  Dot(graph, name, layer, inputs) {
    const { axes } = configOf<{ axes: [number, number] }>(layer);
    return graph.node("BatchMatMulV2", name, inputs, {
      adj_x: { bool: axes[0] === 1 },
      adj_y: { bool: axes[1] === 2 },
    });
  },
};

/**
 * Settings under which a layer does more than its lowering: such a layer has none. Those not named here have any value.
 */
const plainSettings: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  Conv2D: { dilationRate: [1] },
  Conv2DTranspose: { useBias: [false], activation: ["linear"] },
  LayerNormalization: { scale: [true], center: [true] },
  UpSampling2D: { interpolation: ["nearest"] },
  Dot: { normalize: [false] },
};

/** How a layer is lowered; undefined when this file does not know its kind, its activation or one of its settings. */
export function loweringOf(kind: string, layer: Layer): Lower | undefined {
  const config = layer.getConfig() as Readonly<Record<string, unknown>>;
  const plain = Object.entries(plainSettings[kind] ?? {}).every(([name, values]) =>
    [config[name]].flat().every((value) => values.includes(value)),
  );
  if (!plain || ("axis" in config && !worksOnChannels(layer))) return undefined;
  if ("activation" in config && activationOf(layer) === undefined) return undefined;
  return lowerings[kind];
}
