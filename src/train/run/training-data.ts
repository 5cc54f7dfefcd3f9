// The training set over the epochs of a run: which samples each step takes, in parts, and at what size they are seen.
import type { LoadedBatch } from "../../pipeline/load/loaded-batch.js";
import { Loader } from "../../pipeline/load/loader.js";
import type { LoaderState } from "../../pipeline/load/state.js";
import { addCounters, type PipelineCounters } from "../../pipeline/stage-clock.js";
import type { Dataset } from "../../shards/dataset.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import type { CacheCounters } from "../../storage/disk/cache.js";
import type { Collective } from "../collective/collective.js";
import { type NetworkInput, viewOf } from "../input.js";
import { defaultWorkers, partSize, type TrainSettings } from "../options.js";
import { progressiveSize } from "../step/recipe.js";
import { stepStage } from "./meter.js";

/** One step's share of the data. */
export interface StepData {
  readonly epoch: number;
  /** Samples of it, of all its parts and all ranks. */
  readonly planned: number;
  readonly parts: number;
  /** Batches in turn; each is to be released before the next is asked for. */
  readonly batches: AsyncIterable<LoadedBatch>;
}

/** Epochs `[first, end)` whose views have one size. */
interface Stretch {
  readonly first: number;
  readonly end: number;
  readonly inputSize: number;
}

export class TrainingData {
  /** Steps of the optimiser, per epoch. */
  readonly stepsPerEpoch: number;
  private readonly skippedBefore: Record<string, number> = {};
  private countersBefore: PipelineCounters | undefined;

  private constructor(
    private readonly open: (inputSize: number) => Promise<Loader>,
    private loader: Loader,
    private loaderSize: number,
    private readonly settings: TrainSettings,
  ) {
    this.stepsPerEpoch = Math.ceil(loader.steps / settings.accumulate);
  }

  static async open(
    manifest: LoadedManifest,
    input: NetworkInput,
    settings: TrainSettings,
    { rank, size: worldSize, localSize }: Collective,
    signal: AbortSignal | undefined,
  ): Promise<TrainingData> {
    const { seed, dropLast, prefetchBytes, onBadSample, cache, cropScale, policy, augment } = settings;
    const open = (inputSize: number) =>
      Loader.open(manifest, {
        view: {
          ...viewOf({ ...input, inputSize }, augment ? "train" : "eval"),
          policy,
          ...(cropScale !== undefined && { scale: [cropScale, 1] as const }),
        },
        batchSize: partSize(settings),
        rank,
        worldSize,
        seed,
        dropLast,
        workers: settings.workers ?? defaultWorkers(localSize),
        prefetchBytes,
        onBadSample,
        cache,
        consumer: stepStage,
        recorder: settings.recorder,
        onWarning: settings.onWarning,
        signal,
      });
    const size = settings.firstInputSize ?? input.inputSize;
    return new TrainingData(open, await open(size), size, settings);
  }

  /** Samples of every epoch that its steps have no room for: see TrainOptions.dropLast. */
  get leftOut(): number {
    return Math.max(0, this.loader.samples - this.loader.steps * partSize(this.settings));
  }

  get dataset(): Dataset {
    return this.loader.datasets[0] as Dataset;
  }

  /** Where the data stands after so many steps. */
  positionAfter(step: number): LoaderState {
    const { epoch, part } = this.placeOf(step);
    return this.loader.stateAt(epoch, part);
  }

  /**
   * Checks a saved position. Throws BAD_STATE, and STATE_MISMATCH when the data or what decides its order is another
   * than when it was saved.
   */
  checkPosition(position: unknown): void {
    this.loader.resume(position);
  }

  /** Damaged samples so far, by code. */
  get skipped(): Readonly<Record<string, number>> {
    const all = { ...this.skippedBefore };
    for (const [code, count] of Object.entries(this.loader.skipped)) all[code] = (all[code] ?? 0) + count;
    return all;
  }

  /** Where the time has gone; with views that grow, of all sizes together. */
  get counters(): PipelineCounters {
    const { counters } = this.loader;
    return this.countersBefore === undefined ? counters : addCounters(counters, this.countersBefore);
  }

  /** While it is held, no step is under way that could be called busy or waiting for input. */
  hold(on: boolean): void {
    this.loader.hold(on);
  }

  /** What the disk cache has done; undefined without one. */
  get cacheCounters(): CacheCounters | undefined {
    return this.loader.cacheCounters;
  }

  /** The steps `[fromStep, steps)` of a run of `epochs`. */
  async *steps(fromStep: number, steps: number, epochs: number): AsyncGenerator<StepData> {
    const from = this.placeOf(fromStep);
    for (let first = from.epoch; first * this.stepsPerEpoch < steps; ) {
      const stretch = this.stretchFrom(first, epochs, Math.ceil(steps / this.stepsPerEpoch));
      await this.useSize(stretch.inputSize);
      const fromPart = first === from.epoch ? from.part : 0;
      const batches = this.loader.epochs(first, stretch.end, fromPart);
      try {
        const firstStep = first === from.epoch ? fromStep : first * this.stepsPerEpoch;
        for (let step = firstStep; step < Math.min(steps, stretch.end * this.stepsPerEpoch); step++) {
          const { epoch, part } = this.placeOf(step);
          const parts = Math.min(this.settings.accumulate, this.loader.steps - part);
          yield { epoch, parts, planned: this.samplesOf(part, parts), batches: take(batches, parts) };
        }
      } finally {
        await batches.return(undefined);
      }
      first = stretch.end;
    }
  }

  async close(): Promise<void> {
    await this.loader.close();
  }

  private placeOf(step: number): { readonly epoch: number; readonly part: number } {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    return { epoch, part: (step - epoch * this.stepsPerEpoch) * this.settings.accumulate };
  }

  private samplesOf(part: number, parts: number): number {
    const size = partSize(this.settings);
    return Math.min(this.loader.samples, (part + parts) * size) - part * size;
  }

  private stretchFrom(first: number, epochs: number, end: number): Stretch {
    const { inputSize, firstInputSize = inputSize } = this.settings;
    const sizeAt = (epoch: number) => progressiveSize(firstInputSize, inputSize, epoch, epochs);
    let next = first + 1;
    while (next < end && sizeAt(next) === sizeAt(first)) next++;
    return { first, end: next, inputSize: sizeAt(first) };
  }

  private async useSize(inputSize: number): Promise<void> {
    if (inputSize === this.loaderSize) return;
    Object.assign(this.skippedBefore, this.skipped);
    this.countersBefore = this.counters;
    await this.loader.close();
    this.loader = await this.open(inputSize);
    this.loaderSize = inputSize;
  }
}

async function* take<T>(items: AsyncIterator<T>, count: number): AsyncGenerator<T> {
  for (let i = 0; i < count; i++) {
    const next = await items.next();
    if (next.done === true) return;
    yield next.value;
  }
}
