// Batches of views: one call for all samples that a worker renders.
import { addon } from "./addon.js";
import { codecId } from "./codec.js";
import type { BatchFailure, BatchSample, MixedPair, PixelBox, ViewArray, ViewForm } from "./shapes.js";
import { formNumbers, writeAxis, writeBox, writeColor } from "./view.js";

const { sampleAt } = addon;
const sampleNumbers = sampleAt.numbers;
const noBox: PixelBox = { top: 0, left: 0, bottom: 0, right: 0 };

/** Samples of a batch, as the addon takes them: numbers in a row. Used again and again. */
export class BatchSamples {
  private numbers = new Float64Array(sampleNumbers * 32);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  add(sample: BatchSample): void {
    const at = this.length * sampleNumbers;
    if (at + sampleNumbers > this.numbers.length) {
      const grown = new Float64Array(2 * this.numbers.length);
      grown.set(this.numbers);
      this.numbers = grown;
    }
    const out = this.numbers;
    out[at + sampleAt.block] = sample.block;
    out[at + sampleAt.blockSample] = sample.blockSample;
    out[at + sampleAt.firstByte] = sample.firstByte;
    out[at + sampleAt.memory] = sample.memory;
    out[at + sampleAt.file] = sample.file;
    out[at + sampleAt.offset] = sample.offset;
    out[at + sampleAt.byteLength] = sample.byteLength;
    out[at + sampleAt.crc32c] = sample.crc32c;
    out[at + sampleAt.checked] = sample.checked ? 1 : 0;
    out[at + sampleAt.codec] = codecId(sample.codec);
    out[at + sampleAt.width] = sample.width;
    out[at + sampleAt.height] = sample.height;
    out[at + sampleAt.layouts] = sample.layouts;
    out[at + sampleAt.layout] = sample.layout;
    for (let i = 0; i < 6; i++) out[at + sampleAt.grids + i] = sample.grids[sample.gridAt + i] as number;
    out[at + sampleAt.place] = sample.place;
    writeAxis(out, at + sampleAt.x, sample.x);
    writeAxis(out, at + sampleAt.y, sample.y);
    writeColor(out, at + sampleAt.color, sample.color);
    writeBox(out, at + sampleAt.erase, sample.erase ?? noBox);
    this.length++;
  }

  get all(): Float64Array {
    return this.numbers.subarray(0, this.length * sampleNumbers);
  }
}

export interface RenderBatchOptions {
  readonly memory: readonly Uint8Array[];
  readonly layouts: readonly Uint8Array[];
  /** Open index blocks of the samples that are JPEG files. Default: none is. */
  readonly blocks?: readonly Uint8Array[] | undefined;
  readonly samples: BatchSamples;
  readonly form: ViewForm;
  /** Each of `views` views. */
  readonly out: readonly ViewArray[];
  readonly views: number;
  readonly pairs: readonly MixedPair[];
  /** Put a neighbour's view in the place of a sample that fails. */
  readonly replace: boolean;
  /**
   * Three sums, to which the nanoseconds are added that one sample of 32 took to be read, to be unpacked, and in all.
   */
  readonly times?: Float64Array | undefined;
}

/** Renders samples into the places of a batch and mixes pairs of them. Undefined: all went well. INVALID_ARGUMENT. */
export function renderBatch(options: RenderBatchOptions): BatchFailure[] | undefined {
  const { memory, layouts, blocks = [], samples, form, out, views, pairs, replace, times } = options;
  const { pairAt } = addon;
  const mixed = new Float64Array(pairs.length * pairAt.numbers);
  for (const [i, { a, b, mix }] of pairs.entries()) {
    const at = i * pairAt.numbers;
    mixed[at + pairAt.a] = a;
    mixed[at + pairAt.b] = b;
    mixed[at + pairAt.share] = "share" in mix ? mix.share : -1;
    if ("box" in mix) writeBox(mixed, at + pairAt.box, mix.box);
  }
  const numbers = formNumbers(form);
  const { tables, kept } = form;
  const all = samples.all;
  return addon.renderBatch(memory, layouts, blocks, all, numbers, tables, kept, out, views, mixed, replace, times);
}
