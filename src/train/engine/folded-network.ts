// A frozen network in tfjs's own operations: convolutions with batch normalisation folded in and the ReLU after it
// fused, all other layers as they are. For backends that have no graph of their own.
import type { LayersModel, Tensor, Tensor1D, Tensor4D } from "@tensorflow/tfjs";
import { foldedConvolution, type WeightValues, weightValues } from "./folding.js";
import type { FrozenNetwork } from "./frozen-network.js";
import {
  applyLayer,
  type LayerGraph,
  type LayerNode,
  layerGraph,
  runSteps,
  type Step,
  soleConsumer,
} from "./layer-graph.js";
import type { Tf } from "./tensorflow.js";

export async function freezeToLayers(tf: Tf, model: LayersModel): Promise<FrozenNetwork> {
  const graph = layerGraph(model);
  const values = await weightValues(model);
  const held: Tensor[] = [];
  const done = new Set<number>(graph.inputs);
  const steps: Step[] = [];
  for (const index of graph.nodes.keys()) {
    if (done.has(index)) continue;
    const step = stepFrom(tf, graph, index, values, held);
    steps.push(step);
    for (let covered = index; covered !== step.end; covered = graph.nodes[covered]?.consumers[0] as number)
      done.add(covered);
    done.add(step.end);
  }
  return {
    predict: (inputs) => tf.tidy(() => runSteps(graph, steps, inputs)),
    dispose: () => tf.dispose(held.splice(0)),
  };
}

function stepFrom(tf: Tf, graph: LayerGraph, index: number, values: WeightValues, held: Tensor[]): Step {
  const { layer, kind, inputs } = graph.nodes[index] as LayerNode;
  const { strides, padding, activation, dilationRate } = layer.getConfig() as {
    strides: [number, number];
    padding: "same" | "valid";
    activation: string;
    dilationRate: [number, number];
  };
  if (kind !== "Conv2D" || activation !== "linear" || dilationRate.some((rate) => rate !== 1))
    return { inputs, end: index, run: (given) => applyLayer(layer, given) };
  const folded = foldedConvolution(graph, index, values);
  const filter = tf.tensor(folded.kernel, folded.shape as Tensor4D["shape"]) as Tensor4D;
  const bias = folded.bias && (tf.tensor1d(folded.bias) as Tensor1D);
  held.push(filter, ...(bias === undefined ? [] : [bias]));
  const last = folded.covers ?? index;
  const relu = soleConsumer(graph, last, "ReLU");
  const shared = { filter, strides, pad: padding, ...(bias === undefined ? {} : { bias }) } as const;
  return {
    inputs,
    end: relu ?? last,
    run: ([x]) =>
      tf.fused.conv2d({ ...shared, x: x as Tensor4D, activation: relu === undefined ? "linear" : "relu" }) as Tensor,
  };
}
