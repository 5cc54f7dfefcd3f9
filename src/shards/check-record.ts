// What a record may contain: names that stay inside a folder, and the measures of an image that can exist. Readers of
// records ask here first, because a record may come from anybody and its checksums only prove that nothing changed
// since.
import type { ComponentGeometry } from "../native/index.js";
import { keyProblem } from "./key.js";
import type { ViewableSample } from "./record.js";

/** The most components of an image: luma, or luma and chroma. */
export const maxComponents = 3;
/** Pixels of a JPEG's side: it has 16 bits for it. */
const maxSide = 65_535;

/** The longest extension, in bytes of UTF-8. */
const maxExtensionBytes = 64;

/** Why key and extension together do not name a file inside a folder; undefined when they are. */
export function namesProblem(key: string, extension: string): string | undefined {
  const problem = keyProblem(key);
  if (problem !== undefined) return `its key ${problem}`;
  if (extension !== "" && !extension.startsWith(".")) return "its extension does not begin with a dot";
  if (/[/\\]/.test(extension)) return "its extension leads to another folder";
  if (Buffer.byteLength(extension) > maxExtensionBytes)
    return `its extension is longer than ${maxExtensionBytes} bytes`;
  const together = keyProblem(`x${extension}`);
  return together === undefined ? undefined : `its extension ${together}`;
}

/** Why a file at `path` cannot be a sample of this key and extension; undefined when it can. */
export function fileNameProblem(path: string, key: string, extension: string): string | undefined {
  // The path is the key and the extension; a key may be worse than both, as ".." is of "...jpg".
  const problem = keyProblem(path) ?? keyProblem(key);
  return problem === undefined ? namesProblem(key, extension) : `a name that ${problem}`;
}

/** Why no image can be so; undefined when one can. What the packed bytes hold is for their reader to check. */
export function imageProblem(image: Omit<ViewableSample, "packed" | "crc32c">): string | undefined {
  const { label, width, height, components } = image;
  if (label < 0) return `its label is ${label}`;
  if (width < 1 || height < 1 || width > maxSide || height > maxSide) return `its size is ${width} x ${height} pixels`;
  if (components.length !== 1 && components.length !== maxComponents)
    return `it has ${components.length} components, expected 1 or ${maxComponents}`;
  const factors = components.flatMap(({ h, v }) => [h, v]);
  if (factors.some((factor) => factor < 1 || factor > 4)) return `its sampling factors are ${factors.join(", ")}`;
  const largest = { h: Math.max(...components.map(({ h }) => h)), v: Math.max(...components.map(({ v }) => v)) };
  const fits = components.every(
    (component) =>
      sideFits(width, component.h, largest.h, component.blocksWide, component.storedWide) &&
      sideFits(height, component.v, largest.v, component.blocksHigh, component.storedHigh),
  );
  return fits
    ? undefined
    : `its grids (${components.map(gridText).join(", ")}) are not those of ${width} x ${height} pixels`;
}

/** Blocks of a side are as many as its pixels need, and stored up to whole MCUs. ITU-T T.81, A.2. */
function sideFits(pixels: number, factor: number, largest: number, blocks: number, stored: number): boolean {
  return blocks === Math.ceil((pixels * factor) / (8 * largest)) && stored === Math.ceil(blocks / factor) * factor;
}

function gridText({ blocksWide, blocksHigh, storedWide, storedHigh }: ComponentGeometry): string {
  return `${blocksWide} x ${blocksHigh} in ${storedWide} x ${storedHigh}`;
}
