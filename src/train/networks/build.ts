// Layers -> a standard tfjs LayersModel, which any tfjs loads: nothing in it is a class of ours.
import type { LayersModel, SymbolicTensor, layers as tfLayers, Variable } from "@tensorflow/tfjs";
import { closest } from "fastest-levenshtein";
import { ToolkitError } from "../../errors.js";
import { type Random, randomFor } from "../../shards/random.js";
import { assign } from "../engine/assign.js";
import { applyLayer, weightOf } from "../engine/layer-graph.js";
import type { Tf } from "../engine/tensorflow.js";
import { blockKernel, joinKernel } from "./dct-basis.js";
import { type NetworkDefinition, networks } from "./definitions.js";
import type { LayerSpec } from "./layer-list.js";
import { layersOf, type NetworkShape } from "./layers-of.js";
import { positionTable } from "./positions.js";

/** Shape, seed and initial weights of a network. */
export interface NetworkOptions extends NetworkShape {
  readonly classes: number;
  /** The seed of the initial weights. Default 0. */
  readonly seed?: number | undefined;
  /** The last normalisation of each residual branch begins at zero (Goyal et al. 2017, section 5.1). Default false. */
  readonly zeroInit?: boolean | undefined;
}

/** A network that was built: its definition and its models. */
export interface Network {
  readonly definition: NetworkDefinition;
  /** Ends in a softmax over the classes: what is saved and what predicts. */
  readonly model: LayersModel;
  /** The model without the softmax: what is trained. */
  readonly logits: LayersModel;
  /** Brings weights that must keep a property back to it; called after every update. */
  constrain(): void;
}

/** Keras's ResNet-50 convention, which the paper's networks follow. */
const batchNormConfig = { momentum: 0.9, epsilon: 1e-5 } as const;

/** The network with that id. Throws UNKNOWN_NETWORK, naming the nearest. */
export function findNetwork(id: string): NetworkDefinition {
  const found = networks.find((network) => network.id === id);
  if (found !== undefined) return found;
  const ids = networks.map((network) => network.id);
  throw new ToolkitError(
    "UNKNOWN_NETWORK",
    `no network is called ${id}; did you mean ${closest(id, ids)}? There are: ${ids.join(", ")}`,
  );
}

/** Builds a network with fresh weights: He normal convolutions. */
export function buildNetwork(tf: Tf, id: string, options: NetworkOptions): Network {
  const definition = findNetwork(id);
  const layers = layersOf(definition, options);
  const builder = new Builder(tf, randomFor(options.seed ?? 0, "weights", id), options.zeroInit ?? false);
  for (const layer of layers) builder.add(layer);
  const inputs = layers.filter(({ op }) => op === "input").map(({ name }) => builder.output(name));
  const name = id.replace(/[^a-z0-9]+/g, "_");
  const model = tf.model({ name, inputs, outputs: builder.output("softmax") });
  builder.fill();
  return {
    definition,
    model,
    logits: tf.model({ name: `${name}_logits`, inputs, outputs: builder.output("fc") }),
    constrain: () => {
      for (const kernel of builder.orthonormal()) keepOrthonormal(tf, kernel);
    },
  };
}

/**
 * The nearest matrix with orthonormal rows to a kernel [8, 8, 1, 64], seen as 64 functions of 64 pixels: two
 * Newton-Schulz steps of its polar decomposition, which after a small update leave less than single precision shows.
 */
function keepOrthonormal(tf: Tf, kernel: Variable): void {
  tf.tidy(() => {
    let matrix = kernel.reshape([64, 64]);
    for (let step = 0; step < 2; step++)
      matrix = tf.sub(tf.mul(matrix, 1.5), tf.mul(tf.matMul(matrix, tf.matMul(matrix, matrix, true)), 0.5));
    assign(kernel, matrix.reshape(kernel.shape));
  });
}

type Spec<Op extends LayerSpec["op"]> = Extract<LayerSpec, { op: Op }>;

class Builder {
  private readonly outputs = new Map<string, SymbolicTensor>();
  /** Weights that are not drawn but computed, once the layers have them. */
  private readonly computed: (() => void)[] = [];
  private readonly kept: (() => Variable)[] = [];

  constructor(
    private readonly tf: Tf,
    private readonly random: Random,
    private readonly zeroInit: boolean,
  ) {}

  output(name: string): SymbolicTensor {
    return this.outputs.get(name) as SymbolicTensor;
  }

  fill(): void {
    for (const compute of this.computed) compute();
  }

  orthonormal(): Variable[] {
    return this.kept.map((weight) => weight());
  }

  add(layer: LayerSpec): void {
    this.outputs.set(layer.name, this.build(layer));
  }

  private build(layer: LayerSpec): SymbolicTensor {
    const { layers } = this.tf;
    const { name } = layer;
    switch (layer.op) {
      case "input":
        return this.tf.input({ name, shape: [...layer.out] });
      case "conv":
        return this.convolution(layer);
      case "deconv":
        return this.deconvolution(layer);
      case "batch-norm":
        return this.apply(
          layers.batchNormalization({
            name,
            ...batchNormConfig,
            gammaInitializer: layer.endsBranch && this.zeroInit ? "zeros" : "ones",
          }),
          layer,
        );
      case "relu":
        return this.apply(layers.reLU({ name }), layer);
      case "softmax":
      case "gelu":
        return this.apply(layers.activation({ name, activation: layer.op as "softmax" }), layer); // no gelu in types
      case "add":
        return this.apply(layers.add({ name }), layer);
      case "concat":
        return this.apply(layers.concatenate({ name }), layer);
      case "upsample":
        return this.apply(layers.upSampling2d({ name, size: [2, 2] }), layer);
      case "max-pool":
        return this.apply(
          layers.maxPooling2d({ name, poolSize: layer.kernel, strides: layer.stride, padding: "valid" }),
          layer,
        );
      case "average-pool":
        return this.apply(
          layers.averagePooling2d({ name, poolSize: layer.kernel, strides: layer.stride, padding: "valid" }),
          layer,
        );
      case "channel":
        return this.channel(layer);
      case "global-pool":
        return this.apply(this.globalPool(layer), layer);
      case "dense":
        return this.apply(this.dense(name, layer.units), layer);
      case "layer-norm":
        return this.apply(layers.layerNormalization({ name, epsilon: 1e-6 }), layer);
      case "tokens":
        return this.apply(layers.reshape({ name, targetShape: [...layer.out] }), layer);
      case "positions":
        return this.positions(layer);
      case "attention":
        return this.attention(layer);
    }
  }

  private apply(layer: tfLayers.Layer, spec: LayerSpec): SymbolicTensor {
    return applyLayer(
      layer,
      spec.from.map((name) => this.output(name)),
    );
  }

  /** Each layer draws its weights from a stream of its own. */
  private nextSeed(): number {
    return 1 + this.random.below(2 ** 31 - 2);
  }

  private convolution(layer: Spec<"conv">): SymbolicTensor {
    const { tf } = this;
    const { name, kernel, stride, padding, bias, init, trained } = layer;
    let input = this.output(layer.from[0] as string);
    if (typeof padding === "number")
      input = tf.layers.zeroPadding2d({ name: `${name}_pad`, padding }).apply(input) as SymbolicTensor;
    const seed = this.nextSeed();
    const initializer = {
      "he-normal": () => tf.initializers.heNormal({ seed }),
      "glorot-uniform": () => tf.initializers.glorotUniform({ seed }),
      dct: () => "zeros" as const,
      join: () => "zeros" as const,
    }[init];
    const conv = tf.layers.conv2d({
      name,
      filters: layer.out[2] as number,
      kernelSize: kernel,
      strides: stride,
      padding: padding === "same" ? "same" : "valid",
      useBias: bias,
      kernelInitializer: initializer(),
      trainable: trained !== "never",
    });
    if (init === "dct" || init === "join") {
      const values = init === "dct" ? blockKernel : joinKernel;
      this.computed.push(() => {
        const weight = weightOf(conv, "kernel") as Variable;
        tf.tidy(() => assign(weight, tf.tensor(values(), weight.shape)));
      });
    }
    if (trained === "orthonormal") this.kept.push(() => weightOf(conv, "kernel") as Variable);
    return conv.apply(input) as SymbolicTensor;
  }

  private deconvolution(layer: Spec<"deconv">): SymbolicTensor {
    const { name, kernel, stride, out } = layer;
    const kernelInitializer = this.tf.initializers.heNormal({ seed: this.nextSeed() });
    return this.apply(
      this.tf.layers.conv2dTranspose({
        name,
        filters: out[2] as number,
        kernelSize: kernel,
        strides: stride,
        padding: "valid",
        useBias: false,
        kernelInitializer,
      }),
      layer,
    );
  }

  /** One channel of pixels: cropping along the last axis, which to a channels-first layer is an axis of the picture. */
  private channel(layer: Spec<"channel">): SymbolicTensor {
    const input = this.output(layer.from[0] as string);
    const after = (input.shape.at(-1) as number) - 1 - layer.index;
    const cropping: [[number, number], [number, number]] = [
      [0, 0],
      [layer.index, after],
    ];
    return this.apply(this.tf.layers.cropping2D({ name: layer.name, cropping, dataFormat: "channelsFirst" }), layer);
  }

  private globalPool({ name, from }: LayerSpec) {
    const { layers } = this.tf;
    const rank = this.output(from[0] as string).shape.length;
    return rank === 4 ? layers.globalAveragePooling2d({ name }) : layers.globalAveragePooling1d({ name });
  }

  private dense(name: string, units: number) {
    const kernelInitializer = this.tf.initializers.glorotUniform({ seed: this.nextSeed() });
    return this.tf.layers.dense({ name, units, kernelInitializer });
  }

  /**
   * Adds a fixed table to all tokens. tfjs has no layer for that: the table is the bias of a dense layer whose only
   * input is zero, so that the saved model needs no class of ours.
   */
  private positions(layer: Spec<"positions">): SymbolicTensor {
    const { tf } = this;
    const { name, out } = layer;
    const [tokens, channels] = out as [number, number];
    const input = this.output(layer.from[0] as string);
    const fixed = { trainable: false, kernelInitializer: "zeros" } as const;
    const pooled = tf.layers.globalAveragePooling1d({ name: `${name}_pool` }).apply(input);
    const zero = tf.layers.dense({ name: `${name}_zero`, units: 1, useBias: false, ...fixed }).apply(pooled);
    const table = tf.layers.dense({ name: `${name}_table`, units: tokens * channels, ...fixed });
    const flat = table.apply(zero) as SymbolicTensor;
    this.computed.push(() => {
      const bias = weightOf(table, "bias") as Variable;
      tf.tidy(() => assign(bias, tf.tensor1d(positionTable(tokens, channels))));
    });
    const shaped = tf.layers.reshape({ name: `${name}_shape`, targetShape: [tokens, channels] }).apply(flat);
    return tf.layers.add({ name }).apply([input, shaped as SymbolicTensor]) as SymbolicTensor;
  }

  /**
   * Softmax of query key^T / sqrt(width of a head), times value, per head: one dense layer each, concatenated. The
   * projection follows apart.
   */
  private attention({ name, from, heads, out }: Spec<"attention">): SymbolicTensor {
    const { tf } = this;
    const input = this.output(from[0] as string);
    const width = (out[1] as number) / heads;
    const attended = Array.from({ length: heads }, (_, head) => {
      const part = (role: string) => this.dense(`${name}_${role}${head}`, width).apply(input) as SymbolicTensor;
      const [query, key, value] = [part("query"), part("key"), part("value")];
      const scores = tf.layers.dot({ name: `${name}_scores${head}`, axes: [2, 2] }).apply([query, key]);
      const scaled = tf.layers
        .rescaling({ name: `${name}_scaled${head}`, scale: 1 / Math.sqrt(width) })
        .apply(scores) as SymbolicTensor;
      const weights = tf.layers
        .activation({ name: `${name}_weights${head}`, activation: "softmax" })
        .apply(scaled) as SymbolicTensor;
      return tf.layers.dot({ name: `${name}_head${head}`, axes: [2, 1] }).apply([weights, value]) as SymbolicTensor;
    });
    return attended.length === 1
      ? (attended[0] as SymbolicTensor)
      : (tf.layers.concatenate({ name }).apply(attended) as SymbolicTensor);
  }
}
