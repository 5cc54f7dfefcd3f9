// A graph for inference while it is built: the nodes that layers become, and the names and types of their values.
import type { Variable } from "@tensorflow/tfjs";
import type { WeightValues } from "./folding.js";
import type { Precision } from "./frozen-network.js";
import { type GraphAttribute, GraphBuilder } from "./graph-def.js";
import type { LayerGraph } from "./layer-graph.js";

/** The attributes of operations that take axes. */
export const indexed = { Tidx: { type: "int32" } } as const;

export class Lowering {
  readonly builder = new GraphBuilder();
  /** The graph's name for a layer's value. */
  private readonly values = new Map<number, string>();
  /** The type of each value that is a real number: shapes and axes are not in it. */
  private readonly types = new Map<string, Precision>();

  constructor(
    readonly layers: LayerGraph,
    readonly weights: WeightValues,
    /** What convolutions and dense layers compute in. */
    readonly precision: Precision,
  ) {}

  has(index: number): boolean {
    return this.values.has(index);
  }

  /** The graph's name for the value of a layer that has one. */
  valueOf(index: number): string {
    return this.values.get(index) as string;
  }

  /** Names a layer's output, also where the layer is computed together with an earlier one. */
  set(index: number, name: string): void {
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

  /** A node over shapes and indices. */
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

  /** A value in another type. */
  cast(name: string, type: Precision): string {
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
