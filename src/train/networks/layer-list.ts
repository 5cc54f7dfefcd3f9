// A network as a list of layers, each with its name and inputs, its settings and its output's shape: what models are
// built from and tables computed from. Pure.

/** The shape of a layer's output without the batch: [height, width, channels], [tokens, channels] or [channels]. */
export type Shape = readonly number[];

interface Named {
  readonly name: string;
  /** Names of the layers before. */
  readonly from: readonly string[];
  readonly out: Shape;
}

export type LayerSpec = Named &
  (
    | { readonly op: "input" /** Pixels that one value has seen, and from one to the next. */; readonly field: number }
    | ({ readonly op: "conv" } & ConvSettings)
    | { readonly op: "deconv"; readonly kernel: number; readonly stride: number }
    | { readonly op: "batch-norm" /** The last of a residual branch. */; readonly endsBranch: boolean }
    | { readonly op: "relu" | "add" | "concat" | "upsample" | "global-pool" | "softmax" | "gelu" | "layer-norm" }
    | { readonly op: "max-pool" | "average-pool"; readonly kernel: number; readonly stride: number }
    | { readonly op: "channel"; readonly index: number }
    | { readonly op: "dense"; readonly units: number }
    | { readonly op: "tokens" }
    | { readonly op: "positions" }
    | { readonly op: "attention"; readonly heads: number }
  );

export interface ConvSettings {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: Padding;
  readonly bias: boolean;
  /**
   * What the kernel begins as. "dct": the 64 basis functions of an 8x8 block; "join": four blocks to one of twice the
   * side.
   */
  readonly init: "he-normal" | "glorot-uniform" | "dct" | "join";
  readonly trained: "freely" | "orthonormal" | "never";
}

/** "same" as TensorFlow has it (of an odd sum the larger part after), none, or so many zeros on each side. */
export type Padding = "same" | "valid" | number;

type WithoutNames<T> = T extends Named ? Omit<T, keyof Named> : never;
type Settings = WithoutNames<LayerSpec>;

/** Layers of one network, in order; the methods append and return the layer's name. */
export class LayerList {
  readonly layers: LayerSpec[] = [];
  private readonly shapes = new Map<string, Shape>();

  shapeOf(name: string): Shape {
    const shape = this.shapes.get(name);
    if (shape === undefined) throw new RangeError(`no layer is called ${name}`);
    return shape;
  }

  channelsOf(name: string): number {
    return this.shapeOf(name).at(-1) as number;
  }

  input(name: string, out: Shape, field: number): string {
    return this.append(name, [], out, { op: "input", field });
  }

  conv(name: string, from: string, filters: number, settings: Partial<ConvSettings> & { kernel: number }): string {
    const { kernel, stride = 1, padding = "same" } = settings;
    const { bias = false, init = "he-normal", trained = "freely" } = settings;
    const [height, width] = this.plane(from).map((size) => outputSize(size, kernel, stride, padding));
    const out = [height, width, filters] as Shape;
    return this.append(name, [from], out, { op: "conv", kernel, stride, padding, bias, init, trained });
  }

  deconv(name: string, from: string, filters: number, kernel: number, stride: number): string {
    const [height, width] = this.plane(from).map((size) => size * stride);
    return this.append(name, [from], [height, width, filters] as Shape, { op: "deconv", kernel, stride });
  }

  pool(op: "max-pool" | "average-pool", name: string, from: string, kernel: number, stride: number): string {
    const [height, width] = this.plane(from).map((size) => outputSize(size, kernel, stride, "valid"));
    return this.append(name, [from], [height, width, this.channelsOf(from)] as Shape, { op, kernel, stride });
  }

  batchNorm(name: string, from: string, endsBranch = false): string {
    return this.append(name, [from], this.shapeOf(from), { op: "batch-norm", endsBranch });
  }

  /** Layers that keep their input's shape. */
  pointwise(op: "relu" | "softmax" | "gelu" | "layer-norm", name: string, from: string): string {
    return this.append(name, [from], this.shapeOf(from), { op });
  }

  add(name: string, from: readonly [string, string]): string {
    return this.append(name, from, this.shapeOf(from[0]), { op: "add" });
  }

  concat(name: string, from: readonly string[]): string {
    const channels = from.reduce((sum, input) => sum + this.channelsOf(input), 0);
    return this.append(name, from, [...this.shapeOf(from[0] as string).slice(0, -1), channels], { op: "concat" });
  }

  upsample(name: string, from: string): string {
    const [height, width] = this.plane(from).map((size) => 2 * size);
    return this.append(name, [from], [height, width, this.channelsOf(from)] as Shape, { op: "upsample" });
  }

  channel(name: string, from: string, index: number): string {
    return this.append(name, [from], [...this.shapeOf(from).slice(0, -1), 1], { op: "channel", index });
  }

  globalPool(name: string, from: string): string {
    return this.append(name, [from], [this.channelsOf(from)], { op: "global-pool" });
  }

  dense(name: string, from: string, units: number): string {
    return this.append(name, [from], [...this.shapeOf(from).slice(0, -1), units], { op: "dense", units });
  }

  tokens(name: string, from: string): string {
    const [height, width] = this.plane(from);
    return this.append(name, [from], [height * width, this.channelsOf(from)], { op: "tokens" });
  }

  positions(name: string, from: string): string {
    return this.append(name, [from], this.shapeOf(from), { op: "positions" });
  }

  attention(name: string, from: string, heads: number): string {
    return this.append(name, [from], this.shapeOf(from), { op: "attention", heads });
  }

  private plane(name: string): [number, number] {
    return this.shapeOf(name).slice(0, 2) as [number, number];
  }

  private append(name: string, from: readonly string[], out: Shape, settings: Settings): string {
    if (this.shapes.has(name)) throw new RangeError(`two layers are called ${name}`);
    this.shapes.set(name, out);
    // The union of both halves, which the type checker cannot see.
    this.layers.push({ name, from, out, ...settings } as LayerSpec);
    return name;
  }
}

function outputSize(size: number, kernel: number, stride: number, padding: Padding): number {
  if (padding === "same") return Math.ceil(size / stride);
  const zeros = padding === "valid" ? 0 : 2 * padding;
  return Math.floor((size + zeros - kernel) / stride) + 1;
}
