// A LayersModel -> a TensorFlow graph for inference: batch normalisation folded into the convolution before it, weights
// as constants, in a form that TensorFlow's optimiser fuses (convolution, bias, addition, ReLU in one kernel).
//
// In bfloat16, convolutions and dense layers and what follows them compute with 8 bits of mantissa; what comes before
// the first of them, the normalisation of inputs of very different size, stays float32.
import type { LayersModel } from "@tensorflow/tfjs";
import { weightValues } from "./folding.js";
import type { Precision } from "./frozen-network.js";
import type { GraphBuilder } from "./graph-def.js";
import { layerGraph } from "./layer-graph.js";
import { loweringOf } from "./layer-lowerings.js";
import { Lowering } from "./lowering.js";

/** The graph's nodes for the model's inputs (in its order) and its output. */
export interface InferenceGraph {
  readonly builder: GraphBuilder;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Undefined when the model has a layer that layer-lowerings.ts does not know. */
export async function inferenceGraph(model: LayersModel, precision: Precision): Promise<InferenceGraph | undefined> {
  const layers = layerGraph(model);
  const graph = new Lowering(layers, await weightValues(model), precision);
  for (const [index, { layer, kind, inputs }] of layers.nodes.entries()) {
    if (graph.has(index)) continue; // folded into an earlier one
    const lower = loweringOf(kind, layer);
    if (lower === undefined) return undefined;
    const from = inputs.map((input) => graph.valueOf(input));
    graph.set(index, lower(graph, layer.name, layer, from, index));
  }
  return {
    builder: graph.builder,
    inputs: layers.inputs.map((input) => graph.valueOf(input)),
    output: graph.cast(graph.valueOf(layers.output), "float32"),
  };
}
