// The groups of an epoch: where they begin, and the samples of each in their order.
import { shuffle } from "../random.js";
import type { SpanItems } from "./passes.js";

/** A place in an epoch's order. */
export interface PlannedSample {
  /** Which of the sources, and the sample's number in it: its place in the manifest's order. */
  readonly source: number;
  readonly sample: number;
  /** 0, or how often the sample came before in the epoch's passes over its source. */
  readonly pass: number;
}

/** The samples of a group: source, sample and pass of each, and which span it is read with. */
export class GroupOrder {
  length = 0;
  private readonly sources: Uint16Array;
  private readonly samples: Uint32Array;
  private readonly passes: Uint16Array;
  private readonly spans: Uint32Array;
  private readonly order: Uint32Array;

  constructor(
    /** Position of its first sample in the epoch. */
    readonly start: number,
    capacity: number,
  ) {
    this.sources = new Uint16Array(capacity);
    this.samples = new Uint32Array(capacity);
    this.passes = new Uint16Array(capacity);
    this.spans = new Uint32Array(capacity);
    this.order = new Uint32Array(capacity);
  }

  add(source: number, sample: number, pass: number, span: number): void {
    this.sources[this.length] = source;
    this.samples[this.length] = sample;
    this.passes[this.length] = pass;
    this.spans[this.length] = span;
    this.order[this.length] = this.length;
    this.length++;
  }

  shuffle(random: Parameters<typeof shuffle>[1]): void {
    shuffle(this.order, random);
  }

  at(i: number): PlannedSample & { readonly span: number } {
    const place = this.order[i] as number;
    return {
      source: this.sources[place] as number,
      sample: this.samples[place] as number,
      pass: this.passes[place] as number,
      span: this.spans[place] as number,
    };
  }
}

/** Groups of equal bytes, as few as the bound allows. */
export function cutIntoGroups(items: SpanItems, shuffleBytes: number) {
  let total = 0;
  for (let i = 0; i < items.length; i++) total += items.bytesAt(i);
  const target = (total / Math.max(1, Math.ceil(total / shuffleBytes))) * (1 + 1e-6);
  const starts = [0];
  const groupSpans: (readonly [number, number])[] = [];
  let from = 0;
  let bytes = 0;
  let samples = 0;
  for (let i = 0; i < items.length; i++) {
    const size = items.bytesAt(i);
    if (samples > (starts.at(-1) as number) && bytes + size > target) {
      groupSpans.push([from, i]);
      starts.push(samples);
      from = i;
      bytes = 0;
    }
    bytes += size;
    samples += items.samplesAt(i);
  }
  if (samples > (starts.at(-1) as number)) {
    groupSpans.push([from, items.length]);
    starts.push(samples);
  }
  return { starts, groupSpans };
}
