// The read half, wired: plan -> prefetched groups (from a cache where there is one) -> view workers -> batches in shared memory.
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { fromWire, invalidOption, ToolkitError, type WireError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import { planEpoch } from "../../shards/plan.js";
import { type CacheCounters, type CacheOptions, DiskCache } from "../../storage/cache.js";
import { SharedBuffers } from "../shared-buffers.js";
import { type BatchBytes, type BatchCache, BatchSource } from "./batch-source.js";
import { type ReadGroup, readGroups } from "./prefetch.js";
import { type BatchArrays, slotArrays, slotBytes } from "./slot.js";
import { checkViewOptions, type ViewOptions } from "./view.js";
import type { ExpandAnswer, ExpandTask, SharedBatch, ViewTask } from "./view-task.js";

export interface LoaderOptions {
  readonly manifest: LoadedManifest;
  readonly view: ViewOptions;
  readonly batchSize: number;
  /** Decides order and augmentation, with the epoch. Default 0. */
  readonly seed?: number;
  /** False: manifest order. Default true. */
  readonly shuffle?: boolean;
  /** Leave out the last, smaller batch of an epoch. Default true when shuffling. */
  readonly dropLast?: boolean;
  /** View threads. Default: one less than the cores, at least 1. Never changes what is produced. */
  readonly workers?: number | undefined;
  /** Batches made ahead of the one in use. Default 3. */
  readonly prefetchBatches?: number;
  /** Keep what is read on the local disk, for the next epoch and other processes. Default: none. */
  readonly cache?: LoaderCacheOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoaderCacheOptions extends CacheOptions {
  /** Keep record batches uncompressed: twice the bytes, and much less work to read them. Default false. */
  readonly expanded?: boolean;
}

/** A batch in shared memory. Its arrays are overwritten some time after `release`, which must be called exactly once. */
export interface LoadedBatch {
  readonly arrays: BatchArrays;
  /** How many of the batch's places are samples; all but in a last, smaller batch. */
  readonly samples: number;
  release(): void;
}

/** Samples of one worker task: small enough to spread a batch over the workers. */
const taskSamples = 8;

export class Loader {
  readonly batchSize: number;
  private readonly pool: Piscina;
  private readonly settings: Required<Omit<LoaderOptions, "signal" | "cache">>;
  private readonly signal: AbortSignal | undefined;
  private readonly cacheOptions: LoaderCacheOptions | undefined;
  private disk: DiskCache | undefined;
  private readonly slots = new SharedBuffers();
  private readonly groupBuffers = new SharedBuffers();
  private nextGroup = 0;

  constructor(options: LoaderOptions) {
    const {
      seed = 0,
      shuffle = true,
      workers = Math.max(1, availableParallelism() - 1),
      prefetchBatches = 3,
    } = options;
    const { dropLast = shuffle } = options;
    const { manifest, view, batchSize, cache, signal } = options;
    checkViewOptions(view);
    if (!Number.isInteger(batchSize) || batchSize < 1) throw invalidOption("batch-size", "an integer >= 1", batchSize);
    if (!Number.isInteger(workers) || workers < 1) throw invalidOption("workers", "an integer >= 1", workers);
    if (!Number.isInteger(prefetchBatches) || prefetchBatches < 1)
      throw invalidOption("prefetch-batches", "an integer >= 1", prefetchBatches);
    if (dropLast && manifest.samples < batchSize) {
      throw invalidOption("batch-size", `at most the ${manifest.samples} samples of the data set`, batchSize);
    }
    this.batchSize = batchSize;
    this.signal = signal;
    this.cacheOptions = cache;
    this.settings = { manifest, view, batchSize, seed, shuffle, dropLast, workers, prefetchBatches };
    // A training step blocks this thread for long: all tasks of the batches ahead must be at the workers before it begins.
    this.pool = new Piscina({
      filename: new URL("./view-entry.cjs", import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: (prefetchBatches + 1) * Math.ceil(batchSize / taskSamples),
    });
  }

  /** Batches per epoch. */
  get steps(): number {
    const { manifest, batchSize, dropLast } = this.settings;
    return dropLast ? Math.floor(manifest.samples / batchSize) : Math.ceil(manifest.samples / batchSize);
  }

  /** Every sample once, in the order of (seed, epoch). CORRUPT_SHARD, CHECKSUM_MISMATCH, IO_ERROR. */
  async *epoch(epoch: number): AsyncGenerator<LoadedBatch> {
    const { manifest, seed, shuffle, prefetchBatches } = this.settings;
    const groups = planEpoch(manifest, seed, epoch, { shuffle });
    const buffers = this.groupBuffers;
    const source = new BatchSource(manifest, buffers, await this.openCache());
    const options = { groups, firstGroup: this.nextGroup, source, buffers, signal: this.signal };
    this.nextGroup += groups.length;
    const render = (batch: BatchPlan) => this.render(batch, epoch);
    yield* mapOrdered(this.inBatches(readGroups(options)), render, { limit: prefetchBatches, signal: this.signal });
  }

  /** Of the disk cache, once an epoch has begun; undefined without one. */
  get cacheCounters(): CacheCounters | undefined {
    return this.disk?.counters;
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async openCache(): Promise<BatchCache | undefined> {
    if (this.cacheOptions === undefined) return undefined;
    this.disk ??= await DiskCache.open(this.cacheOptions);
    const expand = async ({ url, codec, bytes }: BatchBytes) => {
      const task: ExpandTask = { expand: { url, codec, bytes } };
      const answer: ExpandAnswer = await this.pool.run(task);
      if ("error" in answer) throw fromWire(answer.error);
      return answer.bytes;
    };
    return { disk: this.disk, expand: this.cacheOptions.expanded ? expand : undefined };
  }

  private async *inBatches(groups: AsyncIterable<ReadGroup>): AsyncGenerator<BatchPlan> {
    let plan = new BatchPlan();
    for await (const group of groups) {
      for (const { batch, row } of group.plan.samples) {
        plan.add(group, batch, row);
        if (plan.length < this.batchSize) continue;
        yield plan;
        plan = new BatchPlan();
      }
    }
    if (plan.length > 0 && !this.settings.dropLast) yield plan;
    else plan.done();
  }

  private async render(plan: BatchPlan, epoch: number): Promise<LoadedBatch> {
    const { view, batchSize, seed } = this.settings;
    const slot = this.slots.take(slotBytes(view, batchSize));
    const tasks: Promise<WireError | undefined>[] = [];
    for (let first = 0; first < plan.length; first += taskSamples) {
      const samples = Int32Array.from(plan.samples.slice(2 * first, 2 * (first + taskSamples)));
      const task: ViewTask = { batches: plan.batches, samples, view, seed, epoch, slot, batchSize, firstIndex: first };
      tasks.push(this.pool.run(task));
    }
    const failures = (await Promise.allSettled(tasks)).map((result) =>
      result.status === "rejected" ? asWire(result.reason) : result.value,
    );
    plan.done();
    const failure = failures.find((wire) => wire !== undefined);
    if (failure !== undefined) {
      this.slots.giveBack(slot);
      throw fromWire(failure);
    }
    let released = false;
    const release = () => {
      if (released) throw new ToolkitError("INTERNAL", "a batch was released twice");
      released = true;
      this.slots.giveBack(slot);
    };
    return { arrays: slotArrays(slot, view, batchSize, plan.length), samples: plan.length, release };
  }
}

/** A batch-sized piece of the epoch's order, with the record batches it needs. */
class BatchPlan {
  readonly batches: SharedBatch[] = [];
  /** Pairs: index into `batches`, row. */
  readonly samples: number[] = [];
  private readonly groups = new Map<ReadGroup, { count: number; readonly places: Map<number, number> }>();

  get length(): number {
    return this.samples.length / 2;
  }

  add(group: ReadGroup, batch: number, row: number): void {
    let use = this.groups.get(group);
    if (use === undefined) {
      use = { count: 0, places: new Map() };
      this.groups.set(group, use);
    }
    let place = use.places.get(batch);
    if (place === undefined) {
      place = this.batches.push(group.batches[batch] as SharedBatch) - 1;
      use.places.set(batch, place);
    }
    this.samples.push(place, row);
    use.count++;
  }

  /** Its samples are rendered, or dropped: their groups may go. */
  done(): void {
    for (const [group, { count }] of this.groups) group.done(count);
  }
}

function asWire(reason: unknown): WireError {
  return { code: "INTERNAL", message: `a view worker failed: ${(reason as Error).message}` };
}
