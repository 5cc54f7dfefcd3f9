// What a network's layers amount to: parameters, multiply-accumulates, receptive fields. Pure.
import type { LayerSpec, Shape } from "./layer-list.js";

/** What a layer is, what it costs and how far it sees. */
export interface LayerSummary {
  readonly name: string;
  readonly op: LayerSpec["op"];
  readonly from: readonly string[];
  readonly out: Shape;
  readonly kernel: number;
  readonly stride: number;
  /** Pixels of the image, along one side, that one value of the output has seen; undefined where it has seen all. */
  readonly receptiveField: number | undefined;
  /** Pixels from one value to the next. */
  readonly totalStride: number;
  /** Weights that are trained, with batch normalisation's gamma and beta. */
  readonly parameters: number;
  /** Weights that are not: frozen kernels, positions, moving statistics. */
  readonly fixedParameters: number;
  /** Multiply-accumulates of one image. Of convolutions, dense layers and attention; the rest counts nothing. */
  readonly macs: number;
}

interface Reach {
  readonly field: number;
  readonly stride: number;
}

const product = (shape: Shape) => shape.reduce((a, b) => a * b, 1);

/** One summary per layer, in order. */
export function summarize(layers: readonly LayerSpec[]): LayerSummary[] {
  const reaches = new Map<string, Reach>();
  const shapes = new Map<string, Shape>();
  return layers.map((layer) => {
    const inputs = layer.from.map((name) => reaches.get(name) as Reach);
    const reach = reachOf(layer, inputs, shapes.get(layer.from[0] ?? "") ?? []);
    reaches.set(layer.name, reach);
    shapes.set(layer.name, layer.out);
    const { kernel, stride } = windowOf(layer, shapes.get(layer.from[0] ?? "") ?? []);
    return {
      name: layer.name,
      op: layer.op,
      from: layer.from,
      out: layer.out,
      kernel,
      stride,
      receptiveField: Number.isFinite(reach.field) ? reach.field : undefined,
      totalStride: reach.stride,
      ...costOf(layer, shapes.get(layer.from[0] ?? "") ?? []),
    };
  });
}

/** Sums over a network. */
export function totals(summaries: readonly LayerSummary[]) {
  const sum = (name: "parameters" | "fixedParameters" | "macs") =>
    summaries.reduce((total, layer) => total + layer[name], 0);
  return { parameters: sum("parameters"), fixedParameters: sum("fixedParameters"), macs: sum("macs") };
}

/**
 * Receptive field after five residual blocks: where the authors' article compares how fast the networks' fields grow
 * (about 70 pixels for ResNet-50, 110 for UpSampling). Undefined for networks without such blocks.
 */
export function fieldHalfWay(summaries: readonly LayerSummary[]): number | undefined {
  const blocks = summaries.filter(({ op, name }) => op === "add" && name.startsWith("res"));
  return blocks[4]?.receptiveField;
}

function windowOf(layer: LayerSpec, input: Shape): { kernel: number; stride: number } {
  if ("kernel" in layer) return { kernel: layer.kernel, stride: layer.stride };
  const side = layer.op === "global-pool" ? (input[0] as number) : 1;
  return { kernel: side, stride: side };
}

function reachOf(layer: LayerSpec, inputs: readonly Reach[], input: Shape): Reach {
  if (layer.op === "input") return { field: layer.field, stride: layer.field };
  const widest = {
    field: Math.max(...inputs.map(({ field }) => field)),
    stride: Math.max(...inputs.map(({ stride }) => stride)),
  };
  const { kernel, stride } = windowOf(layer, input);
  switch (layer.op) {
    // As the paper's diagrams have it: as if twice as many positions had each seen half as much.
    case "upsample":
      return { field: widest.field / 2, stride: widest.stride / 2 };
    case "deconv":
      return { field: widest.field / stride, stride: widest.stride / stride };
    case "attention":
      return { field: Infinity, stride: widest.stride };
    case "global-pool":
      if (input.length === 2) return { field: Infinity, stride: widest.stride };
      break;
  }
  return { field: widest.field + (kernel - 1) * widest.stride, stride: widest.stride * stride };
}

interface Cost {
  readonly parameters: number;
  readonly fixedParameters: number;
  readonly macs: number;
}

function costOf(layer: LayerSpec, input: Shape): Cost {
  const channels = input.at(-1) ?? 0;
  const positions = product(layer.out.slice(0, -1));
  switch (layer.op) {
    case "conv": {
      const weights = layer.kernel ** 2 * channels * (layer.out[2] as number);
      const all = weights + (layer.bias ? (layer.out[2] as number) : 0);
      const fixed = layer.trained === "never";
      return { parameters: fixed ? 0 : all, fixedParameters: fixed ? all : 0, macs: positions * weights };
    }
    case "deconv": {
      const weights = layer.kernel ** 2 * channels * (layer.out[2] as number);
      return { parameters: weights, fixedParameters: 0, macs: product(input.slice(0, 2)) * weights };
    }
    case "batch-norm":
      return { parameters: 2 * channels, fixedParameters: 2 * channels, macs: 0 };
    case "layer-norm":
      return { parameters: 2 * channels, fixedParameters: 0, macs: 0 };
    case "positions":
      return { parameters: 0, fixedParameters: product(layer.out), macs: 0 };
    case "dense":
      return { parameters: (channels + 1) * layer.units, fixedParameters: 0, macs: positions * channels * layer.units };
    case "attention": {
      const projections = 3 * (channels + 1) * channels;
      const macs = positions * (3 * channels * channels + 2 * positions * channels);
      return { parameters: projections, fixedParameters: 0, macs };
    }
    case "input":
    case "relu":
    case "gelu":
    case "softmax":
    case "add":
    case "concat":
    case "upsample":
    case "max-pool":
    case "average-pool":
    case "global-pool":
    case "channel":
    case "tokens":
      return { parameters: 0, fixedParameters: 0, macs: 0 };
  }
}
