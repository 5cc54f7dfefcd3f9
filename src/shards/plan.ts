// Which sample comes when. Pure: (manifest, seed, epoch) -> an order, the same on every machine, for every number of
// workers and however samples are read and stored.
//
// Samples that follow each other in a tar or folder form spans of about 256 KiB of image files. All spans are permuted
// and taken in groups; inside a group single samples are permuted. A group holds thousands of spans, so that a data set
// written class by class is mixed as well as by a full permutation; and it bounds what a reader of spans must hold. A
// data set smaller than a group is permuted sample by sample.
import { invalidOption } from "../errors.js";
import { cutIntoGroups, GroupOrder, type PlannedSample } from "./plan/groups.js";
import { choosePart, SpanItems } from "./plan/passes.js";
import { countOnes, type PlanManifest, type PlanSource, SourceSpans, type Span, spanBytesFor } from "./plan/spans.js";
import { randomFor } from "./random.js";
import { placeOf } from "./search.js";

export interface PlanOptions {
  /** Whether samples are permuted; false is manifest order, for evaluation. Default true. */
  readonly shuffle?: boolean;
  /** Bytes of a group at most, of the image files that its samples were made of. Changes the order. Default 1 GiB. */
  readonly shuffleBytes?: number;
}

export const defaultShuffleBytes = 1 << 30;

/** The order of one epoch. Groups are made when they are asked for, so that an epoch begins anywhere at once. */
export class EpochPlan implements Iterable<PlannedSample> {
  readonly length: number;
  /** Position of every group's first sample, and of the end. */
  readonly starts: readonly number[];
  private readonly groupSpans: readonly (readonly [number, number])[];
  private last: { readonly number: number; readonly order: GroupOrder } | undefined;

  constructor(
    private readonly sources: readonly PlanSource[],
    private readonly spans: readonly SourceSpans[],
    /** Items: spans of all passes, in their order. */
    private readonly items: SpanItems,
    private readonly shuffled: boolean,
    private readonly key: readonly [seed: number, epoch: number],
    shuffleBytes: number,
  ) {
    const { starts, groupSpans } = cutIntoGroups(items, shuffleBytes);
    this.starts = starts;
    this.groupSpans = groupSpans;
    this.length = starts.at(-1) as number;
  }

  get groups(): number {
    return this.groupSpans.length;
  }

  /** The group of a position. */
  groupOf(position: number): number {
    return Math.min(placeOf(this.starts, position), this.groups - 1);
  }

  /**
   * The samples of a group, in their order. The last one made is kept: what plans batches and what reads ahead
   * ask for the same.
   */
  group(number: number): GroupOrder {
    if (this.last?.number !== number) this.last = { number, order: this.makeGroup(number) };
    return this.last.order;
  }

  private makeGroup(number: number): GroupOrder {
    const [from, to] = this.groupSpans[number] as readonly [number, number];
    const count = (this.starts[number + 1] as number) - (this.starts[number] as number);
    const order = new GroupOrder(this.starts[number] as number, count);
    for (let i = from; i < to; i++) this.addSpan(order, i);
    if (this.shuffled) order.shuffle(randomFor(this.key[0], "sample-order", this.key[1], number));
    return order;
  }

  /** A span by the number that GroupOrder.at gives. */
  span(number: number): Span {
    const { source, number: own } = this.items.at(number);
    return { source, ...(this.spans[source] as SourceSpans).span(own) };
  }

  *[Symbol.iterator](): Iterator<PlannedSample> {
    for (let number = 0; number < this.groups; number++) {
      const order = this.group(number);
      for (let i = 0; i < order.length; i++) yield order.at(i);
    }
  }

  private addSpan(order: GroupOrder, item: number): void {
    const { source, pass, number, limit } = this.items.at(item);
    const { first, length } = (this.spans[source] as SourceSpans).span(number);
    const selection = this.sources[source]?.selection;
    let taken = 0;
    for (let sample = first; sample < first + length && taken < limit; sample++) {
      if (selection !== undefined && selection[sample] === 0) continue;
      order.add(source, sample, pass, item);
      taken++;
    }
  }
}

/**
 * The order of an epoch over one manifest or several: every selected sample once, or as often as its source is
 * repeated. Pure: the same arguments give the same order on every machine, and nothing is read. How samples are
 * stored does not matter: data sets of the same sources have the same order in compressed shards, in uncompressed ones,
 * and in shards of another size.
 *
 * Errors: INVALID_OPTION for a repeat below 0, a selection of another length, and when nothing is left.
 *
 * @example
 * ```ts
 * import { planEpoch, readManifest } from "dctstream";
 *
 * const plan = planEpoch(await readManifest("shards/train"), 1, 0); // seed 1, epoch 0
 * for (const { source, sample } of plan) console.log(source, sample);
 * ```
 */
export function planEpoch(
  sources: PlanManifest | readonly PlanSource[],
  seed: number,
  epoch: number,
  options: PlanOptions = {},
): EpochPlan {
  const { shuffle: shuffled = true, shuffleBytes = defaultShuffleBytes } = options;
  if (!(shuffleBytes > 0)) throw invalidOption("shuffleBytes", "more than 0 bytes", shuffleBytes);
  const list: readonly PlanSource[] = "shards" in sources ? [{ manifest: sources }] : sources;
  const spanBytes = spanBytesFor(list, shuffleBytes);
  const spans = list.map((source) => new SourceSpans(source, spanBytes));
  const items = new SpanItems(spans);
  for (const [i, { repeat = 1 }] of list.entries()) {
    if (!(repeat >= 0 && repeat <= 1000)) throw invalidOption("repeat", "a number from 0 to 1000", repeat);
    const whole = Math.floor(repeat);
    for (let pass = 0; pass < whole; pass++) items.addPass(i, pass);
    const rest = Math.round((repeat - whole) * (spans[i] as SourceSpans).samples);
    if (rest > 0) items.addPass(i, whole, choosePart(spans[i] as SourceSpans, rest, [seed, epoch, i], shuffled));
  }
  // The name of the stream is part of every epoch's order, and older than the word span.
  if (shuffled) items.shuffle(randomFor(seed, "run-order", epoch));
  const plan = new EpochPlan(list, spans, items, shuffled, [seed, epoch], shuffleBytes);
  if (plan.length === 0) throw invalidOption("manifest", "at least one sample", "none");
  return plan;
}

/** Samples of an epoch over these sources, without planning it. */
export function epochLength(sources: readonly PlanSource[]): number {
  return sources.reduce((total, { manifest, selection, repeat = 1 }) => {
    const samples =
      selection === undefined
        ? manifest.shards.reduce((sum, shard) => sum + shard.samples, 0)
        : countOnes(selection, 0, selection.length);
    return total + Math.floor(repeat) * samples + Math.round((repeat - Math.floor(repeat)) * samples);
  }, 0);
}

/**
 * Repeats that give every source its weight's share of an epoch of `samples` samples; default: as many as the sources
 * have together.
 */
export function repeatsForWeights(
  sources: readonly { readonly samples: number; readonly weight: number }[],
  samples = sources.reduce((sum, source) => sum + source.samples, 0),
): number[] {
  const total = sources.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0) || sources.some(({ weight }) => !(weight >= 0)))
    throw invalidOption("weight", "weights of 0 or more, not all 0", sources.map(({ weight }) => weight).join(", "));
  return sources.map((source) => (samples * source.weight) / total / Math.max(1, source.samples));
}
