// Planned batches -> finished ones: spread over the view threads in tasks, put together on the calling thread.
import { setMaxListeners } from "node:events";
import type { ErrorCode } from "../../error-codes.js";
import { fromWire, isErrorCode, ToolkitError } from "../../errors.js";
import { type BatchFailure, type Codec, type MixedPair, openFileLimit, type ViewForm } from "../../native/index.js";
import type { Dataset } from "../../shards/dataset.js";
import type { Random } from "../../shards/random.js";
import { urlOfSample } from "../../shards/source-files.js";
import { SharedBuffers } from "../shared-buffers.js";
import { epochMs } from "../stage-clock.js";
import { ThreadPool } from "../thread-pool.js";
import { drawMix, mixesPairs } from "./augment.js";
import type { BatchPlan } from "./batch-plan.js";
import type { LoadClock } from "./load-clock.js";
import type { LoadedBatch } from "./loaded-batch.js";
import { type LoaderSettings, taskSamples } from "./options.js";
import { formOf, slotArrays, slotBytes, viewBytes } from "./slot.js";
import type { OpenedSource } from "./sources.js";
import type { ReadBatch } from "./span-reader.js";
import type { LoaderState } from "./state.js";
import { trainingPolicy, viewUnit } from "./view.js";
import type { ExpandAnswer, ExpandTask, ViewAnswer, ViewTask, WorkerSettings, WorkerSource } from "./view-task.js";

/**
 * The most files that a view thread keeps open. All threads together take at most half of what the process may have.
 */
const mostOpenFiles = 1000;

export interface BatchRendererOptions {
  readonly sources: readonly OpenedSource[];
  readonly settings: LoaderSettings;
  /** Samples of this rank per step. */
  readonly batchSize: number;
  /** The view threads read samples themselves, from files; otherwise they come in memory. */
  readonly readsFiles: boolean;
  readonly clock: LoadClock;
  /** Where a loader stands before a step of an epoch. */
  readonly stateAt: (epoch: number, step: number) => LoaderState;
  /** An abort means that no batch is wanted any more. */
  readonly signal: AbortSignal | undefined;
}

export class BatchRenderer {
  /** Damaged samples so far, by code. */
  readonly skipped: Record<string, number> = {};
  /** Bytes of a finished view. */
  readonly viewBytes: number;
  /** Batches that may be held at a time, the one in use with them. */
  readonly batchesAhead: number;
  readonly form: ViewForm;
  private readonly pool: ThreadPool;
  private readonly signal: AbortSignal | undefined;
  private readonly slots = new SharedBuffers();

  constructor(private readonly options: BatchRendererOptions) {
    const { sources, settings, batchSize, readsFiles, signal } = options;
    const { workers, view, seed, onBadSample, dropLast, prefetchBatches, prefetchBytes } = settings;
    this.form = formOf(view, (sources[0] as OpenedSource).dataset.manifest.frequencies);
    this.viewBytes = viewBytes(this.form);
    this.batchesAhead = Math.max(
      1,
      Math.min(prefetchBatches, Math.floor(prefetchBytes / slotBytes(this.form, batchSize))),
    );
    const replace = onBadSample === "skip" && dropLast;
    const workerSettings: WorkerSettings = {
      sources: sources.map(({ dataset }) => workerSource(dataset, readsFiles)),
      view,
      form: this.form,
      seed,
      batchSize,
      openFiles: Math.max(1, Math.min(mostOpenFiles, Math.floor(openFileLimit() / 2 / workers))),
      replace,
    };
    this.signal = signal && AbortSignal.any([signal]);
    if (this.signal !== undefined) setMaxListeners(0, this.signal); // as many listen to it as tasks are under way
    this.pool = new ThreadPool({
      entry: new URL("./view-entry.cjs", import.meta.url),
      what: "view",
      threads: workers,
      // A training step blocks this thread for long: all tasks of the batches ahead must be at the workers before it
      // begins.
      tasksPerThread: (this.batchesAhead + 1) * Math.ceil(batchSize / taskSamples),
      workerData: { settings: workerSettings },
    });
  }

  /** Ends the threads, which closes the shards that they read. */
  close(): Promise<void> {
    return this.pool.close();
  }

  /** Has samples brought into their expanded form. */
  expand(task: ExpandTask): Promise<ExpandAnswer> {
    return this.pool.run<ExpandAnswer>(task, this.signal);
  }

  /** `read`: the samples' bytes, where they are in memory already. */
  async render(
    plan: BatchPlan,
    epoch: number,
    mixRandom: (sample: number, pass: number) => Random,
    read: ReadBatch | undefined,
  ): Promise<LoadedBatch> {
    const slot = this.slots.take(slotBytes(this.form, this.options.batchSize));
    const pairs = this.drawPairs(plan, mixRandom);
    try {
      const tasks: Promise<TaskFailures>[] = [];
      for (let first = 0; first < plan.sample.length; first += taskSamples)
        tasks.push(this.runTask(plan, epoch, read, slot, pairs, first));
      const failures = (await settled(tasks)).flat();
      const began = epochMs();
      const batch = this.finish(plan, epoch, slot, pairs, failures);
      this.options.clock.collate.worked({ thread: 0, began, ended: epochMs() }, batch.samples);
      this.options.clock.batchReady();
      return batch;
    } catch (error) {
      // What was given up may still be written to.
      if (this.signal?.aborted !== true) this.slots.giveBack(slot);
      throw error;
    }
  }

  private async runTask(
    plan: BatchPlan,
    epoch: number,
    read: ReadBatch | undefined,
    slot: SharedArrayBuffer,
    pairs: readonly Pair[],
    firstRow: number,
  ): Promise<TaskFailures> {
    const end = Math.min(firstRow + taskSamples, plan.sample.length);
    const task: ViewTask = {
      epoch,
      source: plan.source.slice(firstRow, end),
      sample: plan.sample.slice(firstRow, end),
      pass: plan.pass.slice(firstRow, end),
      memory: read && partOf(read.memory, firstRow, end),
      slot,
      firstRow,
      pairs: pairs.filter(({ a }) => a >= firstRow && a < end),
    };
    this.options.clock.taskSent();
    const samples = end - firstRow;
    let work: ViewAnswer["work"];
    let answer: ViewAnswer;
    try {
      answer = await this.pool.run<ViewAnswer>(task, this.signal);
      work = answer.work;
    } finally {
      this.options.clock.taskEnded(work, samples, samples * this.viewBytes);
    }
    if ("error" in answer) throw fromWire(answer.error);
    return (answer.failures ?? []).map((failure) => ({
      ...failure,
      row: firstRow + failure.sample,
      copyOf: failure.copyOf < 0 ? -1 : firstRow + failure.copyOf,
    }));
  }

  /** Neighbours in the order of the whole step, so that pairs do not depend on the number of ranks. */
  private drawPairs(plan: BatchPlan, random: (sample: number, pass: number) => Random): Pair[] {
    const { view } = this.options.settings;
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
    const labels = new Int32Array(this.options.batchSize).fill(-1);
    const mask = new Float32Array(this.options.batchSize);
    for (const failure of failures) this.judge(failure, plan);
    for (const { row, copyOf } of failures) {
      if (copyOf < 0) continue;
      shown.source[row] = plan.source[copyOf] as number;
      shown.sample[row] = plan.sample[copyOf] as number;
    }
    for (let i = 0; i < plan.sample.length; i++) {
      const { labels: known } = this.options.sources[shown.source[i] as number] as OpenedSource;
      labels[i] = known[shown.sample[i] as number] as number;
      mask[i] = 1;
    }
    for (const { row, copyOf } of failures) {
      if (copyOf >= 0) continue;
      labels[row] = -1;
      mask[row] = 0;
    }
    const samples = plan.sample.length;
    const arrays = slotArrays(slot, this.form, this.options.batchSize);
    if (samples < this.options.batchSize)
      for (const { data } of arrays) data.fill(0, (data.length / this.options.batchSize) * samples);
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
      state: this.options.stateAt(epoch, plan.step + 1),
      release,
    };
  }

  /** Counts a damaged sample, or ends the epoch with its error. */
  private judge(failure: TaskFailures[number], plan: BatchPlan): void {
    const { row, message, copyOf } = failure;
    const code = isErrorCode(failure.code) ? failure.code : "INTERNAL";
    const source = plan.source[row] as number;
    const { dataset } = this.options.sources[source] as OpenedSource;
    const nothingLeft = this.options.settings.dropLast && copyOf < 0;
    if (this.options.settings.onBadSample === "fail" || ofTheMachine.has(code) || nothingLeft) {
      const sample = plan.sample[row] as number;
      const facts = { source: urlOfSample(dataset.manifest, dataset, sample), key: dataset.index.key(sample) };
      throw new ToolkitError(code, message, facts);
    }
    this.skipped[code] = (this.skipped[code] ?? 0) + 1;
  }

  private indexOf(source: number): Dataset["index"] {
    return (this.options.sources[source] as OpenedSource).dataset.index;
  }
}

/** What is wrong with the machine is so with every sample; anything else is the sample's own. */
const ofTheMachine: ReadonlySet<ErrorCode> = new Set(["IO_ERROR", "OUT_OF_MEMORY"]);

function workerSource(dataset: Dataset, readsFiles: boolean): WorkerSource {
  const { manifest, indexBytes, offsets, firstSamples, files } = dataset;
  return {
    indexBytes,
    offsets,
    firstSamples,
    files,
    folder: manifest.folder,
    shards: manifest.shards.map(({ name }) => ({ name })),
    codec: manifest.codec,
    readsFiles,
  };
}

type Pair = MixedPair & { readonly share: number };
type TaskFailures = (BatchFailure & { readonly row: number })[];

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
  const positions = new Map(used.map((buffer, i) => [buffer, i]));
  return {
    buffers: used.map((i) => memory.buffers[i] as Uint8Array),
    codecs: used.map((i) => memory.codecs[i] as Codec),
    damaged: used.map((i) => memory.damaged[i] as boolean),
    buffer: memory.buffer.slice(first, end).map((buffer) => positions.get(buffer) as number),
    offset: memory.offset.slice(first, end),
    byteLength: memory.byteLength.slice(first, end),
    firstByte: memory.firstByte.slice(first, end),
  };
}
