// Packed coefficients; docs/shards.md.
import { addon } from "./addon.js";
import { codecId } from "./codec.js";
import type { Codec } from "./codec-names.js";
import type { SimdLevel, StoredImage } from "./shapes.js";

/** Block rows per independently readable frame of a packed record. */
export const rowsPerFrame: number = addon.rowsPerFrame;

/** The stored grid of each component: [wide, high]. */
export function flatGrids(components: StoredImage["components"]): Uint32Array {
  return Uint32Array.from(components.flatMap(({ storedWide, storedHigh }) => [storedWide, storedHigh]));
}

/**
 * Packs quantised coefficients, all components one after another, each [storedHigh, storedWide, 64] in natural order.
 */
export function packCoefficients(
  coefficients: Int16Array,
  components: StoredImage["components"],
  codec: Codec,
): Uint8Array<ArrayBuffer> {
  return addon.pack(coefficients, flatGrids(components), codecId(codec));
}

/** The inverse of packCoefficients. CORRUPT_RECORD when the bytes do not fit the grids. */
export function unpackCoefficients(
  packed: Uint8Array,
  components: StoredImage["components"],
  codec: Codec,
  simd?: SimdLevel,
): Int16Array {
  return simd === undefined
    ? addon.unpack(packed, flatGrids(components), codecId(codec))
    : addon.unpack(packed, flatGrids(components), codecId(codec), simd);
}

/** A stored image's packed bytes as codec "none" has them. CORRUPT_RECORD. */
export function expandPacked(image: Pick<StoredImage, "components" | "packed" | "codec">): Uint8Array<ArrayBuffer> {
  return addon.expandPacked(image.packed, flatGrids(image.components), codecId(image.codec));
}
