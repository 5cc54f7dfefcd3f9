// Network definition and options -> its layers.
import { invalidOption } from "../../errors.js";
import { flag, integers, numbers } from "../../options/kinds.js";
import { complete, type Given, optionTable } from "../../options/table.js";
import { frequencySelections, keptFrequencies } from "../../pipeline/load/frequencies.js";
import type { NetworkDefinition } from "./definitions.js";
import { LayerList, type LayerSpec } from "./layer-list.js";
import { convUnit, type ResidualOptions, residualBlocks } from "./residual.js";
import { type Block, parseStages } from "./stages.js";
import { transformer } from "./transformer.js";

export const networkOptions = optionTable({
  /** Side of the input in pixels, a multiple of 32. Default 224. */
  inputSize: {
    kind: numbers("a multiple of 32, at most 4096", (value) => value >= 32 && value <= 4096 && value % 32 === 0),
    default: 224,
    describe: "Side of the views in pixels, a multiple of 32",
    group: "Network",
  },
  /** Factor on all channel counts, rounded to multiples of 8. Default 1, the network as it is defined. */
  width: {
    kind: numbers("a factor in (0, 4]", (value) => value > 0 && value <= 4),
    default: 1,
    describe: "Factor on all channel counts",
    group: "Network",
  },
  /** DCT networks: frequencies of the inputs, as the loader selects them. Default: all 64 of each component. */
  frequencies: {
    kind: frequencySelections,
    otherwise: "all",
    describe: "DCT networks: how many of all 192 frequencies they are fed",
    group: "Network",
  },
  /** DCT networks: luma alone. Default false. */
  grey: { kind: flag, default: false, describe: "DCT networks: luma alone", group: "Network" },
});

export const classCountOption = optionTable({
  /** Outputs. Default 1000. */
  classes: { kind: integers(2), default: 1000, describe: "Outputs of the network", group: "Network" },
});

export interface NetworkShape extends Given<typeof networkOptions & typeof classCountOption> {}

/** The layers of a network, in order. Throws INVALID_OPTION for what no network of this definition can be. */
export function layersOf(definition: NetworkDefinition, shape: NetworkShape = {}): readonly LayerSpec[] {
  const { classes, inputSize, width, frequencies, grey } = complete({ ...networkOptions, ...classCountOption }, shape);
  if (definition.input !== "dct" && frequencies !== undefined)
    throw invalidOption("frequencies", `left out: ${definition.id} takes pixels`, frequencies);
  if (definition.input !== "dct" && grey) throw invalidOption("grey", `left out: ${definition.id} takes pixels`, grey);
  const kept = keptFrequencies(frequencies)?.map((places) => places.length) ?? [64, 64, 64];
  const network = new NetworkLayers(definition, inputSize, width, kept, grey);
  return network.build(classes);
}

class NetworkLayers {
  private readonly list = new LayerList();
  private readonly names = new Map<string, number>();
  private readonly residual: ResidualOptions;

  constructor(
    private readonly definition: NetworkDefinition,
    private readonly size: number,
    factor: number,
    private readonly frequencies: readonly number[],
    private readonly grey: boolean,
  ) {
    const scaled = (channels: number) =>
      factor === 1 ? channels : Math.max(8, Math.round((channels * factor) / 8) * 8);
    this.residual = { style: definition.style ?? "v1", scaled };
  }

  build(classes: number): readonly LayerSpec[] {
    const { list } = this;
    const features = this.features();
    const pooled = list.globalPool("avg_pool", features);
    list.pointwise("softmax", "softmax", list.dense("fc", pooled, classes));
    return list.layers;
  }

  private features(): string {
    switch (this.definition.stem) {
      case "pixels":
        return this.stages(this.pixels());
      case "downsample":
        return this.stages(this.downsampled());
      case "upsample":
      case "deconvolve":
        return this.stages(this.list.batchNorm("bn_input", this.upsampled()));
      case "late":
        return this.lateConcat();
      case "blocks":
        return this.stages(this.blocks(8, true));
      case "overlapping-blocks":
        return this.stages(this.blocks(4, false));
      case "patches":
        return this.patches();
    }
  }

  private stages(from: string): string {
    return residualBlocks(this.list, from, parseStages(this.definition.luma), this.residual);
  }

  private pixels(): string {
    const { list, size } = this;
    const input = list.input(this.definition.input, [size, size, 3], 1);
    const stem = convUnit(list, "conv1", input, this.residual.scaled(64), { kernel: 7, stride: 2, padding: 3 });
    return list.pool("max-pool", "pool1", stem, 3, 2);
  }

  private coefficients(name: "y" | "cb" | "cr", pixelsPerBlock: number): string {
    const blocks = this.size / pixelsPerBlock;
    const channels = this.frequencies[name === "y" ? 0 : name === "cb" ? 1 : 2] as number;
    return this.list.input(name, [blocks, blocks, channels], pixelsPerBlock);
  }

  /** Cb and Cr are inputs of their own, each on its grid: nothing has to be packed into channels and split again. */
  private chroma(): string[] {
    return this.grey ? [] : [this.coefficients("cb", 16), this.coefficients("cr", 16)];
  }

  private concat(name: string, inputs: string[]): string {
    return inputs.length === 1 ? (inputs[0] as string) : this.list.concat(name, inputs);
  }

  private downsampled(): string {
    const { list } = this;
    const y = this.coefficients("y", 8);
    const filters = this.residual.scaled(256);
    const luma = list.conv("conv_y", y, filters, { kernel: 2, stride: 2, padding: "valid" });
    return this.concat("concat", [luma, ...this.chroma()]);
  }

  private upsampled(): string {
    const { list } = this;
    const y = this.coefficients("y", 8);
    const larger = this.chroma().map((component) =>
      this.definition.stem === "upsample"
        ? list.upsample(`${component}_upsample`, component)
        : list.deconv(`conv_${component}_upsample`, component, 64, 2, 2),
    );
    return this.concat("concat", [y, ...larger]);
  }

  private lateConcat(): string {
    const { list, names, residual, definition } = this;
    const { luma, chroma = "", joined = "" } = definition;
    const y = list.batchNorm("bn_y", this.coefficients("y", 8));
    const components = this.chroma();
    const lumaBlocks = parseStages(luma, names);
    const rest = parseStages(joined, names);
    if (components.length === 0) {
      const alone = widenLast(lumaBlocks, (rest[0] as Block).width);
      return residualBlocks(list, y, [...alone, ...rest], residual);
    }
    const lumaFeatures = residualBlocks(list, y, lumaBlocks, residual);
    const both = list.batchNorm("bn_cbcr", list.concat("concat_cbcr", components));
    const chromaFeatures = residualBlocks(list, both, parseStages(chroma, names), residual);
    return residualBlocks(list, list.concat("concat", [lumaFeatures, chromaFeatures]), rest, residual);
  }

  /** The DCT as a first layer over pixels. */
  private blocks(stride: number, halfChroma: boolean): string {
    const { list, size } = this;
    const input = list.input("ycbcr", [size, size, 3], 1);
    const { blockKernels = "frozen" } = this.definition;
    const trained = ({ learned: "freely", orthonormal: "orthonormal", frozen: "never" } as const)[blockKernels];
    const components = (["y", "cb", "cr"] as const).map((name, index) => {
      const plane = list.channel(name, input, index);
      const halved = halfChroma && index > 0 ? list.pool("average-pool", `pool_${name}`, plane, 2, 2) : plane;
      const settings = { kernel: 8, stride, padding: "valid", init: "dct", trained } as const;
      const blocks = list.conv(`conv_${name}`, halved, 64, settings);
      return halfChroma && index > 0 ? list.upsample(`${name}_upsample`, blocks) : blocks;
    });
    return list.concat("concat", components);
  }

  private patches(): string {
    const { list, definition } = this;
    const { width, heads, depth } = definition.transformer as NonNullable<NetworkDefinition["transformer"]>;
    const y = this.coefficients("y", 8);
    const whole = list.channelsOf(y) === 64;
    // Four blocks joined to one DCT of 16x16 need all their frequencies; of selected ones a trained layer makes as many
    // values.
    const joined = list.conv("join_y", y, 4 * list.channelsOf(y), {
      kernel: 2,
      stride: 2,
      padding: "valid",
      ...(whole ? { init: "join", trained: "never" } : {}),
    });
    const patch = list.batchNorm("bn_input", this.concat("concat", [joined, ...this.chroma()]));
    return transformer(list, patch, { width: this.residual.scaled(width), heads, depth });
  }
}

/** Luma alone replaces the concatenation: its last block gives all the channels that follow. */
function widenLast(blocks: readonly Block[], width: number): Block[] {
  return blocks.map((block, i) => (i === blocks.length - 1 ? { ...block, width } : block));
}
