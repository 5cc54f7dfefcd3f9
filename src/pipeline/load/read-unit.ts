// What of the samples far away is read together: where each sample is in the bytes, and whether they are what they
// were.
import { checkSeekRows, crc32c } from "../../native/index.js";
import type { Dataset } from "../../shards/dataset.js";
import type { StoredBytes } from "../../shards/extents.js";
import { hex } from "../../shards/record-view.js";

/** Samples side by side in one extent, that are read together. */
export interface ReadUnit {
  readonly source: number;
  readonly first: number;
  readonly count: number;
  readonly stored: StoredBytes;
  readonly bytes: number;
  /** Of a part of one file, the place in it where the part begins; otherwise 0. */
  readonly firstByte: number;
}

export interface Location {
  readonly offset: number;
  readonly byteLength: number;
}

export function lengthsOf(unit: ReadUnit, { index }: Dataset): number[] {
  return Array.from({ length: unit.count }, (_, i) => index.byteLength[unit.first + i] as number);
}

/** Where each sample is in the unit's bytes; of a part of a file all of them are the sample's. */
export function locationsOf(
  { first, count, stored, bytes, firstByte }: ReadUnit,
  { offsets, byteLengths }: Dataset,
): Location[] {
  if (firstByte > 0 || bytes < (byteLengths[first] as number)) return [{ offset: 0, byteLength: bytes }];
  return Array.from({ length: count }, (_, i) => ({
    offset: (offsets[first + i] as number) - stored.range.start,
    byteLength: byteLengths[first + i] as number,
  }));
}

/** The first sample whose bytes are not what they were, and what is wrong with them. */
export function firstDamaged(unit: ReadUnit, dataset: Dataset, bytes: Uint8Array) {
  for (const [i, { offset, byteLength }] of locationsOf(unit, dataset).entries()) {
    const sample = unit.first + i;
    const problem = problemOf(dataset, sample, bytes.subarray(offset, offset + byteLength), unit.firstByte);
    if (problem !== undefined) return { sample, problem };
  }
  return undefined;
}

function rowProblem(block: Uint8Array, inBlock: number, bytes: Uint8Array, firstByte: number): string | undefined {
  try {
    const intact = checkSeekRows(block, inBlock, bytes, firstByte);
    return intact ? undefined : "rows of its MCUs are not what was indexed";
  } catch (error) {
    return (error as Error).message;
  }
}

/** `bytes`: of a record its coefficients, of a file those from `firstByte` on. */
function problemOf({ index, files }: Dataset, sample: number, bytes: Uint8Array, firstByte: number) {
  const block = files?.blocks[files.block[sample] as number];
  if (block !== undefined && files !== undefined)
    return rowProblem(block, files.blockSample[sample] as number, bytes, firstByte);
  const [found, expected] = [crc32c(bytes), index.crc32c[sample] as number];
  return found === expected ? undefined : `coefficients have crc32c ${hex(found)}, expected ${hex(expected)}`;
}
