// The bytes of samples that live far away, ahead of their use: a range read for each part of a span that lies side by
// side, or for each sample where that would be held for too few of them; from the disk cache where that has them.
// Everything is checked when it arrives, and read again when it is wrong.
import { setMaxListeners } from "node:events";
import { ToolkitError } from "../../errors.js";
import { type Codec, plainCodec } from "../../native/index.js";
import { checkIsThere, maxReads, readChecked } from "../../shards/checked-read.js";
import type { Dataset } from "../../shards/dataset.js";
import { expandedLocations, joinExpanded } from "../../shards/expanded.js";
import { Extents } from "../../shards/extents.js";
import type { EpochPlan } from "../../shards/plan.js";
import { isInSource } from "../../shards/source-files.js";
import { at } from "../../storage/at.js";
import type { DiskCache } from "../../storage/disk/cache.js";
import type { ByteRange } from "../../storage/object-store.js";
import type { SharedBuffers } from "../shared-buffers.js";
import type { StageClock } from "../stage-clock.js";
import { type BatchPlan, type BatchShape, planBatches, visitOwn } from "./batch-plan.js";
import { firstDamaged, type Location, lengthsOf, locationsOf, type ReadUnit } from "./read-unit.js";
import type { ExpandAnswer, ExpandTask, SamplesInMemory } from "./view-task.js";

/** Range reads under way at a time: many where they are small, because each takes a round trip. */
export const maxReadsInFlight = 256;
const maxBytesInFlight = 128 << 20;
/** What a span has in an extent is read whole when at least this share of its bytes is wanted. */
const wholeShare = 0.5;
/** Files that stayed in their sources are read in parts, one by one, where they are larger than this on average. */
const largeFileBytes = 32 << 10;

export interface SpanReaderOptions {
  readonly datasets: readonly Dataset[];
  readonly plan: EpochPlan;
  readonly shape: BatchShape;
  readonly fromStep: number;
  /** Bytes in memory at most, but for what the batch in hand needs. */
  readonly prefetchBytes: number;
  readonly buffers: SharedBuffers;
  readonly cache: DiskCache | undefined;
  /** Brings samples into their expanded form before they are cached; undefined: they are cached as they are stored. */
  readonly expand: ((task: ExpandTask) => Promise<ExpandAnswer>) | undefined;
  /** The bytes that the view of a sample needs of its file, which stayed in its source. Default: all. */
  readonly bytesOfView?: (source: number, sample: number, pass: number) => ByteRange;
  /** Hand bytes that stay wrong on, marked, instead of ending with an error. */
  readonly keepDamaged: boolean;
  /** Gets every read. */
  readonly clock?: StageClock | undefined;
  readonly signal: AbortSignal;
}

/** Samples of a span that are read together, and held until all of their uses are over. */
interface Unit extends ReadUnit {
  readonly name: string;
  /** Uses that are still to come or under way, and those under way. */
  uses: number;
  inUse: number;
  loading: Promise<LoadedUnit> | undefined;
}

/** What a group's batches want of a span in one extent. */
interface Wanted {
  readonly span: number;
  readonly source: number;
  readonly extent: number;
  samples: number;
  bytes: number;
  first: number;
  last: number;
}

interface LoadedUnit {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly codec: Codec;
  /** Some of its samples are not what was written. */
  readonly damaged: boolean;
  /** The location of every sample. */
  readonly locations: readonly Location[];
}

/** A batch whose samples are in memory, until `release`. */
export interface ReadBatch {
  readonly plan: BatchPlan;
  readonly memory: SamplesInMemory;
  release(): void;
}

interface Waiting {
  readonly plan: BatchPlan;
  readonly units: readonly Unit[];
}

export class SpanReader {
  private readonly units = new Map<string, Unit>();
  /** Of every data set. */
  private readonly extents: readonly Extents[];
  private heldBytes = 0;
  private reading = 0;
  private readingBytes = 0;
  /** Reads that wait for their turn, first come first served. */
  private readonly turns: { readonly bytes: number; readonly begin: () => void }[] = [];
  private ended = false;
  private readonly preparedGroups = new Set<number>();

  /** Ends what is being read when it is not wanted any more. */
  private readonly own = new AbortController();
  private readonly signal: AbortSignal;

  constructor(private readonly options: SpanReaderOptions) {
    this.extents = options.datasets.map((dataset) => new Extents(dataset));
    this.signal = AbortSignal.any([options.signal, this.own.signal]);
    setMaxListeners(0, this.signal); // as many listen to it as reads are under way
  }

  /** The rank's batches in order, each when it is in memory; later ones are read meanwhile. */
  async *read(): AsyncGenerator<ReadBatch> {
    const { plan, shape, fromStep, prefetchBytes } = this.options;
    const batches = planBatches(plan, shape, fromStep);
    const waiting: Waiting[] = [];
    try {
      for (;;) {
        while (waiting.length === 0 || this.heldBytes < prefetchBytes) {
          const { value, done } = batches.next();
          if (done) break;
          waiting.push(this.begin(value));
        }
        const next = waiting.shift();
        if (next === undefined) return;
        this.signal.throwIfAborted();
        const loaded = await Promise.all(next.units.map((unit) => unit.loading as Promise<LoadedUnit>));
        for (const unit of next.units) unit.inUse++;
        yield { plan: next.plan, memory: this.memoryOf(next, loaded), release: () => this.release(next.units) };
      }
    } finally {
      // What is in use is freed by its user.
      this.ended = true;
      this.own.abort();
      await Promise.all([...this.units.values()].map((unit) => this.freeUnused(unit)));
    }
  }

  private begin(plan: BatchPlan): Waiting {
    const units = Array.from(plan.sample, (sample, i) => this.unitOf(plan, i, sample));
    for (const unit of units) {
      if (unit.loading !== undefined) continue;
      this.heldBytes += unit.bytes;
      unit.loading = this.load(unit);
      unit.loading.catch(() => {}); // surfaces when its batch's turn comes
    }
    return { plan, units };
  }

  private unitOf(plan: BatchPlan, i: number, sample: number): Unit {
    const [group, span, source] = [plan.group[i] as number, plan.span[i] as number, plan.source[i] as number];
    if (!this.preparedGroups.has(group)) this.prepare(group);
    const extent = this.extentsOf(source).numberOf(sample);
    const whole = this.units.get(nameOf(group, span, extent));
    if (whole !== undefined) return whole;
    const name = `${nameOf(group, span, extent)}/${sample}/${plan.pass[i]}`;
    const known = this.units.get(name);
    if (known !== undefined) return known;
    const needed = this.partToRead(source, sample, plan.pass[i] as number);
    const unit = this.makeUnit({ name, source, first: sample, count: 1, uses: 1 }, needed);
    this.units.set(name, unit);
    return unit;
  }

  /** What of a sample's file is to be read; undefined: everything. */
  private partToRead(source: number, sample: number, pass: number): ByteRange | undefined {
    if (!this.readsParts(source) || !isInSource(this.datasetOf(source).files, sample)) return undefined;
    try {
      return this.options.bytesOfView?.(source, sample, pass);
    } catch {
      return undefined; // the index is not right about it, which is reported when it is read
    }
  }

  private datasetOf(source: number): Dataset {
    return this.options.datasets[source] as Dataset;
  }

  /** Whether of the files of a source only what views need is read. What goes into a cache must be of use to all. */
  private readsParts(source: number): boolean {
    const { files, manifest } = this.datasetOf(source);
    if (files === undefined || this.options.cache !== undefined) return false;
    return manifest.inputBytes / Math.max(1, manifest.samples) > largeFileBytes;
  }

  private extentsOf(source: number): Extents {
    return this.extents[source] as Extents;
  }

  /** Decides what of a group's spans is read whole, and how often each part will be used. */
  private prepare(group: number): void {
    const { cache, prefetchBytes } = this.options;
    this.preparedGroups.add(group);
    const wanted = this.wantedOf(group);
    let total = 0;
    for (const { bytes } of wanted.values()) total += bytes;
    // Units are held from the first use of one of their samples to the last: together up to the whole group.
    if (total > prefetchBytes) return;
    for (const [name, entry] of wanted) {
      const { first, end } = this.rangeToRead(entry);
      const { source, samples: uses } = entry;
      const unit = this.makeUnit({ name, source, first, count: end - first, uses });
      if (cache !== undefined || entry.bytes >= wholeShare * unit.bytes) this.units.set(name, unit);
    }
  }

  /** What the rank's batches want of a group, by the name of the unit that holds it. */
  private wantedOf(group: number): Map<string, Wanted> {
    const { plan, shape, fromStep } = this.options;
    const wanted = new Map<string, Wanted>();
    visitOwn(plan, shape, group, fromStep, ({ source, sample, span }) => {
      if (this.readsParts(source)) return;
      const extent = this.extentsOf(source).numberOf(sample);
      const name = nameOf(group, span, extent);
      const bytes = this.datasetOf(source).byteLengths[sample] as number;
      const entry = wanted.get(name);
      if (entry === undefined) {
        wanted.set(name, { span, source, extent, samples: 1, bytes, first: sample, last: sample });
        return;
      }
      entry.samples++;
      entry.bytes += bytes;
      entry.first = Math.min(entry.first, sample);
      entry.last = Math.max(entry.last, sample);
    });
    return wanted;
  }

  private rangeToRead({ span: number, source, extent, first, last }: Wanted) {
    if (this.options.cache === undefined) return { first, end: last + 1 };
    // A cache finds again only what is cut in the same way every time.
    const span = this.options.plan.span(number);
    return this.extentsOf(source).within(extent, span.first, span.first + span.length);
  }

  /** `part`: of the only sample's file, what is to be read; default: everything. */
  private makeUnit(unit: Pick<Unit, "name" | "source" | "first" | "count" | "uses">, part?: ByteRange): Unit {
    const whole = this.extentsOf(unit.source).bytesOf(unit.first, unit.count);
    const { start } = whole.range;
    const range = part === undefined ? whole.range : { start: start + part.start, end: start + part.end };
    const stored = { ...whole, range };
    const bytes = range.end - range.start;
    return { ...unit, stored, bytes, firstByte: part?.start ?? 0, inUse: 0, loading: undefined };
  }

  private memoryOf({ plan, units }: Waiting, loaded: readonly LoadedUnit[]): SamplesInMemory {
    const distinct = [...new Set(loaded)];
    const numbers = new Map(distinct.map((unit, i) => [unit, i]));
    const locations = loaded.map((unit, i) => unit.locations[(plan.sample[i] as number) - (units[i] as Unit).first]);
    return {
      buffers: distinct.map(({ bytes }) => bytes),
      codecs: distinct.map(({ codec }) => codec),
      damaged: distinct.map(({ damaged }) => damaged),
      buffer: Uint32Array.from(loaded, (unit) => numbers.get(unit) as number),
      offset: Uint32Array.from(locations, (location) => location?.offset as number),
      byteLength: Uint32Array.from(locations, (location) => location?.byteLength as number),
      firstByte: Uint32Array.from(units, ({ firstByte }) => firstByte),
    };
  }

  /** One use of each. */
  private release(units: readonly Unit[]): void {
    for (const unit of units) {
      unit.uses--;
      unit.inUse--;
      void this.freeUnused(unit);
    }
  }

  private async freeUnused(unit: Unit): Promise<void> {
    if (unit.inUse > 0 || (unit.uses > 0 && !this.ended) || !this.units.delete(unit.name)) return;
    const loaded = await unit.loading?.catch(() => undefined);
    if (unit.loading !== undefined) this.heldBytes -= unit.bytes;
    if (loaded !== undefined) this.options.buffers.giveBack(loaded.buffer);
  }

  private async load(unit: Unit): Promise<LoadedUnit> {
    await new Promise<void>((begin) => {
      this.turns.push({ bytes: unit.bytes, begin });
      this.admit();
      this.options.clock?.queued(this.turns.length);
    });
    const { clock } = this.options;
    const began = clock?.began() ?? 0;
    try {
      this.signal.throwIfAborted();
      return await this.fetch(unit);
    } finally {
      clock?.ended(began, unit.count, unit.bytes);
      this.reading--;
      this.readingBytes -= unit.bytes;
      this.admit();
    }
  }

  /** Begins waiting reads while there is room; one larger than all of it goes alone. */
  private admit(): void {
    for (let next = this.turns[0]; next !== undefined; next = this.turns[0]) {
      const full = this.reading >= maxReadsInFlight || this.readingBytes + next.bytes > maxBytesInFlight;
      if (full && this.reading > 0) return;
      this.turns.shift();
      this.options.clock?.queued(this.turns.length);
      this.reading++;
      this.readingBytes += next.bytes;
      next.begin();
    }
  }

  private async fetch(unit: Unit): Promise<LoadedUnit> {
    const { cache, expand, buffers } = this.options;
    const dataset = this.datasetOf(unit.source);
    const { codec } = dataset.manifest;
    const { stored } = unit;
    const expands = codec !== plainCodec && expand !== undefined && !isInSource(dataset.files, unit.first);
    const key = `${stored.key}${expands ? "-x" : ""}`;
    const found = await this.fromCache(key, unit, expands ? plainCodec : codec);
    if (found !== undefined) return found;
    await checkIsThere(stored.url, stored.range, this.signal);
    const buffer = buffers.take(sizeClass(unit.bytes));
    try {
      const bytes = new Uint8Array(buffer, 0, unit.bytes);
      const damaged = await this.readDamaged(unit, dataset, bytes);
      if (cache !== undefined && !damaged) {
        const kept = expands ? await this.expanded(unit, bytes, lengthsOf(unit, dataset), expand) : bytes;
        if (kept !== undefined) await cache.put(key, kept);
      }
      // What is here already is used as it is: the next epoch reads the other form.
      return { buffer, bytes, codec, damaged, locations: locationsOf(unit, dataset) };
    } catch (error) {
      buffers.giveBack(buffer);
      throw error;
    }
  }

  /** Undefined when one of them cannot be expanded, which is reported when its view is made. */
  private async expanded(
    unit: Unit,
    bytes: Uint8Array,
    lengths: readonly number[],
    expand: NonNullable<SpanReaderOptions["expand"]>,
  ): Promise<Uint8Array | undefined> {
    const answer = await expand({ source: unit.source, firstSample: unit.first, bytes, lengths });
    return "error" in answer ? undefined : joinExpanded(answer.lengths, answer.bytes);
  }

  private async fromCache(key: string, unit: Unit, codec: Codec): Promise<LoadedUnit | undefined> {
    const { cache, buffers } = this.options;
    let buffer: SharedArrayBuffer | undefined;
    const bytes = await cache?.get(key, (byteLength) => {
      buffer = buffers.take(sizeClass(byteLength));
      return new Uint8Array(buffer, 0, byteLength);
    });
    if (bytes !== undefined && buffer !== undefined) {
      const dataset = this.datasetOf(unit.source);
      const stored = codec === dataset.manifest.codec;
      const locations = stored ? locationsOf(unit, dataset) : expandedLocations(bytes, unit.count);
      if (locations !== undefined) return { buffer, bytes, codec, damaged: false, locations };
    }
    if (buffer !== undefined) buffers.giveBack(buffer);
    return undefined;
  }

  /** A file of its own that has become shorter is damaged; every other error is thrown. */
  private async whenCutShort({ stored, first }: Unit, { files }: Dataset, error: unknown) {
    if (files === undefined || files.extension[first] === 0) throw error;
    const info = await at(stored.url).stat(this.signal);
    if (info === undefined || info.byteLength >= stored.range.end) throw error;
    return {
      sample: first,
      problem: `the file has ${info.byteLength} bytes, those to byte ${stored.range.end} are missing`,
    };
  }

  /**
   * Whether bytes stay wrong however often they are read; unless such are to be kept, CHECKSUM_MISMATCH, naming the
   * first damaged sample.
   */
  private async readDamaged(unit: Unit, dataset: Dataset, bytes: Uint8Array): Promise<boolean> {
    const { url, range } = unit.stored;
    const damaged = await readChecked(url, range, bytes, () => firstDamaged(unit, dataset, bytes), this.signal).catch(
      (error: unknown) => this.whenCutShort(unit, dataset, error),
    );
    if (damaged === undefined) return false;
    if (this.options.keepDamaged) return true;
    const { sample, problem } = damaged;
    const message = `${problem}, read ${maxReads} times; verify lists all damage`;
    const facts = { source: url, key: dataset.index.key(sample), offset: range.start };
    throw new ToolkitError("CHECKSUM_MISMATCH", message, facts);
  }
}

const nameOf = (group: number, span: number, extent: number) => `${group}/${span}/${extent}`;

/**
 * Units differ in size by some per cent: rounded up to one of four sizes per power of two, their buffers fit each
 * other.
 */
function sizeClass(byteLength: number): number {
  const step = 2 ** Math.max(12, Math.floor(Math.log2(Math.max(1, byteLength))) - 2);
  return Math.max(step, Math.ceil(byteLength / step) * step);
}
