// The spans of a source: samples that lie side by side in a shard, the unit of reading.
import { invalidOption } from "../../errors.js";
import type { Manifest } from "../manifest.js";
import { placeOf } from "../search.js";
import type { Selection } from "../selection.js";

/** A data set, or a part of one, in an epoch. */
export interface PlanSource {
  readonly manifest: Pick<Manifest, "shards">;
  readonly selection?: Selection | undefined;
  /** How often its samples come in an epoch: 2 is twice, 0.5 a half of them, another half in every epoch. Default 1. */
  readonly repeat?: number | undefined;
}

/** Spans of a full group: enough that even a batch of 512 mixes 1,000 classes written one after another. */
const spansPerGroup = 4096;
/** Bytes of a span where all spans are in one group. */
const wholeSpanBytes = 4 << 20;

/** Samples [first, first + length) of a source, side by side in a shard. */
export interface Span {
  readonly source: number;
  readonly first: number;
  readonly length: number;
}

/** The spans of a source: every record batch cut into pieces of the same number of rows. */
export class SourceSpans {
  readonly count: number;
  readonly samples: number;
  /** How many samples of every span take part, and their bytes. */
  readonly selected: Uint32Array;
  readonly bytes: Float32Array;
  /** First sample of every record batch, and of the end; the same of spans. */
  private readonly batchStarts: Float64Array;
  private readonly spanStarts: Float64Array;

  constructor(
    { manifest, selection }: PlanSource,
    private readonly spanRows: number,
  ) {
    const batches = manifest.shards.flatMap((shard) => shard.batches);
    this.batchStarts = new Float64Array(batches.length + 1);
    this.spanStarts = new Float64Array(batches.length + 1);
    for (const [i, batch] of batches.entries()) {
      this.batchStarts[i + 1] = (this.batchStarts[i] as number) + batch.samples;
      this.spanStarts[i + 1] = (this.spanStarts[i] as number) + Math.ceil(batch.samples / spanRows);
    }
    this.count = this.spanStarts[batches.length] as number;
    const all = this.batchStarts[batches.length] as number;
    if (selection !== undefined && selection.length !== all)
      throw invalidOption("selection", `one byte for each of ${all} samples`, selection.length);
    this.selected = new Uint32Array(this.count);
    this.bytes = new Float32Array(this.count);
    let samples = 0;
    for (let i = 0, span = 0; i < batches.length; i++) {
      const { byteLength, samples: rows } = batches[i] as (typeof batches)[number];
      const start = this.batchStarts[i] as number;
      for (let first = 0; first < rows; first += spanRows, span++) {
        const length = Math.min(spanRows, rows - first);
        const own = selection === undefined ? length : countOnes(selection, start + first, length);
        this.selected[span] = own;
        this.bytes[span] = (own * byteLength) / rows;
        samples += own;
      }
    }
    this.samples = samples;
  }

  span(number: number): Omit<Span, "source"> {
    const batch = placeOf(this.spanStarts, number);
    const offset = (number - (this.spanStarts[batch] as number)) * this.spanRows;
    const first = (this.batchStarts[batch] as number) + offset;
    return { first, length: Math.min(this.spanRows, (this.batchStarts[batch + 1] as number) - first) };
  }
}

/** Samples of [first, first + length) that are selected. */
export function countOnes(selection: Selection, first: number, length: number): number {
  let ones = 0;
  for (let i = first; i < first + length; i++) ones += selection[i] as number;
  return ones;
}

/**
 * Rows per span: as many as make 256 KiB, at the default, of the sources' mean sample; 4 MiB where one group holds
 * everything.
 */
export function spanRowsFor(sources: readonly PlanSource[], shuffleBytes: number): number {
  let [bytes, samples, planned] = [0, 0, 0];
  for (const { manifest, repeat = 1 } of sources) {
    for (const shard of manifest.shards) {
      for (const batch of shard.batches) {
        bytes += batch.byteLength;
        samples += batch.samples;
        planned += repeat * batch.byteLength;
      }
    }
  }
  // Samples of a single group are permuted whatever its spans are: long ones are read faster.
  const spanBytes = planned <= shuffleBytes ? wholeSpanBytes : shuffleBytes / spansPerGroup;
  return Math.max(1, Math.floor(spanBytes / (bytes / Math.max(1, samples))));
}
