// The spans of a data set: samples that follow each other in one of the tars or folders that it was made of. What they
// are follows from those files alone, so that an epoch has one order however samples are stored: compressed or not, in
// however many shards and record batches.
import { invalidOption } from "../../errors.js";
import { type Manifest, samplesByOrigin } from "../manifest.js";
import { placeOf } from "../search.js";
import type { Selection } from "../selection.js";

/** What of a manifest decides the order: the image files' bytes, and how many samples came from each source. */
export interface PlanManifest extends Pick<Manifest, "inputBytes"> {
  readonly shards: readonly (Pick<Shard, "name" | "samples"> & Partial<Pick<Shard, "byteLength">>)[];
  readonly options?: Manifest["options"];
}

type Shard = Manifest["shards"][number];

/** A data set, or a part of one, in an epoch. */
export interface PlanSource {
  readonly manifest: PlanManifest;
  readonly selection?: Selection | undefined;
  /** How often its samples come in an epoch: 2 is twice, 0.5 a half of them, another half in every epoch. Default 1. */
  readonly repeat?: number | undefined;
}

/** Spans of a full group: enough that even a batch of 512 mixes 1,000 classes written one after another. */
const spansPerGroup = 4096;
/** Bytes of a span where all spans are in one group. */
const wholeSpanBytes = 4 << 20;
/** No image file is smaller: a manifest that claims so must not make one span of everything. */
const leastSampleBytes = 64;

/** Samples [first, first + length) of a source. */
export interface Span {
  readonly source: number;
  readonly first: number;
  readonly length: number;
}

/** The spans of a source: what each of its origins holds, cut into pieces of the same number of samples. */
export class SourceSpans {
  readonly count: number;
  readonly samples: number;
  /** Mean bytes of a sample's file. */
  readonly sampleBytes: number;
  /** How many samples of every span take part. */
  readonly selected: Uint32Array;
  private readonly spanSamples: number;
  /** First sample of every origin, and of the end; the same of spans. */
  private readonly originStarts: Float64Array;
  private readonly spanStarts: Float64Array;

  constructor({ manifest, selection }: PlanSource, spanBytes: number) {
    const origins = samplesByOrigin(manifest.shards);
    this.sampleBytes = sampleBytesOf(manifest);
    this.spanSamples = Math.max(1, Math.floor(spanBytes / this.sampleBytes));
    this.originStarts = new Float64Array(origins.length + 1);
    this.spanStarts = new Float64Array(origins.length + 1);
    for (const [i, samples] of origins.entries()) {
      this.originStarts[i + 1] = (this.originStarts[i] as number) + samples;
      this.spanStarts[i + 1] = (this.spanStarts[i] as number) + Math.ceil(samples / this.spanSamples);
    }
    const all = this.originStarts[origins.length] as number;
    if (selection !== undefined && selection.length !== all)
      throw invalidOption("selection", `one byte for each of ${all} samples`, selection.length);
    this.count = this.spanStarts[origins.length] as number;
    this.selected = this.countSelected(selection);
    this.samples = this.selected.reduce((sum, own) => sum + own, 0);
  }

  span(number: number): Omit<Span, "source"> {
    return this.spanIn(placeOf(this.spanStarts, number), number);
  }

  private spanIn(origin: number, number: number): Omit<Span, "source"> {
    const offset = (number - (this.spanStarts[origin] as number)) * this.spanSamples;
    const first = (this.originStarts[origin] as number) + offset;
    return { first, length: Math.min(this.spanSamples, (this.originStarts[origin + 1] as number) - first) };
  }

  private countSelected(selection: Selection | undefined): Uint32Array {
    const selected = new Uint32Array(this.count);
    for (let origin = 0, number = 0; number < this.count; origin++) {
      for (; number < (this.spanStarts[origin + 1] as number); number++) {
        const { first, length } = this.spanIn(origin, number);
        selected[number] = selection === undefined ? length : countOnes(selection, first, length);
      }
    }
    return selected;
  }
}

/** Samples of [first, first + length) that are selected. */
export function countOnes(selection: Selection, first: number, length: number): number {
  let ones = 0;
  for (let i = first; i < first + length; i++) ones += selection[i] as number;
  return ones;
}

const samplesOf = ({ shards }: PlanManifest) => shards.reduce((sum, { samples }) => sum + samples, 0);

function sampleBytesOf(manifest: PlanManifest): number {
  return Math.max(leastSampleBytes, fileBytes(manifest) / Math.max(1, samplesOf(manifest)));
}

/**
 * Bytes of the files that samples are copies of. Resized samples are far smaller than the files that they were made of,
 * and nothing else is made of the same: what is stored stands for them.
 */
function fileBytes({ inputBytes, options, shards }: PlanManifest): number {
  if (options?.resize === undefined || options.resize === null) return inputBytes;
  return shards.reduce((sum, { byteLength = 0 }) => sum + byteLength, 0);
}

/** Bytes of the files that an epoch's samples were made of, selections aside. */
export function plannedBytes(sources: readonly PlanSource[]): number {
  return sources.reduce(
    (sum, { manifest, repeat = 1 }) => sum + repeat * samplesOf(manifest) * sampleBytesOf(manifest),
    0,
  );
}

/** Bytes of a span: 256 KiB at the default; 4 MiB where one group holds everything. */
export function spanBytesFor(sources: readonly PlanSource[], shuffleBytes: number): number {
  // Samples of a single group are permuted whatever its spans are: long ones are read faster.
  return plannedBytes(sources) <= shuffleBytes ? wholeSpanBytes : shuffleBytes / spansPerGroup;
}
