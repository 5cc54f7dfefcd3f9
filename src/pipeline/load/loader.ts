// The read half, wired: plan -> (for data far away: bytes in memory, ahead of their use) -> view workers -> batches in shared memory.
import { closeSync } from "node:fs";
import { Piscina } from "piscina";
import { fromWire, invalidOption, isErrorCode, ToolkitError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import type { BatchFailure, MixedPair, ViewForm } from "../../native/index.js";
import type { Dataset } from "../../shards/dataset.js";
import { type EpochPlan, epochLength, type PlanSource, planEpoch } from "../../shards/plan.js";
import { type Random, randomFamily } from "../../shards/random.js";
import { placeOf } from "../../shards/search.js";
import { type CacheCounters, DiskCache } from "../../storage/cache.js";
import { isRemote, joinUrl } from "../../storage/store.js";
import { SharedBuffers } from "../shared-buffers.js";
import { epochMs, type PipelineCounters, watched } from "../stage-clock.js";
import { drawMix, mixesPairs } from "./augment.js";
import { type BatchPlan, type BatchShape, localBatch, planBatches, stepsOf } from "./batch-plan.js";
import { LoadClock } from "./load-clock.js";
import {
  type LoaderCacheOptions,
  type LoaderOptions,
  type LoaderSettings,
  resolveOptions,
  taskSamples,
} from "./options.js";
import { type ReadBatch, RunReader } from "./run-reader.js";
import { formOf, type NamedArray, slotArrays, slotBytes, viewBytes } from "./slot.js";
import { fingerprint, type LoaderData, type OpenedSource, openSources } from "./sources.js";
import { checkState, type LoaderState, makeState, type OrderState } from "./state.js";
import { trainingPolicy, viewUnit } from "./view.js";
import type { ExpandAnswer, ExpandTask, ViewAnswer, ViewTask, WorkerSettings, WorkerSource } from "./view-task.js";

/** A batch in shared memory. Its arrays are overwritten some time after `release`. */
export interface LoadedBatch {
  readonly epoch: number;
  readonly step: number;
  /** The inputs, in the order of a network's: y, cb and cr, or pixels. Places beyond `samples` are padding. */
  readonly arrays: readonly NamedArray[];
  /** [places]; -1 where `mask` is 0. */
  readonly labels: Int32Array;
  /** [places]: 1 for a sample, 0 for padding. */
  readonly mask: Float32Array;
  /** With mixup or CutMix: every place's second label, and the share of the first. */
  readonly mixed: { readonly labels: Int32Array; readonly shares: Float32Array } | undefined;
  /** How many of the batch's places are samples or stand for one; all but in the last step of an epoch. */
  readonly samples: number;
  /** Which source each place's sample is from, and its number there, in the manifest's order. */
  readonly sources: Uint16Array;
  readonly sampleNumbers: Uint32Array;
  /** The keys of the samples. */
  readonly keys: readonly string[];
  /** Where a loader goes on after this batch. */
  readonly state: LoaderState;
  /** The memory may be used again. Calling it again does nothing. */
  release(): void;
}

/** A batch to be made, and what it is made from where that is in memory already. */
interface PlannedBatch {
  readonly epoch: number;
  readonly mixRandom: (sample: number, pass: number) => Random;
  readonly item: BatchPlan | ReadBatch;
}

export class Loader {
  /** Samples of this rank per step. */
  readonly batchSize: number;
  /** Samples of an epoch, of all ranks. */
  readonly samples: number;
  /** Steps per epoch. */
  readonly steps: number;
  private readonly shape: BatchShape;
  private readonly form: ViewForm;
  private readonly pool: Piscina;
  private readonly workerSources: readonly WorkerSource[];
  private readonly order: OrderState;
  private readonly slots = new SharedBuffers();
  private readonly runBuffers = new SharedBuffers();
  private readonly clock: LoadClock;
  private readonly skippedByCode: Record<string, number> = {};
  private disk: DiskCache | undefined;
  private closed = false;

  private constructor(
    private readonly sources: readonly OpenedSource[],
    private readonly settings: LoaderSettings,
    private readonly cacheOptions: LoaderCacheOptions | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { batchSize: globalBatch, rank, worldSize, dropLast, workers, view, seed, shuffle, shuffleBytes } = settings;
    this.shape = { globalBatch, rank, worldSize, dropLast };
    this.batchSize = localBatch(this.shape);
    this.samples = epochLength(this.planSources());
    this.steps = stepsOf(this.samples, this.shape);
    if (this.steps === 0)
      throw invalidOption("batch-size", `at most the ${this.samples} samples of the data set`, globalBatch);
    this.order = { seed, globalBatch, shuffle, dropLast, shuffleBytes, data: fingerprint(sources) };
    this.workerSources = sources.map(({ dataset }) => this.workerSource(dataset));
    this.form = formOf(view, (sources[0] as OpenedSource).dataset.manifest.frequencies);
    const { consumer, recorder } = settings;
    this.clock = new LoadClock({ threads: workers, readsStorage: !this.readsFiles, consumer, recorder });
    const replace = settings.onBadSample === "skip" && dropLast;
    const workerSettings: WorkerSettings = {
      sources: this.workerSources,
      view,
      form: this.form,
      seed,
      batchSize: this.batchSize,
      replace,
    };
    // A training step blocks this thread for long: all tasks of the batches ahead must be at the workers before it begins.
    this.pool = new Piscina({
      filename: new URL("./view-entry.cjs", import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: (this.batchesAhead + 1) * Math.ceil(this.batchSize / taskSamples),
      // Files opened by one worker are used by all, and closed at the end by this thread.
      trackUnmanagedFds: false,
      workerData: { settings: workerSettings },
    });
  }

  /** NOT_FOUND, BAD_MANIFEST, CORRUPT_INDEX, INVALID_OPTION, OUTPUT_NOT_WRITABLE (the cache). */
  static async open(data: LoaderData, options: LoaderOptions): Promise<Loader> {
    const settings = resolveOptions(options);
    const loader = new Loader(await openSources(data), settings, options.cache, options.signal);
    try {
      if (options.cache !== undefined) loader.disk = await DiskCache.open(options.cache);
    } catch (error) {
      await loader.close();
      throw error;
    }
    return loader;
  }

  /** Of the disk cache; undefined without one. */
  get cacheCounters(): CacheCounters | undefined {
    return this.disk?.counters;
  }

  get viewThreads(): number {
    return this.settings.workers;
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
    return this.skippedByCode;
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

  /** The rank's batches of an epoch, from a step on. CHECKSUM_MISMATCH, CORRUPT_RECORD, NOT_FOUND, IO_ERROR and what stores throw. */
  epoch(epoch: number, fromStep = 0): AsyncGenerator<LoadedBatch> {
    return this.epochs(epoch, epoch + 1, fromStep);
  }

  /** The same of the epochs `[first, end)`, one after the other; an epoch's first batches are made while the last ones of the one before are used. */
  async *epochs(first: number, end: number, fromStep = 0): AsyncGenerator<LoadedBatch> {
    const planned = (signal: AbortSignal) =>
      watched(this.planned(first, end, fromStep, signal), (waiting) => this.clock.waitsForData(waiting));
    const render = ({ epoch, mixRandom, item }: PlannedBatch) =>
      "memory" in item
        ? this.render(item.plan, epoch, mixRandom, item).finally(() => item.release())
        : this.render(item, epoch, mixRandom, undefined);
    try {
      const batches = mapOrdered(planned, render, { limit: this.batchesAhead, signal: this.signal });
      this.clock.batchAsked();
      for await (const batch of batches) {
        this.clock.batchGiven(batch.samples, batch.samples * this.viewBytes);
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
      const items = this.readsFiles ? planBatches(plan, this.shape, from) : this.readAhead(plan, from, signal);
      for await (const item of items as AsyncIterable<BatchPlan | ReadBatch>) yield { epoch, mixRandom, item };
    }
  }

  /** Ends the workers and closes the shards. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pool.destroy();
    for (const { files } of this.workerSources) for (const file of files ?? []) if (file >= 0) closeSync(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Bytes of a finished view. */
  get viewBytes(): number {
    return viewBytes(this.form);
  }

  private get readsFiles(): boolean {
    return this.workerSources.every(({ files }) => files !== undefined);
  }

  private get batchesAhead(): number {
    const { prefetchBatches, prefetchBytes } = this.settings;
    return Math.max(1, Math.min(prefetchBatches, Math.floor(prefetchBytes / slotBytes(this.form, this.batchSize))));
  }

  private workerSource({ manifest, indexBytes, offsets, firstSamples }: Dataset): WorkerSource {
    const remote =
      this.sources.some(({ dataset }) => isRemote(dataset.manifest.folder)) || this.cacheOptions !== undefined;
    return {
      indexBytes,
      offsets,
      firstSamples,
      folder: manifest.folder,
      shardNames: manifest.shards.map(({ name }) => name),
      codec: manifest.codec,
      files: remote ? undefined : new Int32Array(new SharedArrayBuffer(4 * manifest.shards.length)).fill(-1),
    };
  }

  private plan(epoch: number): EpochPlan {
    const { seed, shuffle, shuffleBytes } = this.settings;
    return planEpoch(this.planSources(), seed, epoch, { shuffle, shuffleBytes });
  }

  private planSources(): PlanSource[] {
    return this.sources.map(({ dataset: { manifest }, selection, repeat }) => ({ manifest, selection, repeat }));
  }

  private readAhead(plan: EpochPlan, fromStep: number, signal: AbortSignal): AsyncGenerator<ReadBatch> {
    const expand = (task: ExpandTask): Promise<ExpandAnswer> => this.pool.run(task);
    const reader = new RunReader({
      datasets: this.sources.map(({ dataset }) => dataset),
      plan,
      shape: this.shape,
      fromStep,
      prefetchBytes: this.settings.prefetchBytes,
      buffers: this.runBuffers,
      cache: this.disk,
      expand: this.cacheOptions?.expanded === true ? expand : undefined,
      keepDamaged: this.settings.onBadSample === "skip",
      clock: this.clock.storage,
      signal,
    });
    return reader.read();
  }

  private async render(
    plan: BatchPlan,
    epoch: number,
    mixRandom: (sample: number, pass: number) => Random,
    read: ReadBatch | undefined,
  ): Promise<LoadedBatch> {
    const slot = this.slots.take(slotBytes(this.form, this.batchSize));
    const pairs = this.drawPairs(plan, mixRandom);
    try {
      const tasks: Promise<TaskFailures>[] = [];
      for (let first = 0; first < plan.sample.length; first += taskSamples)
        tasks.push(this.runTask(plan, epoch, read, slot, pairs, first));
      const failures = (await settled(tasks)).flat();
      const began = epochMs();
      const batch = this.finish(plan, epoch, slot, pairs, failures);
      this.clock.collate.worked({ thread: 0, began, ended: epochMs() }, batch.samples);
      this.clock.batchReady();
      return batch;
    } catch (error) {
      this.slots.giveBack(slot);
      throw error;
    }
  }

  private async runTask(
    plan: BatchPlan,
    epoch: number,
    read: ReadBatch | undefined,
    slot: SharedArrayBuffer,
    pairs: readonly Pair[],
    firstPlace: number,
  ): Promise<TaskFailures> {
    const end = Math.min(firstPlace + taskSamples, plan.sample.length);
    const task: ViewTask = {
      epoch,
      source: plan.source.slice(firstPlace, end),
      sample: plan.sample.slice(firstPlace, end),
      pass: plan.pass.slice(firstPlace, end),
      memory: read && partOf(read.memory, firstPlace, end),
      slot,
      firstPlace,
      pairs: pairs.filter(({ a }) => a >= firstPlace && a < end),
    };
    this.clock.taskSent();
    const answer: ViewAnswer = await this.pool.run(task).catch((reason) => ({
      error: { code: "INTERNAL", message: `a view worker failed: ${(reason as Error).message}` } as const,
    }));
    const samples = end - firstPlace;
    this.clock.taskEnded(answer.work, samples, samples * this.viewBytes);
    if ("error" in answer) throw fromWire(answer.error);
    return (answer.failures ?? []).map((failure) => ({
      ...failure,
      place: firstPlace + failure.sample,
      copyOf: failure.copyOf < 0 ? -1 : firstPlace + failure.copyOf,
    }));
  }

  /** Neighbours in the order of the whole step, so that pairs do not depend on the number of ranks. */
  private drawPairs(plan: BatchPlan, random: (sample: number, pass: number) => Random): Pair[] {
    const { view } = this.settings;
    const policy = trainingPolicy(view);
    if (policy === undefined || !mixesPairs(policy)) return [];
    const pairs: Pair[] = [];
    for (let a = 0; a + 1 < plan.sample.length; a += 2) {
      const stream = random((plan.source[a] as number) * 2 ** 32 + (plan.sample[a] as number), plan.pass[a] as number);
      const drawn = drawMix(policy, view.size, viewUnit(view), stream);
      if (drawn !== undefined) pairs.push({ a, b: a + 1, ...drawn });
    }
    return pairs;
  }

  private finish(
    plan: BatchPlan,
    epoch: number,
    slot: SharedArrayBuffer,
    pairs: readonly Pair[],
    failures: TaskFailures,
  ): LoadedBatch {
    const shown = { source: plan.source, sample: plan.sample };
    const labels = new Int32Array(this.batchSize).fill(-1);
    const mask = new Float32Array(this.batchSize);
    for (const failure of failures) this.judge(failure, plan);
    for (const { place, copyOf } of failures) {
      if (copyOf < 0) continue;
      shown.source[place] = plan.source[copyOf] as number;
      shown.sample[place] = plan.sample[copyOf] as number;
    }
    for (let i = 0; i < plan.sample.length; i++) {
      labels[i] = this.indexOf(shown.source[i] as number).label[shown.sample[i] as number] as number;
      mask[i] = 1;
    }
    for (const { place, copyOf } of failures) {
      if (copyOf >= 0) continue;
      labels[place] = -1;
      mask[place] = 0;
    }
    const samples = plan.sample.length;
    const arrays = slotArrays(slot, this.form, this.batchSize);
    if (samples < this.batchSize) for (const { data } of arrays) data.fill(0, (data.length / this.batchSize) * samples);
    let released = false;
    const release = () => {
      if (!released) this.slots.giveBack(slot);
      released = true;
    };
    const keyOf = (i: number) => this.indexOf(shown.source[i] as number).key(shown.sample[i] as number);
    let keys: string[] | undefined;
    return {
      epoch,
      step: plan.step,
      arrays,
      labels,
      mask,
      mixed: pairs.length === 0 ? undefined : mixedLabels(labels, pairs),
      samples,
      sources: shown.source,
      sampleNumbers: shown.sample,
      get keys() {
        keys ??= Array.from(shown.sample, (_, i) => keyOf(i));
        return keys;
      },
      state: this.stateAt(epoch, plan.step + 1),
      release,
    };
  }

  /** Counts a damaged sample, or ends the epoch with its error. */
  private judge(failure: TaskFailures[number], plan: BatchPlan): void {
    const { place, message, copyOf } = failure;
    const code = isErrorCode(failure.code) ? failure.code : "INTERNAL";
    const source = plan.source[place] as number;
    const { dataset } = this.sources[source] as OpenedSource;
    const damaged = code === "CHECKSUM_MISMATCH" || code === "CORRUPT_RECORD";
    const nothingLeft = this.shape.dropLast && copyOf < 0;
    if (this.settings.onBadSample === "fail" || !damaged || nothingLeft) {
      const sample = plan.sample[place] as number;
      const shard = dataset.manifest.shards[placeOf(dataset.firstSamples, sample)]?.name ?? "";
      const facts = { source: joinUrl(dataset.manifest.folder, shard), key: dataset.index.key(sample) };
      throw new ToolkitError(code, message, facts);
    }
    this.skippedByCode[code] = (this.skippedByCode[code] ?? 0) + 1;
  }

  private indexOf(source: number): Dataset["index"] {
    return (this.sources[source] as OpenedSource).dataset.index;
  }
}

type Pair = MixedPair & { readonly share: number };
type TaskFailures = (BatchFailure & { readonly place: number })[];

/** All results, once nothing works on the slot any more; the first error otherwise. */
async function settled<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(tasks);
  return Promise.all(tasks);
}

function mixedLabels(labels: Int32Array, pairs: readonly Pair[]) {
  const mixed = { labels: labels.slice(), shares: new Float32Array(labels.length).fill(1) };
  for (const { a, b, share } of pairs) {
    mixed.labels[a] = labels[b] as number;
    mixed.labels[b] = labels[a] as number;
    mixed.shares[a] = mixed.shares[b] = share;
  }
  return mixed;
}

function partOf(memory: ReadBatch["memory"], first: number, end: number): ReadBatch["memory"] {
  const used = [...new Set(memory.buffer.subarray(first, end))];
  const places = new Map(used.map((buffer, i) => [buffer, i]));
  return {
    buffers: used.map((i) => memory.buffers[i] as Uint8Array),
    codecs: used.map((i) => memory.codecs[i] as "none" | "zstd"),
    damaged: used.map((i) => memory.damaged[i] as boolean),
    buffer: memory.buffer.slice(first, end).map((buffer) => places.get(buffer) as number),
    offset: memory.offset.slice(first, end),
    byteLength: memory.byteLength.slice(first, end),
  };
}
