// A plain vision transformer: Dosovitskiy et al. 2021, with mean pooling instead of a class token (Beyer et al.,
// "Better plain ViT baselines", 2022), as RGB no more (Park and Johnson, CVPR 2023) feeds with coefficients.
import { invalidOption } from "../../errors.js";
import type { LayerList } from "./layer-list.js";

export interface TransformerOptions {
  readonly width: number;
  readonly heads: number;
  readonly depth: number;
}

/** Patches [h, w, c] -> normalised tokens [h w, width]. INVALID_OPTION when the heads do not divide the width. */
export function transformer(list: LayerList, patches: string, options: TransformerOptions): string {
  const { width, heads, depth } = options;
  if (width % heads !== 0) throw invalidOption("width", `a factor that makes ${heads} heads of equal width`, width);
  const embedded = list.conv("embed", patches, width, { kernel: 1, bias: true, init: "glorot-uniform" });
  let tokens = list.positions("positions", list.tokens("tokens", embedded));
  for (let block = 0; block < depth; block++) {
    const name = `block${block}`;
    const attended = list.attention(`${name}_attention`, list.pointwise("layer-norm", `${name}_norm1`, tokens), heads);
    tokens = list.add(`${name}_add1`, [tokens, list.dense(`${name}_projection`, attended, width)]);
    const hidden = list.dense(`${name}_hidden`, list.pointwise("layer-norm", `${name}_norm2`, tokens), 4 * width);
    const narrowed = list.dense(`${name}_out`, list.pointwise("gelu", `${name}_gelu`, hidden), width);
    tokens = list.add(`${name}_add2`, [tokens, narrowed]);
  }
  return list.pointwise("layer-norm", "norm", tokens);
}
