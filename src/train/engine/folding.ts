// Batch normalisation in inference is a factor and an offset per channel, which the convolution before it can take into
// its weights.
import type { LayersModel, Variable } from "@tensorflow/tfjs";
import {
  type Layer,
  type LayerGraph,
  type LayerNode,
  layerWeights,
  soleConsumer,
  weightOf,
  worksOnChannels,
} from "./layer-graph.js";

export interface FoldedConvolution {
  /** The kernel, [height, width, in, out]. */
  readonly kernel: Float32Array;
  readonly shape: readonly number[];
  readonly bias: Float32Array | undefined;
  /** Position of the batch normalisation that was folded in: its value is the convolution's. */
  readonly covers: number | undefined;
}

/** A model's weights as numbers, by the variable they stand in. */
export type WeightValues = (weight: Variable) => Float32Array;

/** Reads all weights, once: a GPU's can only be waited for. */
export async function weightValues(model: LayersModel): Promise<WeightValues> {
  const variables = layerWeights(model).map(({ variable }) => variable);
  const all = await Promise.all(variables.map((variable) => variable.data()));
  const byVariable = new Map(variables.map((variable, i) => [variable, all[i] as Float32Array]));
  return (weight) => byVariable.get(weight) as Float32Array;
}

/** y = scale x + offset: what a batch normalisation layer does with its moving statistics. */
export function normalization(layer: Layer, values: WeightValues): { scale: Float32Array; offset: Float32Array } {
  const { epsilon } = layer.getConfig() as { epsilon: number };
  const mean = values(weightOf(layer, "movingMean") as Variable);
  const variance = values(weightOf(layer, "movingVariance") as Variable);
  const [gamma, beta] = [weightOf(layer, "gamma"), weightOf(layer, "beta")];
  const gain = gamma === undefined ? new Float32Array(mean.length).fill(1) : values(gamma);
  const shift = beta === undefined ? new Float32Array(mean.length) : values(beta);
  const scale = variance.map((value, i) => (gain[i] as number) / Math.sqrt(value + epsilon));
  const offset = scale.map((factor, i) => (shift[i] as number) - factor * (mean[i] as number));
  return { scale, offset };
}

/**
 * A convolution's weights together with those of the batch normalisation that alone follows it; one with an activation
 * is not linear.
 */
export function foldedConvolution(graph: LayerGraph, index: number, values: WeightValues): FoldedConvolution {
  const { layer } = graph.nodes[index] as LayerNode;
  const kernel = weightOf(layer, "kernel") as Variable;
  const bias = weightOf(layer, "bias");
  const own = bias && values(bias);
  const { activation } = layer.getConfig() as { activation: string };
  const next = activation === "linear" ? soleConsumer(graph, index, "BatchNormalization") : undefined;
  const following = next === undefined ? undefined : (graph.nodes[next] as LayerNode).layer;
  if (following === undefined || !worksOnChannels(following))
    return { kernel: values(kernel), shape: kernel.shape, bias: own, covers: undefined };
  const { scale, offset } = normalization(following, values);
  const filters = scale.length;
  return {
    kernel: values(kernel).map((value, i) => value * (scale[i % filters] as number)),
    shape: kernel.shape,
    bias: own === undefined ? offset : offset.map((value, i) => value + (scale[i] as number) * (own[i] as number)),
    covers: next,
  };
}
