// A LayersModel -> a TensorFlow graph for inference: batch normalisation folded into the convolution before it, weights as constants, in a
// form that TensorFlow's optimiser fuses (convolution, bias, addition, ReLU in one kernel).
//
// In bfloat16, convolutions and dense layers and what follows them compute with 8 bits of mantissa; what comes before the first of them, the
// normalisation of inputs of very different size, stays float32.
import type { LayersModel, Variable } from "@tensorflow/tfjs";
import { type WeightValues, weightValues } from "./folding.js";
import type { Precision } from "./frozen-network.js";
import { type GraphAttribute, GraphBuilder } from "./graph-def.js";
import { type LayerGraph, layerGraph } from "./layer-graph.js";
import { loweringOf } from "./layer-lowerings.js";

const indexed = { Tidx: { type: "int32" } } as const;

/** The graph's nodes for the model's inputs (in its order) and its output. */
export interface InferenceGraph {
  readonly builder: GraphBuilder;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Undefined when the model has a layer that layer-lowerings.ts does not know. */
export async function inferenceGraph(model: LayersModel, precision: Precision): Promise<InferenceGraph | undefined> {
  return new Lowering(layerGraph(model), await weightValues(model), precision).run();
}

export class Lowering {
  private readonly builder = new GraphBuilder();
  /** The graph's name for a layer's value. */
  private readonly values = new Map<number, string>();
  /** Of the values that are real numbers: shapes and axes are not in it. */
  private readonly types = new Map<string, Precision>();

  constructor(
    readonly layers: LayerGraph,
    readonly weights: WeightValues,
    /** Of convolutions and dense layers. */
    readonly precision: Precision,
  ) {}

  run(): InferenceGraph | undefined {
    for (const [index, { layer, kind, inputs }] of this.layers.nodes.entries()) {
      if (this.values.has(index)) continue; // folded into an earlier one
      const lower = loweringOf(kind, layer);
      if (lower === undefined) return undefined;
      const from = inputs.map((input) => this.values.get(input) as string);
      const name = lower(this, layer.name, layer, from, index);
      this.values.set(index, name);
    }
    return {
      builder: this.builder,
      inputs: this.layers.inputs.map((input) => this.values.get(input) as string),
      output: this.cast(this.values.get(this.layers.output) as string, "float32"),
    };
  }

  /** The value of a layer that is computed together with an earlier one. */
  cover(index: number, name: string): void {
    this.values.set(index, name);
  }

  placeholder(name: string): string {
    this.types.set(name, "float32");
    return this.builder.placeholder(name);
  }

  /** A node over real numbers, in the type of its first input unless another is named. */
  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, GraphAttribute>> = {},
    type: Precision = this.types.get(inputs[0] as string) ?? "float32",
  ): string {
    const cast = inputs.map((input) => (this.types.has(input) ? this.cast(input, type) : input));
    this.types.set(name, type);
    return this.builder.node(op, name, cast, { T: { type }, ...attributes });
  }

  /** A node over shapes and places. */
  indexNode(op: string, name: string, inputs: readonly string[], attributes: Readonly<Record<string, GraphAttribute>>) {
    return this.builder.node(op, name, inputs, attributes);
  }

  constant(name: string, values: Float32Array, shape: readonly number[]): string {
    this.types.set(name, "float32"); // a cast of it is computed once, by TensorFlow's optimiser
    return this.builder.constant(name, values, shape);
  }

  weight(name: string, weight: Variable): string {
    return this.constant(name, this.weights(weight), weight.shape);
  }

  scalar(name: string, value: number): string {
    return this.constant(name, Float32Array.of(value), []);
  }

  indices(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.builder.constant(name, Int32Array.from(values), shape);
  }

  mean(name: string, input: string, axes: readonly number[], keepDims = false): string {
    const attributes = { ...indexed, keep_dims: { bool: keepDims } };
    return this.node("Mean", name, [input, this.indices(`${name}/axes`, axes)], attributes);
  }

  reshape(name: string, input: string, shape: readonly number[]): string {
    return this.node("Reshape", name, [input, this.indices(`${name}/shape`, shape)], { Tshape: { type: "int32" } });
  }

  private cast(name: string, type: Precision): string {
    if (this.types.get(name) === type) return name;
    const cast = `${name}/${type}`;
    if (!this.types.has(cast)) {
      this.types.set(cast, type);
      this.builder.node("Cast", cast, [name], {
        SrcT: { type: this.types.get(name) as Precision },
        DstT: { type },
        Truncate: { bool: false },
      });
    }
    return cast;
  }
}
