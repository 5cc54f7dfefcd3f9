// A frozen network in tfjs's own operations: convolutions with batch normalisation folded in and the ReLU after it fused, all other layers as
// they are. For backends that have no graph of their own.
import type { LayersModel, Tensor, Tensor1D, Tensor4D } from "@tensorflow/tfjs";
import { foldedConvolution, weightValues } from "./folding.js";
import type { FrozenNetwork } from "./frozen-network.js";
import { type LayerGraph, type LayerNode, layerGraph, soleConsumer } from "./layer-graph.js";
import type { Tf } from "./tensorflow.js";

interface Step {
  readonly inputs: readonly number[];
  /** The last layer that the step stands for. */
  readonly end: number;
  readonly run: (inputs: Tensor[]) => Tensor;
}

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
    predict: (inputs) =>
      tf.tidy(() => {
        const results = new Map<number, Tensor>(graph.inputs.map((node, i) => [node, inputs[i] as Tensor]));
        for (const step of steps)
          results.set(step.end, step.run(step.inputs.map((input) => results.get(input) as Tensor)));
        return results.get(graph.output) as Tensor;
      }),
    dispose: () => tf.dispose(held.splice(0)),
  };
}

function stepFrom(
  tf: Tf,
  graph: LayerGraph,
  index: number,
  values: Awaited<ReturnType<typeof weightValues>>,
  held: Tensor[],
): Step {
  const { layer, kind, inputs } = graph.nodes[index] as LayerNode;
  if (kind !== "Conv2D") {
    const run = (given: Tensor[]) => layer.apply(given.length === 1 ? (given[0] as Tensor) : given) as Tensor;
    return { inputs, end: index, run };
  }
  const { strides, padding } = layer.getConfig() as { strides: [number, number]; padding: "same" | "valid" };
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
