// A network trained on RGB pixels -> the same network on DCT coefficients. Its first convolution, the normalisation of
// the pixels, the colour matrix, the inverse DCT and the repetition of chroma are all linear: they fold into one
// convolution per component. Exact for chroma that is repeated, not interpolated, and for pixels that are not rounded
// or clipped.
import type { LayersModel, layers, SymbolicTensor } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import { applyLayer, type LayerNode, layerGraph, weightOf } from "../engine/layer-graph.js";
import type { Tf } from "../engine/tensorflow.js";
import { dctMatrix } from "./dct-basis.js";

/** The normalisation of the pixels that a model was trained on. */
export interface PixelNormalization {
  /** Statistics of R, G and B in 0..255: the model was trained on (pixel - mean) / std. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** Rows R, G, B; columns Y, Cb, Cr, centred: ITU-T T.871. */
const rgbOfYcc = [
  [1, 0, 1.402],
  [1, -0.344136286, -0.714136286],
  [1, 1.772, 0],
] as const;

/** How a component lies on the picture: a block covers 8 `step` pixels a side. */
const components = [
  { name: "y", step: 1 },
  { name: "cb", step: 2 },
  { name: "cr", step: 2 },
] as const;

/** The first convolution of a pixel network. */
interface Stem {
  readonly layer: layers.Layer;
  /** Weights [kernel, kernel, 3, filters]. */
  readonly weights: Float32Array;
  readonly kernel: number;
  readonly stride: number;
  /** Zeros before the first pixel. */
  readonly padding: number;
  readonly filters: number;
  /** Side of the picture, and of the output. */
  readonly size: number;
  readonly outputs: number;
}

/**
 * The model with inputs y [s/8, s/8, 64], cb and cr [s/16, s/16, 64] (dequantised, natural order) instead of one RGB
 * input [s, s, 3]; all weights are copies. INVALID_ARGUMENT for a model that does not begin with a square convolution
 * over RGB, whose stride neither divides a block nor is a multiple of it.
 */
export async function foldRgbStem(tf: Tf, model: LayersModel, pixels: PixelNormalization): Promise<LayersModel> {
  const graph = layerGraph(model);
  const { stem, index, covered } = await findStem(graph.nodes, graph.inputs);
  const inputs = components.map(({ name, step }) => {
    const blocks = stem.size / (8 * step);
    return tf.input({ name, shape: [blocks, blocks, 64] });
  });
  const offsets = constantOffsets(pixels);
  const parts = components.map((component, i) =>
    foldComponent(tf, stem, component, i, inputs[i] as SymbolicTensor, pixels, offsets[i] as number),
  );
  const values = new Map<number, SymbolicTensor>();
  values.set(index, await finish(tf, stem, parts));
  for (const [position, node] of graph.nodes.entries()) {
    if (covered.has(position)) continue;
    const copy = copyOf(node.layer);
    const from = node.inputs.map((input) => values.get(input) as SymbolicTensor);
    values.set(position, applyLayer(copy, from));
    if (node.layer.weights.length > 0) copy.setWeights(node.layer.getWeights());
  }
  return tf.model({ name: `${model.name}_dct`, inputs, outputs: values.get(graph.output) as SymbolicTensor });
}

function copyOf(layer: layers.Layer): layers.Layer {
  const kind = layer.constructor as unknown as {
    fromConfig(kind: unknown, config: unknown): layers.Layer;
  };
  return kind.fromConfig(kind, layer.getConfig());
}

async function findStem(nodes: readonly LayerNode[], inputs: readonly number[]) {
  const refuse = (found: string) =>
    new ToolkitError(
      "INVALID_ARGUMENT",
      `expected a model that begins with a convolution over RGB pixels, found ${found}`,
    );
  const input = inputs[0] as number;
  const shape = (nodes[input] as LayerNode).layer.outputShape as (number | null)[];
  const [, size, width, channels] = shape;
  if (inputs.length !== 1 || channels !== 3 || size === null || size !== width || (size as number) % 16 !== 0)
    throw refuse(
      `${inputs.length} inputs, the first [${shape.slice(1)}]; it must be square, of a multiple of 16 pixels`,
    );
  const covered = new Set([input]);
  let index = nodes[input]?.consumers[0] as number;
  let padding = 0;
  if (nodes[index]?.kind === "ZeroPadding2D") {
    const zeros = (nodes[index] as LayerNode).layer.getConfig() as unknown as { padding: [number, number][] };
    const [top, left] = zeros.padding.map(([before]) => before) as [number, number];
    padding = top;
    if (left !== padding) throw refuse("other padding above than on the left");
    covered.add(index);
    index = nodes[index]?.consumers[0] as number;
  }
  covered.add(index);
  const { layer, kind } = nodes[index] as LayerNode;
  if (kind !== "Conv2D") throw refuse(kind);
  const config = layer.getConfig() as unknown as { strides: number[]; padding: string; dilationRate: number[] };
  const weight = weightOf(layer, "kernel");
  const [kernel, kernelWidth, , filters] = (weight?.shape ?? []) as [number, number, number, number];
  const [stride = 1] = config.strides;
  const outputs = (layer.outputShape as number[])[1] as number;
  const square = kernel === kernelWidth && config.strides.every((value) => value === stride);
  if (!square || config.dilationRate.some((rate) => rate !== 1))
    throw refuse("a kernel, stride or dilation that is not square or one");
  if (components.some(({ step }) => (8 * step) % stride !== 0 && stride % (8 * step) !== 0))
    throw refuse(`a stride of ${stride}, which neither divides a block nor is a multiple of one`);
  if (config.padding === "same")
    padding += Math.floor(Math.max(0, (outputs - 1) * stride + kernel - (size as number)) / 2);
  const weights = (await weight?.data()) as Float32Array;
  const stem: Stem = { layer, weights, kernel, stride, padding, filters, size: size as number, outputs };
  return { stem, index, covered };
}

/**
 * What the mean and the level shift of 128 come to, as constants added to Y, Cb and Cr: folded there and not into a
 * bias, because a convolution pads with normalised zeros.
 */
function constantOffsets({ mean }: PixelNormalization): number[] {
  const [r, g, b] = mean.map((value) => 128 - value) as [number, number, number];
  // T.871's forward matrix: the inverse of rgbOfYcc.
  return [
    0.299 * r + 0.587 * g + 0.114 * b,
    (-0.299 * r - 0.587 * g + 0.886 * b) / 1.772,
    (0.701 * r - 0.587 * g - 0.114 * b) / 1.402,
  ];
}

function foldComponent(
  tf: Tf,
  stem: Stem,
  { name, step }: (typeof components)[number],
  column: number,
  input: SymbolicTensor,
  { std }: PixelNormalization,
  offset: number,
): SymbolicTensor {
  const dc = Float32Array.from({ length: 64 }, (_, position) => (position === 0 ? 8 * offset : 0));
  const shifted = addConstants(tf, `${name}_shift`, input, dc);
  const gains = rgbOfYcc.map((row, channel) => (row[column] as number) / (std[channel] as number));
  const block = 8 * step;
  const fold = stem.stride < block ? transposed : strided;
  return fold(tf, stem, name, block, step, gains)(shifted);
}

/** Adds a constant to each channel, as a batch normalisation that does nothing else. */
function addConstants(tf: Tf, name: string, input: SymbolicTensor, constants: Float32Array): SymbolicTensor {
  const epsilon = 1e-3;
  const layer = tf.layers.batchNormalization({ name, scale: false, epsilon });
  const output = layer.apply(input) as SymbolicTensor;
  const { length } = constants;
  setWeights(tf, layer, [
    [constants, [length]],
    [new Float32Array(length), [length]],
    [new Float32Array(length).fill(1 - epsilon), [length]],
  ]);
  return output;
}

function setWeights(tf: Tf, layer: layers.Layer, values: [Float32Array, number[]][]): void {
  tf.tidy(() => layer.setWeights(values.map(([data, shape]) => tf.tensor(data, shape))));
}

type Apply = (input: SymbolicTensor) => SymbolicTensor;

/** A block reaches several outputs: a transposed convolution, whose stride is the outputs per block. */
function transposed(tf: Tf, stem: Stem, name: string, block: number, step: number, gains: readonly number[]): Apply {
  const { stride, kernel, padding, filters, outputs, size } = stem;
  const first = Math.ceil((padding - kernel + 1) / stride); // output, relative to the block's first
  const reach = Math.floor((block - 1 + padding) / stride) - first + 1;
  // The pixel of tap t of that output lies at its start + t in the block.
  const weights = foldKernel(stem, gains, reach, step, (position) => (position + first) * stride - padding, "out-in");
  const layer = tf.layers.conv2dTranspose({
    name: `${name}_stem`,
    filters,
    kernelSize: reach,
    strides: block / stride,
    padding: "valid",
    useBias: false,
  });
  const made = (size / block - 1) * (block / stride) + reach;
  return (input) => {
    const output = layer.apply(input) as SymbolicTensor;
    setWeights(tf, layer, [[weights, [reach, reach, filters, 64]]]);
    return fit(tf, `${name}_fit`, output, -first, made, outputs);
  };
}

/** An output sees several blocks: a convolution over blocks. */
function strided(tf: Tf, stem: Stem, name: string, block: number, step: number, gains: readonly number[]): Apply {
  const { stride, kernel, padding, filters, outputs, size } = stem;
  const first = Math.floor(-padding / block); // block, relative to the output's
  const reach = Math.floor((kernel - 1 - padding) / block) - first + 1;
  const weights = foldKernel(stem, gains, reach, step, (position) => -padding - (position + first) * block, "in-out");
  const after = Math.max(0, ((outputs - 1) * stride) / block + reach + first - size / block);
  const layer = tf.layers.conv2d({
    name: `${name}_stem`,
    filters,
    kernelSize: reach,
    strides: stride / block,
    padding: "valid",
    useBias: false,
  });
  return (input) => {
    const pads: [[number, number], [number, number]] = [
      [-first, after],
      [-first, after],
    ];
    const padded =
      first === 0 && after === 0
        ? input
        : (tf.layers.zeroPadding2d({ name: `${name}_pad`, padding: pads }).apply(input) as SymbolicTensor);
    const output = layer.apply(padded) as SymbolicTensor;
    setWeights(tf, layer, [[weights, [reach, reach, 64, filters]]]);
    return fit(tf, `${name}_fit`, output, 0, output.shape[1] as number, outputs);
  };
}

/** Cuts to the outputs that the pixel convolution has, and adds zeros where no block reaches. */
function fit(
  tf: Tf,
  name: string,
  input: SymbolicTensor,
  before: number,
  made: number,
  outputs: number,
): SymbolicTensor {
  const after = made - before - outputs;
  const side = (value: number): [[number, number], [number, number]] => {
    const both: [number, number] = [Math.max(0, value * before), Math.max(0, value * after)];
    return [both, both];
  };
  let output = input;
  if (before > 0 || after > 0)
    output = tf.layers.cropping2D({ name, cropping: side(1) }).apply(output) as SymbolicTensor;
  if (before < 0 || after < 0)
    output = tf.layers.zeroPadding2d({ name: `${name}_zeros`, padding: side(-1) }).apply(output) as SymbolicTensor;
  return output;
}

/**
 * Folds a kernel: for each position of the folded one, the sum over the taps whose pixel lies in the block, of weight x
 * basis function. `startOf(position)` is the pixel in the block that the first tap falls on.
 */
function foldKernel(
  stem: Stem,
  gains: readonly number[],
  reach: number,
  step: number,
  startOf: (position: number) => number,
  order: "in-out" | "out-in",
): Float32Array {
  const { kernel, filters, weights } = stem;
  const basis = dctMatrix(8);
  const block = 8 * step;
  const at = (u: number, pixel: number) => basis[u * 8 + Math.floor(pixel / step)] as number;
  const result = new Float32Array(reach * reach * filters * 64);
  const sums = new Float64Array(64 * filters);
  for (let i = 0; i < reach; i++) {
    for (let j = 0; j < reach; j++) {
      sums.fill(0);
      for (let row = 0; row < kernel; row++) {
        const y = startOf(i) + row;
        if (y < 0 || y >= block) continue;
        for (let column = 0; column < kernel; column++) {
          const x = startOf(j) + column;
          if (x < 0 || x >= block) continue;
          const tap = (row * kernel + column) * 3 * filters;
          for (let filter = 0; filter < filters; filter++) {
            let weight = 0;
            for (let channel = 0; channel < 3; channel++)
              weight += (gains[channel] as number) * (weights[tap + channel * filters + filter] as number);
            for (let uv = 0; uv < 64; uv++)
              (sums[uv * filters + filter] as number) += weight * at(uv >> 3, y) * at(uv & 7, x);
          }
        }
      }
      const base = (i * reach + j) * 64 * filters;
      for (let uv = 0; uv < 64; uv++)
        for (let filter = 0; filter < filters; filter++)
          result[base + (order === "in-out" ? uv * filters + filter : filter * 64 + uv)] = sums[
            uv * filters + filter
          ] as number;
    }
  }
  return result;
}

/** The sum of the components, the convolution's own bias and its activation. */
async function finish(tf: Tf, stem: Stem, parts: SymbolicTensor[]): Promise<SymbolicTensor> {
  const { layer } = stem;
  let output = tf.layers.add({ name: `${layer.name}_sum` }).apply(parts) as SymbolicTensor;
  const bias = weightOf(layer, "bias");
  if (bias !== undefined) output = addConstants(tf, `${layer.name}_bias`, output, (await bias.data()) as Float32Array);
  const { activation } = layer.getConfig() as { activation: string };
  if (activation === "linear") return output;
  return tf.layers
    .activation({ name: `${layer.name}_activation`, activation: activation as "relu" })
    .apply(output) as SymbolicTensor;
}
