// An index of untouched JPEG files: what it notes of each, the blocks that it is made of, and the bytes of a file that
// a view needs. Views themselves are a batch's, beside those of packed records: renderBatch.
import { addon } from "./addon.js";
import { factNumbers } from "./jpeg.js";
import type { SeekFacts, ViewAxis, ViewForm } from "./shapes.js";
import { formNumbers, writeAxis } from "./view.js";

/** Samples of an index in memory, each found without the others. */
export type OpenSeekBlock = Uint8Array;

export interface SeekOptions {
  readonly maxPixels: number;
  /**
   * MCUs from one place that can be entered to the next; 0: one per MCU row. Default: 16 where a row has 24 MCUs and
   * more, otherwise 0.
   */
  readonly spacing?: number;
}

const spacingByWidth = -1;

/**
 * A file's block, or why it cannot be entered: it is to be kept as a record then, which also says whether it can be
 * read at all.
 */
export type SeekSample = { readonly block: OpenSeekBlock } | { readonly refused: string };

/**
 * Notes of a whole JPEG what is needed to decode parts of it. `facts`, of factNumbers, gets what readJpegFacts says of
 * the file, but for what concerns packed bytes. OUT_OF_MEMORY.
 */
export function buildSeekSample(
  jpeg: Uint8Array,
  { maxPixels, spacing = spacingByWidth }: SeekOptions,
  facts: Float64Array = new Float64Array(factNumbers),
): SeekSample {
  const made = addon.buildSeekSample(jpeg, maxPixels, spacing, facts);
  return typeof made === "string" ? { refused: made } : { block: made };
}

/**
 * The samples of open blocks as an index file holds them: compact, and with a checksum; at most maxBlockSamples.
 * `offsets` says where each file begins in what it lies in, in multiples of 512. CORRUPT_RECORD, INVALID_ARGUMENT.
 */
export function sealSeekBlock(parts: readonly OpenSeekBlock[], offsets: readonly number[]): Uint8Array<ArrayBuffer> {
  return addon.sealSeekBlock(parts, Float64Array.from(offsets));
}

/** Bytes in front of what a sealed block's checksum covers. */
export const sealedHeaderBytes = 12;

/** A sealed block's samples. CHECKSUM_MISMATCH, CORRUPT_RECORD. */
export function openSeekBlock(sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  return addon.openSeekBlock(sealed);
}

/** One sample of an open block, as buildSeekSample gives it: equal files give equal bytes. CORRUPT_RECORD. */
export function takeSeekSample(block: OpenSeekBlock, sample: number): OpenSeekBlock {
  return addon.takeSeekSample(block, sample);
}

/** The facts of all samples of a block, in order. CORRUPT_RECORD. */
export function readSeekFacts(block: OpenSeekBlock): SeekFacts[] {
  const numbers = addon.readSeekFacts(block);
  const at = addon.seekFactAt;
  return Array.from({ length: numbers.length / at.numbers }, (_, i) => {
    const fact = (name: keyof SeekFacts) => numbers[i * at.numbers + at[name]] as number;
    return {
      offset: fact("offset"),
      byteLength: fact("byteLength"),
      width: fact("width"),
      height: fact("height"),
      spacing: fact("spacing"),
      crc32c: fact("crc32c"),
      entries: fact("entries"),
    };
  });
}

const { numbers: axisNumbers } = addon.axisAt;
const axes = new Float64Array(2 * axisNumbers);
const range = new Float64Array(2);

/**
 * The bytes of a sample's file, [start, end), that a view of it needs: whole MCU rows. CORRUPT_RECORD,
 * INVALID_ARGUMENT.
 */
export function bytesOfView(
  block: OpenSeekBlock,
  sample: number,
  form: ViewForm,
  x: ViewAxis,
  y: ViewAxis,
): { readonly start: number; readonly end: number } {
  writeAxis(axes, 0, x);
  writeAxis(axes, axisNumbers, y);
  addon.bytesOfView(block, sample, formNumbers(form), axes, range);
  const [start, end] = range as unknown as [number, number];
  return { start, end };
}

/**
 * Whether every MCU row of a sample that lies wholly in `bytes`, those of its file from `firstByte` on, is what the
 * index was made of: what bytesOfView states is nothing but such rows. Parts of rows, and what is no row, are not
 * looked at. CORRUPT_RECORD, INVALID_ARGUMENT.
 */
export function checkSeekRows(block: OpenSeekBlock, sample: number, bytes: Uint8Array, firstByte: number): boolean {
  return addon.checkSeekRows(block, sample, bytes, firstByte);
}
