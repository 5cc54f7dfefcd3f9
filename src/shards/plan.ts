// Which sample comes when. Pure: (manifest, seed, epoch) -> an order, the same on every machine, for every number of workers and however
// samples are read.
//
// Samples that lie side by side in a shard form runs of about 256 KiB, the unit of reading. The runs of all shards are permuted and taken in
// groups; inside a group single samples are permuted. A group holds thousands of runs, so that a data set written class by class is mixed as
// well as by a full permutation; and it bounds what a reader of runs must hold. A data set smaller than a group is permuted sample by sample.
import { invalidOption } from "../errors.js";
import type { Manifest } from "./manifest.js";
import { randomFor, shuffle } from "./random.js";
import { placeOf } from "./search.js";
import type { Selection } from "./selection.js";

/** A data set, or a part of one, in an epoch. */
export interface PlanSource {
  readonly manifest: Pick<Manifest, "shards">;
  readonly selection?: Selection | undefined;
  /** How often its samples come in an epoch: 2 is twice, 0.5 a half of them, another half in every epoch. Default 1. */
  readonly repeat?: number | undefined;
}

export interface PlanOptions {
  /** Whether samples are permuted; false is manifest order, for evaluation. Default true. */
  readonly shuffle?: boolean;
  /** Bytes of a group at most, as they are stored. Changes the order. Default 1 GiB. */
  readonly shuffleBytes?: number;
}

/** A place in an epoch's order. */
export interface PlannedSample {
  /** Which of the sources, and the sample's number in it: its place in the manifest's order. */
  readonly source: number;
  readonly sample: number;
  /** 0, or how often the sample came before in the epoch's passes over its source. */
  readonly pass: number;
}

/** Runs of a full group: enough that even a batch of 512 mixes 1,000 classes written one after another. */
const runsPerGroup = 4096;
export const defaultShuffleBytes = 1 << 30;
/** Bytes of a run where all runs are in one group. */
const wholeRunBytes = 4 << 20;

/** Samples [first, first + length) of a source, side by side in a shard. */
export interface Run {
  readonly source: number;
  readonly first: number;
  readonly length: number;
}

/** The runs of a source: every record batch cut into pieces of the same number of rows. */
class SourceRuns {
  readonly count: number;
  readonly samples: number;
  /** How many samples of every run take part, and their bytes. */
  readonly selected: Uint32Array;
  readonly bytes: Float32Array;
  /** First sample of every record batch, and of the end; the same of runs. */
  private readonly batchStarts: Float64Array;
  private readonly runStarts: Float64Array;

  constructor(
    { manifest, selection }: PlanSource,
    private readonly runRows: number,
  ) {
    const batches = manifest.shards.flatMap((shard) => shard.batches);
    this.batchStarts = new Float64Array(batches.length + 1);
    this.runStarts = new Float64Array(batches.length + 1);
    for (const [i, batch] of batches.entries()) {
      this.batchStarts[i + 1] = (this.batchStarts[i] as number) + batch.samples;
      this.runStarts[i + 1] = (this.runStarts[i] as number) + Math.ceil(batch.samples / runRows);
    }
    this.count = this.runStarts[batches.length] as number;
    const all = this.batchStarts[batches.length] as number;
    if (selection !== undefined && selection.length !== all)
      throw invalidOption("selection", `one byte for each of ${all} samples`, selection.length);
    this.selected = new Uint32Array(this.count);
    this.bytes = new Float32Array(this.count);
    let samples = 0;
    for (let i = 0, run = 0; i < batches.length; i++) {
      const { byteLength, samples: rows } = batches[i] as (typeof batches)[number];
      const start = this.batchStarts[i] as number;
      for (let first = 0; first < rows; first += runRows, run++) {
        const length = Math.min(runRows, rows - first);
        const own = selection === undefined ? length : countOnes(selection, start + first, length);
        this.selected[run] = own;
        this.bytes[run] = (own * byteLength) / rows;
        samples += own;
      }
    }
    this.samples = samples;
  }

  run(number: number): Omit<Run, "source"> {
    const batch = placeOf(this.runStarts, number);
    const offset = (number - (this.runStarts[batch] as number)) * this.runRows;
    const first = (this.batchStarts[batch] as number) + offset;
    return { first, length: Math.min(this.runRows, (this.batchStarts[batch + 1] as number) - first) };
  }
}

function countOnes(selection: Selection, first: number, length: number): number {
  let ones = 0;
  for (let i = first; i < first + length; i++) ones += selection[i] as number;
  return ones;
}

/** The order of one epoch. Groups are made when they are asked for, so that an epoch begins anywhere at once. */
export class EpochPlan implements Iterable<PlannedSample> {
  readonly length: number;
  /** Position of every group's first sample, and of the end. */
  readonly starts: readonly number[];
  private readonly groupRuns: readonly (readonly [number, number])[];
  private last: { readonly number: number; readonly order: GroupOrder } | undefined;

  constructor(
    private readonly sources: readonly PlanSource[],
    private readonly runs: readonly SourceRuns[],
    /** Items: runs of all passes, in their order. */
    private readonly items: RunItems,
    private readonly shuffled: boolean,
    private readonly key: readonly [seed: number, epoch: number],
    shuffleBytes: number,
  ) {
    const { starts, groupRuns } = cutIntoGroups(items, shuffleBytes);
    this.starts = starts;
    this.groupRuns = groupRuns;
    this.length = starts.at(-1) as number;
  }

  get groups(): number {
    return this.groupRuns.length;
  }

  /** The group of a position. */
  groupOf(position: number): number {
    return Math.min(placeOf(this.starts, position), this.groups - 1);
  }

  /** The samples of a group, in their order. The last one made is kept: whoever plans batches and whoever reads ahead ask for the same. */
  group(number: number): GroupOrder {
    if (this.last?.number !== number) this.last = { number, order: this.makeGroup(number) };
    return this.last.order;
  }

  private makeGroup(number: number): GroupOrder {
    const [from, to] = this.groupRuns[number] as readonly [number, number];
    const count = (this.starts[number + 1] as number) - (this.starts[number] as number);
    const order = new GroupOrder(this.starts[number] as number, count);
    for (let i = from; i < to; i++) this.addRun(order, i);
    if (this.shuffled) order.shuffle(randomFor(this.key[0], "sample-order", this.key[1], number));
    return order;
  }

  /** A run by the number that GroupOrder.at gives. */
  run(number: number): Run {
    const { source, number: own } = this.items.at(number);
    return { source, ...(this.runs[source] as SourceRuns).run(own) };
  }

  *[Symbol.iterator](): Iterator<PlannedSample> {
    for (let number = 0; number < this.groups; number++) {
      const order = this.group(number);
      for (let i = 0; i < order.length; i++) yield order.at(i);
    }
  }

  private addRun(order: GroupOrder, item: number): void {
    const { source, pass, number, limit } = this.items.at(item);
    const { first, length } = (this.runs[source] as SourceRuns).run(number);
    const selection = this.sources[source]?.selection;
    let taken = 0;
    for (let sample = first; sample < first + length && taken < limit; sample++) {
      if (selection !== undefined && selection[sample] === 0) continue;
      order.add(source, sample, pass, item);
      taken++;
    }
  }
}

/** The samples of a group: source, sample and pass of each, and which run it is read with. */
export class GroupOrder {
  length = 0;
  private readonly sources: Uint16Array;
  private readonly samples: Uint32Array;
  private readonly passes: Uint16Array;
  private readonly runs: Uint32Array;
  private readonly order: Uint32Array;

  constructor(
    /** Position of its first sample in the epoch. */
    readonly start: number,
    capacity: number,
  ) {
    this.sources = new Uint16Array(capacity);
    this.samples = new Uint32Array(capacity);
    this.passes = new Uint16Array(capacity);
    this.runs = new Uint32Array(capacity);
    this.order = new Uint32Array(capacity);
  }

  add(source: number, sample: number, pass: number, run: number): void {
    this.sources[this.length] = source;
    this.samples[this.length] = sample;
    this.passes[this.length] = pass;
    this.runs[this.length] = run;
    this.order[this.length] = this.length;
    this.length++;
  }

  shuffle(random: Parameters<typeof shuffle>[1]): void {
    shuffle(this.order, random);
  }

  at(i: number): PlannedSample & { readonly run: number } {
    const place = this.order[i] as number;
    return {
      source: this.sources[place] as number,
      sample: this.samples[place] as number,
      pass: this.passes[place] as number,
      run: this.runs[place] as number,
    };
  }
}

interface RunItem {
  readonly source: number;
  readonly pass: number;
  readonly number: number;
  /** Samples of the run that come, at most: the last run of a partial pass is cut. */
  readonly limit: number;
}

/** One pass over a source, or a part of one: some of its runs, of the last of which only `cut` samples come. */
interface Pass {
  readonly source: number;
  readonly pass: number;
  readonly runs: Uint32Array | undefined;
  readonly cut: number;
  readonly first: number;
  readonly count: number;
}

/** The runs of all passes over all sources, in the order they come. There may be millions: they are numbers, not objects. */
class RunItems {
  private readonly passes: Pass[] = [];
  private readonly firsts: number[] = [];
  private order: Uint32Array | undefined;
  length = 0;

  constructor(private readonly runs: readonly SourceRuns[]) {}

  /** `chosen`: a part of the source's runs; undefined: all. */
  addPass(source: number, pass: number, chosen?: { readonly runs: Uint32Array; readonly cut: number }): void {
    const count = chosen?.runs.length ?? (this.runs[source] as SourceRuns).count;
    this.firsts.push(this.length);
    const first = this.length;
    this.passes.push({ source, pass, runs: chosen?.runs, cut: chosen?.cut ?? Infinity, first, count });
    this.length += count;
  }

  shuffle(random: Parameters<typeof shuffle>[1]): void {
    const order = new Uint32Array(this.length);
    for (let i = 0; i < order.length; i++) order[i] = i;
    this.order = shuffle(order, random);
  }

  at(i: number): RunItem {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    return {
      source: pass.source,
      pass: pass.pass,
      number: runOf(pass, item),
      limit: limitOf(pass, item),
    };
  }

  /** Samples of the i-th run that come. */
  samplesAt(i: number): number {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    const { selected } = this.runs[pass.source] as SourceRuns;
    return Math.min(selected[runOf(pass, item)] as number, limitOf(pass, item));
  }

  bytesAt(i: number): number {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    return (this.runs[pass.source] as SourceRuns).bytes[runOf(pass, item)] as number;
  }

  private itemAt(i: number): number {
    return this.order === undefined ? i : (this.order[i] as number);
  }

  private passAt(item: number): Pass {
    return this.passes[this.passes.length === 1 ? 0 : placeOf(this.firsts, item)] as Pass;
  }
}

/** The number, in its source, of the run that an item of a pass is. */
function runOf({ runs, first }: Pass, item: number): number {
  return runs === undefined ? item - first : (runs[item - first] as number);
}

function limitOf({ runs, cut, first, count }: Pass, item: number): number {
  return runs !== undefined && item - first === count - 1 ? cut : Infinity;
}

/** Groups of equal bytes, as few as the bound allows. */
function cutIntoGroups(items: RunItems, shuffleBytes: number) {
  let total = 0;
  for (let i = 0; i < items.length; i++) total += items.bytesAt(i);
  const target = (total / Math.max(1, Math.ceil(total / shuffleBytes))) * (1 + 1e-6);
  const starts = [0];
  const groupRuns: (readonly [number, number])[] = [];
  let from = 0;
  let bytes = 0;
  let samples = 0;
  for (let i = 0; i < items.length; i++) {
    const size = items.bytesAt(i);
    if (samples > (starts.at(-1) as number) && bytes + size > target) {
      groupRuns.push([from, i]);
      starts.push(samples);
      from = i;
      bytes = 0;
    }
    bytes += size;
    samples += items.samplesAt(i);
  }
  if (samples > (starts.at(-1) as number)) {
    groupRuns.push([from, items.length]);
    starts.push(samples);
  }
  return { starts, groupRuns };
}

/** Rows per run: as many as make 256 KiB, at the default, of the sources' mean sample; 4 MiB where one group holds everything. */
function runRowsFor(sources: readonly PlanSource[], shuffleBytes: number): number {
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
  // Samples of a single group are permuted whatever its runs are: long ones are read faster.
  const runBytes = planned <= shuffleBytes ? wholeRunBytes : shuffleBytes / runsPerGroup;
  return Math.max(1, Math.floor(runBytes / (bytes / Math.max(1, samples))));
}

/**
 * The order of an epoch over one manifest or several: every selected sample once, or as often as its source is repeated.
 * Pure: the same arguments give the same order on every machine, and nothing is read.
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
  sources: Pick<Manifest, "shards"> | readonly PlanSource[],
  seed: number,
  epoch: number,
  options: PlanOptions = {},
): EpochPlan {
  const { shuffle: shuffled = true, shuffleBytes = defaultShuffleBytes } = options;
  if (!(shuffleBytes > 0)) throw invalidOption("shuffle-bytes", "more than 0 bytes", shuffleBytes);
  const list: readonly PlanSource[] = "shards" in sources ? [{ manifest: sources }] : sources;
  const rows = runRowsFor(list, shuffleBytes);
  const runs = list.map((source) => new SourceRuns(source, rows));
  const items = new RunItems(runs);
  for (const [i, { repeat = 1 }] of list.entries()) {
    if (!(repeat >= 0 && repeat <= 1000)) throw invalidOption("repeat", "a number from 0 to 1000", repeat);
    const whole = Math.floor(repeat);
    for (let pass = 0; pass < whole; pass++) items.addPass(i, pass);
    const rest = Math.round((repeat - whole) * (runs[i] as SourceRuns).samples);
    if (rest > 0) items.addPass(i, whole, choosePart(runs[i] as SourceRuns, rest, [seed, epoch, i], shuffled));
  }
  if (shuffled) items.shuffle(randomFor(seed, "run-order", epoch));
  const plan = new EpochPlan(list, runs, items, shuffled, [seed, epoch], shuffleBytes);
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

/** Runs with `wanted` samples together, others in every epoch. */
function choosePart(
  runs: SourceRuns,
  wanted: number,
  [seed, epoch, source]: readonly [number, number, number],
  shuffled: boolean,
): { readonly runs: Uint32Array; readonly cut: number } {
  const order = shuffle(
    Uint32Array.from({ length: runs.count }, (_, i) => i),
    randomFor(seed, "partial-pass", shuffled ? epoch : 0, source),
  );
  let samples = 0;
  let count = 0;
  let cut = 0;
  while (samples < wanted) {
    const own = runs.selected[order[count++] as number] as number;
    cut = Math.min(own, wanted - samples);
    samples += cut;
  }
  return { runs: order.slice(0, count), cut };
}

/** Repeats that give every source its weight's share of an epoch of `samples` samples; default: as many as the sources have together. */
export function repeatsForWeights(
  sources: readonly { readonly samples: number; readonly weight: number }[],
  samples = sources.reduce((sum, source) => sum + source.samples, 0),
): number[] {
  const total = sources.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0) || sources.some(({ weight }) => !(weight >= 0)))
    throw invalidOption("weight", "weights of 0 or more, not all 0", sources.map(({ weight }) => weight).join(", "));
  return sources.map((source) => (samples * source.weight) / total / Math.max(1, source.samples));
}
