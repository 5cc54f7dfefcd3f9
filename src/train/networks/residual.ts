// Residual stages -> layers. Names are the paper's (res2a_branch2a, ...), so that lists can be compared.
import type { LayerList } from "./layer-list.js";
import type { Block } from "./stages.js";

export interface ResidualOptions {
  readonly style: "v1" | "modern";
  /** Channels of the network for the paper's number of channels. */
  readonly scaled: (channels: number) => number;
}

export function residualBlocks(
  list: LayerList,
  from: string,
  blocks: readonly Block[],
  options: ResidualOptions,
): string {
  return blocks.reduce((features, block) => residualBlock(list, features, block, options), from);
}

/** Convolution, batch normalisation and, if asked, ReLU. */
export function convUnit(
  list: LayerList,
  name: string,
  from: string,
  filters: number,
  settings: Parameters<LayerList["conv"]>[3] & { readonly relu?: boolean; readonly endsBranch?: boolean },
): string {
  const { relu = true, endsBranch = false, ...conv } = settings;
  const normalized = list.batchNorm(`bn_${name}`, list.conv(name, from, filters, conv), endsBranch);
  return relu ? list.pointwise("relu", `${name}_relu`, normalized) : normalized;
}

/**
 * 1x1, kxk, 1x1 and the shortcut. v1 has the stride on the first 1x1, modern networks on the kxk, where it skips
 * nothing.
 */
function residualBlock(list: LayerList, from: string, block: Block, { style, scaled }: ResidualOptions): string {
  const { name, kernel, stride } = block;
  const prefix = `res${name}_branch`;
  const bottleneck = scaled(block.bottleneck);
  // An identity block keeps its input's width, also where rounding a scaled concatenation made it another.
  const filters = block.kind === "projection" ? scaled(block.width) : list.channelsOf(from);
  const [firstStride, middleStride] = style === "v1" ? [stride, 1] : [1, stride];
  const first = convUnit(list, `${prefix}2a`, from, bottleneck, { kernel: 1, stride: firstStride });
  const middle = convUnit(list, `${prefix}2b`, first, bottleneck, { kernel, stride: middleStride });
  const last = convUnit(list, `${prefix}2c`, middle, filters, { kernel: 1, relu: false, endsBranch: true });
  const shortcut = block.kind === "identity" ? from : projection(list, prefix, from, filters, stride, style);
  return list.pointwise("relu", `res${name}_relu`, list.add(`res${name}`, [last, shortcut]));
}

function projection(
  list: LayerList,
  prefix: string,
  from: string,
  filters: number,
  stride: number,
  style: "v1" | "modern",
): string {
  if (style === "v1" || stride === 1)
    return convUnit(list, `${prefix}1`, from, filters, { kernel: 1, stride, relu: false });
  const pooled = list.pool("average-pool", `${prefix}1_pool`, from, stride, stride);
  return convUnit(list, `${prefix}1`, pooled, filters, { kernel: 1, relu: false });
}
