// Network definition -> tfjs layers. Layer names are the paper's (res2a_branch2a, ...), so that lists can be compared.
import type { LayersModel, SymbolicTensor } from "@tensorflow/tfjs-node-gpu";
import { closest } from "fastest-levenshtein";
import { invalidOption, ToolkitError } from "../../errors.js";
import { type Random, randomFor } from "../../shards/random.js";
import { fusedBatchNormalization } from "../engine/batch-norm.js";
import type { Tf } from "../engine/tensorflow.js";
import { type NetworkDefinition, networks } from "./definitions.js";
import { type Block, parseStages } from "./stages.js";

export interface NetworkOptions {
  readonly classes: number;
  /** Side of the input in pixels. Default 224. */
  readonly inputSize?: number;
  /** Factor on all channel counts. Default 1, the paper's network. */
  readonly width?: number;
  /** Of the initial weights. Default 0. */
  readonly seed?: number;
}

export interface Network {
  readonly definition: NetworkDefinition;
  /** Ends in a softmax over the classes: what is saved and what predicts. */
  readonly model: LayersModel;
  /** The same layers without the softmax: what is trained. */
  readonly logits: LayersModel;
}

/** Keras's ResNet-50 convention, which the paper's networks follow. */
const batchNormConfig = { momentum: 0.9, epsilon: 1e-5 } as const;

/** UNKNOWN_NETWORK, naming the nearest. */
export function findNetwork(id: string): NetworkDefinition {
  const found = networks.find((network) => network.id === id);
  if (found !== undefined) return found;
  const ids = networks.map((network) => network.id);
  throw new ToolkitError(
    "UNKNOWN_NETWORK",
    `no network is called ${id}; did you mean ${closest(id, ids)}? There are: ${ids.join(", ")}`,
  );
}

/** Builds a network with fresh weights: He normal convolutions, and zero gamma at the end of each residual branch (Goyal et al. 2017). */
export function buildNetwork(tf: Tf, id: string, options: NetworkOptions): Network {
  const definition = findNetwork(id);
  const { classes, inputSize = 224, width = 1, seed = 0 } = options;
  if (!(width > 0 && width <= 4)) throw invalidOption("width", "a factor in (0, 4]", width);
  if (!Number.isInteger(classes) || classes < 2) throw invalidOption("classes", "an integer >= 2", classes);
  const builder = new Builder(tf, width, randomFor(seed, "weights", id));
  const { inputs, features } =
    definition.input === "rgb"
      ? builder.pixelNetwork(definition, inputSize)
      : builder.dctNetwork(definition, inputSize);
  const pooled = tf.layers.globalAveragePooling2d({ name: "avg_pool" }).apply(features) as SymbolicTensor;
  const dense = tf.layers
    .dense({
      name: "fc",
      units: classes,
      kernelInitializer: tf.initializers.glorotUniform({ seed: builder.nextSeed() }),
    })
    .apply(pooled) as SymbolicTensor;
  const softmax = tf.layers.activation({ name: "softmax", activation: "softmax" }).apply(dense) as SymbolicTensor;
  const name = id.replace(/[^a-z0-9]+/g, "_");
  return {
    definition,
    model: tf.model({ name, inputs, outputs: softmax }),
    logits: tf.model({ name: `${name}_logits`, inputs, outputs: dense }),
  };
}

interface Body {
  readonly inputs: SymbolicTensor[];
  readonly features: SymbolicTensor;
}

class Builder {
  constructor(
    private readonly tf: Tf,
    private readonly factor: number,
    private readonly random: Random,
  ) {}

  /** Each layer draws its weights from a stream of its own. */
  nextSeed(): number {
    return 1 + this.random.below(2 ** 31 - 2);
  }

  pixelNetwork(definition: NetworkDefinition, size: number): Body {
    const { tf } = this;
    const input = tf.input({ name: "rgb", shape: [size, size, 3] });
    const padded = tf.layers.zeroPadding2d({ name: "conv1_pad", padding: 3 }).apply(input) as SymbolicTensor;
    const stem = this.activate(
      this.convolve(padded, "conv1", { kernel: 7, stride: 2, filters: this.scaled(64), padding: "valid" }),
      "conv1_relu",
    );
    const pooled = tf.layers
      .maxPooling2d({ name: "pool1", poolSize: 3, strides: 2, padding: "valid" })
      .apply(stem) as SymbolicTensor;
    return { inputs: [input], features: this.blocks(pooled, parseStages(definition.luma)) };
  }

  /** Cb and Cr are inputs of their own, each on its grid: nothing has to be packed into channels and split again. */
  dctNetwork(definition: NetworkDefinition, size: number): Body {
    const { tf } = this;
    const luma = size / 8;
    const chroma = size / 16;
    const y = tf.input({ name: "y", shape: [luma, luma, 64] });
    const cb = tf.input({ name: "cb", shape: [chroma, chroma, 64] });
    const cr = tf.input({ name: "cr", shape: [chroma, chroma, 64] });
    const names = new Map<string, number>();
    const lumaFeatures = this.blocks(this.normalize(y, "bn_y"), parseStages(definition.luma, names));
    const both = tf.layers.concatenate({ name: "concat_cbcr" }).apply([cb, cr]) as SymbolicTensor;
    const chromaFeatures = this.blocks(this.normalize(both, "bn_cbcr"), parseStages(definition.chroma ?? "", names));
    const joined = tf.layers.concatenate({ name: "concat" }).apply([lumaFeatures, chromaFeatures]) as SymbolicTensor;
    return { inputs: [y, cb, cr], features: this.blocks(joined, parseStages(definition.joined ?? "", names)) };
  }

  private scaled(channels: number): number {
    return this.factor === 1 ? channels : Math.max(8, Math.round((channels * this.factor) / 8) * 8);
  }

  private blocks(input: SymbolicTensor, blocks: readonly Block[]): SymbolicTensor {
    return blocks.reduce((features, block) => this.residual(features, block), input);
  }

  /** 1x1, kxk, 1x1 with the stride on the first (ResNet v1), plus the shortcut. */
  private residual(input: SymbolicTensor, block: Block): SymbolicTensor {
    const { name, kernel, stride } = block;
    const bottleneck = this.scaled(block.bottleneck);
    // An identity block keeps its input's width, also where rounding a scaled concatenation made it another.
    const filters = block.kind === "projection" ? this.scaled(block.width) : (input.shape.at(-1) as number);
    const prefix = `res${name}_branch`;
    const first = this.activate(
      this.convolve(input, `${prefix}2a`, { kernel: 1, stride, filters: bottleneck }),
      `${prefix}2a_relu`,
    );
    const middle = this.activate(
      this.convolve(first, `${prefix}2b`, { kernel, stride: 1, filters: bottleneck }),
      `${prefix}2b_relu`,
    );
    const last = this.convolve(middle, `${prefix}2c`, { kernel: 1, stride: 1, filters, gamma: "zeros" });
    const shortcut =
      block.kind === "projection" ? this.convolve(input, `${prefix}1`, { kernel: 1, stride, filters }) : input;
    const sum = this.tf.layers.add({ name: `res${name}` }).apply([last, shortcut]) as SymbolicTensor;
    return this.activate(sum, `res${name}_relu`);
  }

  private convolve(
    input: SymbolicTensor,
    name: string,
    options: { kernel: number; stride: number; filters: number; padding?: "valid" | "same"; gamma?: "zeros" },
  ): SymbolicTensor {
    const { kernel, stride, filters, padding = "same", gamma } = options;
    const kernelInitializer = this.tf.initializers.heNormal({ seed: this.nextSeed() });
    const conv = this.tf.layers.conv2d({
      name,
      filters,
      kernelSize: kernel,
      strides: stride,
      padding,
      useBias: false,
      kernelInitializer,
    });
    return this.normalize(conv.apply(input) as SymbolicTensor, `bn_${name}`, gamma);
  }

  private normalize(input: SymbolicTensor, name: string, gammaInitializer: "zeros" | "ones" = "ones"): SymbolicTensor {
    return fusedBatchNormalization(this.tf, { name, ...batchNormConfig, gammaInitializer }).apply(
      input,
    ) as SymbolicTensor;
  }

  private activate(input: SymbolicTensor, name: string): SymbolicTensor {
    return this.tf.layers.reLU({ name }).apply(input) as SymbolicTensor;
  }
}
