// A LayersModel as a list of layers in order of computation: what the training pass, the frozen network and the tables
// of layers walk over.
import type { LayersModel, LayerVariable, layers, SymbolicTensor, Tensor, Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";

export type Layer = layers.Layer;

export interface LayerNode {
  readonly layer: Layer;
  /** "Conv2D", "BatchNormalization", ...: tfjs's class name, as in saved models. */
  readonly kind: string;
  /** Positions in the list; empty for an input. */
  readonly inputs: readonly number[];
  /** Positions of the layers that take this one's output. */
  readonly consumers: readonly number[];
}

export interface LayerGraph {
  readonly nodes: readonly LayerNode[];
  /** Position of each of the model's inputs, in the model's order. */
  readonly inputs: readonly number[];
  readonly output: number;
}

/**
 * The layers of a model with one output whose layers are each used once, inputs before what takes them. INTERNAL for
 * other models.
 */
export function layerGraph(model: LayersModel): LayerGraph {
  const position = new Map(model.layers.map((layer, index) => [layer, index]));
  const inputsOf = model.layers.map((layer) => {
    const [node, ...others] = layer.inboundNodes;
    if (node === undefined || others.length > 0 || model.outputs.length !== 1)
      throw new ToolkitError("INTERNAL", `the layers of ${model.name} do not form a graph in which each is used once`);
    return node.inboundLayers.map((input) => position.get(input) as number);
  });
  const nodes = model.layers.map((layer, index) => ({
    layer,
    kind: layer.getClassName(),
    inputs: inputsOf[index] as number[],
    consumers: inputsOf.flatMap((inputs, consumer) => (inputs.includes(index) ? [consumer] : [])),
  }));
  const indexOf = (layer: Layer) => position.get(layer) as number;
  return {
    nodes,
    inputs: model.inputs.map((input) => indexOf(input.sourceLayer)),
    output: indexOf((model.outputs[0] as LayersModel["outputs"][number]).sourceLayer),
  };
}

/**
 * The only consumer of a node, if there is just one and it is of this kind; the model's output has one more outside.
 */
export function soleConsumer(graph: LayerGraph, index: number, kind: string): number | undefined {
  const [only, another] = graph.nodes[index]?.consumers ?? [];
  if (only === undefined || another !== undefined || index === graph.output) return undefined;
  return graph.nodes[only]?.kind === kind ? only : undefined;
}

/** Whether a layer that works along one axis does so along the last, the channels, however its settings count. */
export function worksOnChannels(layer: Layer): boolean {
  const { axis } = layer.getConfig() as { axis: number | number[] };
  const [only, another] = [axis].flat();
  return another === undefined && (only === -1 || only === layer.outputShape.length - 1);
}

/** A layer's value for the values of its inputs. */
export function applyLayer<T extends Tensor | SymbolicTensor>(
  layer: Layer,
  inputs: readonly T[],
  settings?: object,
): T {
  const given = inputs.length === 1 ? (inputs[0] as T) : [...inputs];
  return layer.apply(given as Tensor | Tensor[], settings) as T;
}

/** Computes one value of a graph from others. */
export interface Step {
  readonly inputs: readonly number[];
  /** The last layer that the step stands for: what it computes is that one's value. */
  readonly end: number;
  readonly run: (inputs: Tensor[]) => Tensor;
}

/** Runs steps in order and returns the graph's output. */
export function runSteps(graph: LayerGraph, steps: readonly Step[], inputs: readonly Tensor[]): Tensor {
  const values = new Map<number, Tensor>(graph.inputs.map((node, i) => [node, inputs[i] as Tensor]));
  for (const step of steps) values.set(step.end, step.run(step.inputs.map((input) => values.get(input) as Tensor)));
  return values.get(graph.output) as Tensor;
}

/** The variable behind a weight, which tfjs's types hide: what gradients are taken of. */
export function variableOf(weight: LayerVariable): Variable {
  return (weight as unknown as { readonly val: Variable }).val;
}

export interface LayerWeight {
  readonly layer: Layer;
  /** "kernel", "gamma", "moving_mean", ...: as in saved models, without the layer's name. */
  readonly name: string;
  readonly variable: Variable;
}

/** All weights of a model, in its order. */
export function layerWeights(model: LayersModel): LayerWeight[] {
  return model.layers.flatMap((layer) =>
    layer.weights.map((weight) => ({
      layer,
      name: weight.originalName.split("/").at(-1) ?? "",
      variable: variableOf(weight),
    })),
  );
}

/**
 * The variable behind a layer's weight; `name` is the attribute tfjs keeps it under. Undefined when the layer has none.
 */
export function weightOf(layer: Layer, name: "kernel" | "bias" | "gamma" | "beta" | "movingMean" | "movingVariance") {
  const weight = (layer as unknown as Record<string, LayerVariable | null>)[name];
  return weight ? variableOf(weight) : undefined;
}
