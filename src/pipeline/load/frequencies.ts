// Which of a block's 64 frequencies a network is fed: learning in the frequency domain needs few of them (Xu et al.,
// CVPR 2020).
import { invalidOption } from "../../errors.js";
import type { Kind } from "../../options/kinds.js";

/**
 * Frequencies kept per component, as indices in natural (row by row) order; or how many of all 192, the lowest of each
 * component.
 */
export type Frequencies =
  | 24
  | 48
  | 64
  | { readonly y: readonly number[]; readonly cb: readonly number[]; readonly cr: readonly number[] };

const isLists = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (["y", "cb", "cr"] as const).every((name) => Array.isArray((value as Record<string, unknown>)[name]));

/** Selections of frequencies; keptFrequencies checks what lists contain. */
export const frequencySelections: Kind<Frequencies> = {
  expected: "24, 48, 64 or lists",
  accepts: (value) => isLists(value) || value === 24 || value === 48 || value === 64,
  parse: (text) => ({ 24: 24, 48: 48, 64: 64 })[text] as Frequencies | undefined,
  shape: "value",
  choices: ["24", "48", "64"],
};

/** How many of the lowest frequencies each preset keeps: Y, Cb and Cr. */
const presets = { 24: [14, 5, 5], 48: [32, 8, 8], 64: [44, 10, 10] } as const;

/** Indices in natural order of the n lowest frequencies, in zigzag order. */
function lowest(count: number): Uint8Array {
  const indices = Array.from({ length: 64 }, (_, index) => index);
  const diagonal = (index: number) => (index >> 3) + (index & 7);
  // Odd diagonals run downwards, even ones upwards: ITU-T T.81, figure 5.
  const along = (index: number) => (diagonal(index) % 2 === 1 ? index >> 3 : index & 7);
  indices.sort((a, b) => diagonal(a) - diagonal(b) || along(a) - along(b));
  return Uint8Array.from(indices.slice(0, count));
}

/** The kept frequencies of Y, Cb and Cr; undefined: all. INVALID_OPTION. */
export function keptFrequencies(
  frequencies: Frequencies | undefined,
): readonly [Uint8Array, Uint8Array, Uint8Array] | undefined {
  if (frequencies === undefined) return undefined;
  if (typeof frequencies === "number") {
    const counts = presets[frequencies];
    if (counts === undefined) throw invalidOption("frequencies", "24, 48, 64 or lists", frequencies);
    return [lowest(counts[0]), lowest(counts[1]), lowest(counts[2])];
  }
  const list = (name: "y" | "cb" | "cr") => {
    const indices = frequencies[name];
    const good = indices.length > 0 && indices.every((index) => Number.isInteger(index) && index >= 0 && index < 64);
    if (!good || new Set(indices).size !== indices.length)
      throw invalidOption("frequencies", `different indices from 0 to 63 for ${name}`, indices);
    return Uint8Array.from(indices);
  };
  return [list("y"), list("cb"), list("cr")];
}
