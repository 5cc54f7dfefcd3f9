// The read half, wired: plan -> (for data far away: bytes in memory, ahead of their use) -> view workers -> batches in
// shared memory.
import { invalidOption, ToolkitError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { bytesOfView } from "../../native/index.js";
import type { ClassList, ClassMap } from "../../shards/class-list.js";
import type { Dataset } from "../../shards/dataset.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import type { PlanSource } from "../../shards/plan/spans.js";
import { type EpochPlan, epochLength, planEpoch } from "../../shards/plan.js";
import { type Random, randomFamily } from "../../shards/random.js";
import { isFarAway, isInSource } from "../../shards/source-files.js";
import { type CacheCounters, DiskCache } from "../../storage/disk/cache.js";
import type { ByteRange } from "../../storage/object-store.js";
import { SharedBuffers } from "../shared-buffers.js";
import { type PipelineCounters, watched } from "../stage-clock.js";
import { type BatchPlan, type BatchShape, localBatch, planBatches, stepsOf } from "./batch-plan.js";
import { BatchRenderer } from "./batch-renderer.js";
import { LoadClock } from "./load-clock.js";
import type { LoadedBatch } from "./loaded-batch.js";
import {
  type CheckedOptions,
  type LoaderCacheOptions,
  type LoaderOptions,
  type LoaderSettings,
  resolveOptions,
} from "./options.js";
import { defaultPrefetchBytes } from "./prefetch-bytes.js";
import { fingerprint, type LoaderData, type OpenedSource, type OpenedSources, openSources } from "./sources.js";
import { type ReadBatch, SpanReader } from "./span-reader.js";
import { checkState, type LoaderState, makeState, type OrderState } from "./state.js";
import { ViewPlan } from "./view-plan.js";
import type { ExpandTask } from "./view-task.js";

/** Samples of a source that the bytes of a view are averaged over. */
const samplesMeasured = 256;

/** A batch to be made, and what it is made from where that is in memory already. */
interface PlannedBatch {
  readonly epoch: number;
  readonly mixRandom: (sample: number, pass: number) => Random;
  readonly item: BatchPlan | ReadBatch;
}

/**
 * The loader without a loop of its own: epochs and steps in any order, batches that are kept until they are released,
 * threads and open shards that last until `close`. `loadBatches` is this in a loop.
 *
 * @example
 * ```ts
 * import { Loader } from "dctstream";
 *
 * const view = { kind: "rgb", size: 224, augment: "train" } as const;
 * await using loader = await Loader.open("shards/train", { view, batchSize: 256 });
 * for (let epoch = 0; epoch < 90; epoch++)
 *   for await (const batch of loader.epoch(epoch)) {
 *     const [rgb] = batch.arrays; // rgb.data: Float32Array, rgb.shape: [256, 224, 224, 3]
 *     batch.release();
 *   }
 * ```
 */
export class Loader {
  /** Samples of this rank per step. */
  readonly batchSize: number;
  /** Samples of an epoch, of all ranks. */
  readonly samples: number;
  /** Steps per epoch. */
  readonly steps: number;
  /** What labels are numbers of. */
  readonly classes: ClassList;
  private readonly sources: readonly OpenedSource[];
  private readonly settings: LoaderSettings;
  private readonly shape: BatchShape;
  private readonly renderer: BatchRenderer;
  /** Samples are read by the view threads themselves, from files. */
  private readonly readsFiles: boolean;
  private readonly order: OrderState;
  private readonly runBuffers = new SharedBuffers();
  private readonly clock: LoadClock;
  private readonly views: ViewPlan;
  private disk: DiskCache | undefined;
  private closed = false;

  private constructor(
    { sources, classes }: OpenedSources,
    options: CheckedOptions,
    private readonly cacheOptions: LoaderCacheOptions | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { batchSize: globalBatch, rank, worldSize, dropLast, workers, seed, shuffle, shuffleBytes } = options;
    const { consumer, recorder } = options;
    this.sources = sources;
    this.classes = classes;
    const { prefetchBytes = defaultPrefetchBytes(this.planSources(), { shuffleBytes, worldSize }) } = options;
    const settings = { ...options, prefetchBytes };
    this.settings = settings;
    this.shape = { globalBatch, rank, worldSize, dropLast };
    this.batchSize = localBatch(this.shape);
    this.samples = epochLength(this.planSources());
    this.steps = stepsOf(this.samples, this.shape);
    if (this.steps === 0)
      throw invalidOption("batchSize", `at most the ${this.samples} samples of the data set`, globalBatch);
    const data = fingerprint(sources.map(({ dataset, ...rest }) => ({ manifest: dataset.manifest, ...rest })));
    this.order = { seed, globalBatch, shuffle, dropLast, shuffleBytes, data };
    const remote = cacheOptions !== undefined || sources.some(({ dataset }) => isFarAway(dataset.manifest));
    this.views = new ViewPlan(options.view, seed);
    this.readsFiles = !remote;
    this.clock = new LoadClock({ threads: workers, readsStorage: remote, consumer, recorder });
    const { batchSize, readsFiles, clock } = this;
    const stateAt = (epoch: number, step: number) => this.stateAt(epoch, step);
    this.renderer = new BatchRenderer({ sources, settings, batchSize, readsFiles, clock, stateAt, signal });
  }

  /**
   * Opens the data sets and starts the view threads.
   *
   * Errors: NOT_FOUND, BAD_MANIFEST, CHECKSUM_MISMATCH, CORRUPT_INDEX, CLASSES_DIFFER, BAD_LABEL, BAD_CLASSES,
   * INVALID_OPTION.
   */
  static async open(data: LoaderData, options: LoaderOptions): Promise<Loader> {
    const checked = resolveOptions(options);
    const loader = new Loader(await openSources(data, options.classList), checked, options.cache, options.signal);
    try {
      if (options.cache !== undefined) loader.disk = await DiskCache.open(options.cache, options.onWarning);
    } catch (error) {
      await loader.close();
      throw error;
    }
    return loader;
  }

  /** The data sets of the sources, in their order. */
  get datasets(): readonly Dataset[] {
    return this.sources.map(({ dataset }) => dataset);
  }

  /** How the classes of each source were matched with the loader's. */
  get classMaps(): readonly ClassMap[] {
    return this.sources.map(({ classMap }) => classMap);
  }

  /** What the disk cache has done; undefined without one. */
  get cacheCounters(): CacheCounters | undefined {
    return this.disk?.counters;
  }

  get viewThreads(): number {
    return this.settings.workers;
  }

  /** Bytes that are held ahead of their use at most. */
  get prefetchBytes(): number {
    return this.settings.prefetchBytes;
  }

  /** Where the time has gone so far, since the first batch. */
  get counters(): PipelineCounters {
    return this.clock.counters;
  }

  /** While it is held, the consumer does something else than use batches: the time is not counted as its work. */
  hold(on: boolean): void {
    this.clock.hold(on);
  }

  /** Damaged samples so far, by the code of what was wrong. */
  get skipped(): Readonly<Record<string, number>> {
    return this.renderer.skipped;
  }

  /** Where the loader stands before a step of an epoch. */
  stateAt(epoch: number, step: number): LoaderState {
    const carried = epoch + Math.floor(step / this.steps);
    return makeState(carried, step % this.steps, this.order);
  }

  /** The epoch and step of a saved state. BAD_STATE, STATE_MISMATCH when it belongs to another order. */
  resume(state: unknown): { readonly epoch: number; readonly step: number } {
    const { epoch, step } = checkState(state, this.order);
    return { epoch, step };
  }

  /**
   * The rank's batches of an epoch, from a step on.
   *
   * Errors: CHECKSUM_MISMATCH and CORRUPT_RECORD unless `onBadSample` is "skip"; NOT_FOUND, IO_ERROR and what stores
   * throw.
   */
  epoch(epoch: number, fromStep = 0): AsyncGenerator<LoadedBatch> {
    return this.epochs(epoch, epoch + 1, fromStep);
  }

  /**
   * The rank's batches of the epochs `[first, end)`, one after the other; an epoch's first batches are made while the
   * last ones of the epoch before are used.
   */
  async *epochs(first: number, end: number, fromStep = 0): AsyncGenerator<LoadedBatch> {
    const planned = (signal: AbortSignal) =>
      watched(this.planned(first, end, fromStep, signal), (waiting) => this.clock.waitsForData(waiting));
    const render = ({ epoch, mixRandom, item }: PlannedBatch) =>
      "memory" in item
        ? this.renderer.render(item.plan, epoch, mixRandom, item).finally(() => item.release())
        : this.renderer.render(item, epoch, mixRandom, undefined);
    try {
      const batches = mapOrdered(planned, render, { limit: this.renderer.batchesAhead, signal: this.signal });
      this.clock.batchAsked();
      for await (const batch of batches) {
        this.clock.batchGiven(batch.samples, batch.samples * this.renderer.viewBytes);
        yield batch;
        this.clock.batchAsked();
      }
    } finally {
      this.clock.ended();
    }
  }

  private async *planned(
    first: number,
    end: number,
    fromStep: number,
    signal: AbortSignal,
  ): AsyncGenerator<PlannedBatch> {
    for (let epoch = first; epoch < end; epoch++) {
      const plan = this.plan(epoch);
      const from = epoch === first ? fromStep : 0;
      const mixRandom = randomFamily(this.settings.seed, "mix", epoch);
      const items = this.readsFiles ? planBatches(plan, this.shape, from) : this.readAhead(plan, epoch, from, signal);
      for await (const item of items as AsyncIterable<BatchPlan | ReadBatch>) yield { epoch, mixRandom, item };
    }
  }

  /** Ends the workers and closes the shards. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.renderer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Bytes of a finished view. */
  get viewBytes(): number {
    return this.renderer.viewBytes;
  }

  /** Bytes that a view reads on average, over some samples of all sources. */
  get bytesPerView(): number {
    let [bytes, views] = [0, 0];
    for (const [source, { dataset }] of this.sources.entries()) {
      const { files, byteLengths, index } = dataset;
      const step = Math.max(1, Math.floor(index.length / samplesMeasured));
      for (let sample = 0; sample < index.length; sample += step, views++) {
        const range = isInSource(files, sample) ? this.bytesOfView(0, source, sample, 0) : undefined;
        bytes += range === undefined ? (byteLengths[sample] as number) : range.end - range.start;
      }
    }
    return bytes / views;
  }

  private plan(epoch: number): EpochPlan {
    const { seed, shuffle, shuffleBytes } = this.settings;
    return planEpoch(this.planSources(), seed, epoch, { shuffle, shuffleBytes });
  }

  private planSources(): (PlanSource & { readonly manifest: LoadedManifest })[] {
    return this.sources.map(({ dataset: { manifest }, selection, repeat }) => ({ manifest, selection, repeat }));
  }

  /** The bytes that a sample's view in an epoch needs of its file, which stayed in its source. */
  private bytesOfView(epoch: number, source: number, sample: number, pass: number): ByteRange {
    const { index, files } = (this.sources[source] as OpenedSource).dataset;
    const block = files?.blocks[files.block[sample] as number];
    if (block === undefined || files === undefined)
      throw new ToolkitError("INTERNAL", "a record was taken for a file that stayed in its source");
    const [width, height] = [index.width[sample] as number, index.height[sample] as number];
    const { x, y } = this.views.of({ epoch, source, sample, pass, width, height });
    return bytesOfView(block, files.blockSample[sample] as number, this.renderer.form, x, y);
  }

  private readAhead(plan: EpochPlan, epoch: number, fromStep: number, signal: AbortSignal): AsyncGenerator<ReadBatch> {
    const expand = (task: ExpandTask) => this.renderer.expand(task);
    const reader = new SpanReader({
      datasets: this.sources.map(({ dataset }) => dataset),
      plan,
      shape: this.shape,
      fromStep,
      prefetchBytes: this.settings.prefetchBytes,
      buffers: this.runBuffers,
      cache: this.disk,
      expand: this.cacheOptions?.expanded === true ? expand : undefined,
      bytesOfView: (source, sample, pass) => this.bytesOfView(epoch, source, sample, pass),
      keepDamaged: this.settings.onBadSample === "skip",
      clock: this.clock.storage,
      signal,
    });
    return reader.read();
  }
}
