// dctstream profile train: some steps of a real run, beside the same steps on a batch in memory, which is the most that
// faster input could win, and the loader without any steps, which is the most that a faster device could use.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Loader } from "../../../src/pipeline/load/loader.js";
import { defaultPrefetchBytes } from "../../../src/pipeline/load/prefetch-bytes.js";
import type { Recorder } from "../../../src/pipeline/stage-clock.js";
import { outputCount } from "../../../src/shards/class-list.js";
import { countableClasses } from "../../../src/shards/dataset-classes.js";
import type { LoadedManifest } from "../../../src/shards/manifest.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { networkInput, viewOf } from "../../../src/train/input.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { defaultWorkers, type TrainOptions } from "../../../src/train/options.js";
import { stepStage } from "../../../src/train/run/meter.js";
import { train } from "../../../src/train/run/trainer.js";
import { timeNetwork } from "../../../src/train/time-network.js";
import { type Feeding, type FeedingLimits, feedingStages, measureLimits, recommendFor, stationOf } from "../feeding.js";
import { type Measured, startMeasuring, throughputOf } from "../measure.js";
import { type Profiled, profiledFrom } from "../profiled.js";
import { medianOf } from "../quantile.js";
import { consumer, measureLoader } from "../read/measure.js";
import { Recording } from "../recording.js";
import type { Stage } from "../stage.js";
import { trainingVerdict } from "../verdict.js";

/** Steps in which the engine prepares itself. */
const warmUpSteps = 2;
const fewestSteps = 4;

export type ProfileTrainOptions = Omit<TrainOptions, "manifest" | "out"> & {
  readonly batchSize: number;
  readonly inputSize: number;
};

export async function profileTrain(
  manifest: LoadedManifest,
  options: ProfileTrainOptions,
  seconds: number,
): Promise<Profiled> {
  const { network, batchSize, inputSize, frequencies, width, grey, signal, engine, device } = options;
  const limits = await measureLimits(manifest);
  const opened = await openEngine({ engine, device });
  const classes = outputCount(await countableClasses(manifest));
  const shape = { classes, inputSize, frequencies, width, grey };
  const timing = { ...shape, phase: "train", batchSize, seconds: seconds / 2, signal } as const;
  const stepMs = medianOf(await timeNetwork(opened, network, timing));
  const feeding = feedingOf(manifest, options);
  const loaderAlone = await measureAlone(feeding, seconds / 4, signal);
  const recording = new Recording();
  const most = Math.ceil((4000 * seconds) / stepMs);
  const measured = await trainSome(manifest, options, { seconds, most, recording });
  return profileSteps(feeding, limits, measured, recording, { stepMs, batchSize, loaderAlone });
}

export function feedingOf(manifest: LoadedManifest, options: ProfileTrainOptions): Feeding {
  const {
    network,
    inputSize,
    frequencies,
    batchSize,
    cache,
    prefetchBytes = defaultPrefetchBytes([{ manifest }]),
  } = options;
  const view = viewOf(networkInput(findNetwork(network), inputSize, frequencies), "train");
  return { manifest, view, batchSize, cache, prefetchBytes, workers: options.workers ?? defaultWorkers(1) };
}

/** Images a second of the loader, without any steps. */
async function measureAlone(feeding: Feeding, seconds: number, signal: AbortSignal | undefined): Promise<number> {
  const { manifest, view, batchSize, workers, prefetchBytes, cache } = feeding;
  await using loader = await Loader.open(manifest, { view, batchSize, workers, prefetchBytes, cache, signal });
  const { counters } = await measureLoader(loader, seconds, signal);
  return throughputOf(counters, consumer);
}

/** What was measured beside the run itself, where it was. */
export interface Beside {
  /** Milliseconds of a step on one batch in memory, and its samples. */
  readonly stepMs?: number | undefined;
  readonly batchSize: number;
  /** Images a second of the loader without steps. */
  readonly loaderAlone?: number | undefined;
}

/** The profile of steps that were made. */
export async function profileSteps(
  feeding: Feeding,
  limits: FeedingLimits,
  measured: Measured,
  recording: Recording,
  { stepMs, batchSize, loaderAlone }: Beside,
): Promise<Profiled> {
  const imagesPerSecond = throughputOf(measured.counters, stepStage);
  const alone = stepMs === undefined ? undefined : (1000 * batchSize) / stepMs;
  const limit = alone === undefined ? undefined : { imagesPerSecond: alone, what: "steps on one batch in memory" };
  const stages = feedingStages(feeding, limits, measured, imagesPerSecond, { [stepStage]: { alone, limit } });
  const step = stages.at(-1) as Stage;
  // Validation and checkpoints are not a wait that input could win back.
  const running = imagesPerSecond / (1 - step.waitForOutput);
  const fasterInput = Math.max(0, (alone ?? running / (1 - step.waitForInput)) / running - 1);
  const station = await stationOf(feeding, measured, stages, imagesPerSecond);
  return profiledFrom(measured, station, recording, {
    what: "train",
    ...trainingVerdict(step, stages.slice(0, -1), station.cores, { imagesPerSecond, fasterInput }),
    limits: { ...limits, ...(stepMs !== undefined && { stepMs }) },
    headroom: loaderAlone === undefined ? undefined : { fasterInput, fasterDevice: loaderAlone / imagesPerSecond - 1 },
    recommendations: await recommendFor(feeding, station),
  });
}

interface SomeSteps {
  readonly seconds: number;
  readonly most: number;
  readonly recording: Recording;
}

async function trainSome(
  manifest: LoadedManifest,
  options: ProfileTrainOptions,
  { seconds, most, recording }: SomeSteps,
): Promise<Measured> {
  const folder = mkdtempSync(path.join(tmpdir(), "dctstream-profile-"));
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  let begin: () => () => Measured;
  let stop: (() => Measured) | undefined;
  let measured: Measured | undefined;
  let began = 0;
  const steps = warmUpSteps + Math.max(fewestSteps, most);
  const onStep = ({ step }: { readonly step: number }) => {
    if (step === warmUpSteps) {
      recording.clear();
      stop = begin();
      began = performance.now();
    } else if (measured === undefined && step >= warmUpSteps + fewestSteps) {
      if (step < steps && performance.now() - began < 1000 * seconds) return;
      measured = stop?.();
      enough.abort();
    }
  };
  try {
    // A rate that changes nothing: only time is looked at.
    const settings = {
      checkpointEvery: Number.MAX_SAFE_INTEGER,
      learningRate: 1e-6,
      warmupEpochs: 0,
      tensorboard: false,
      maxSteps: steps,
      epochs: steps,
    } as const;
    const recorder: Recorder = recording;
    const onCounters: TrainOptions["onCounters"] = (counters) => {
      begin = () => startMeasuring(counters);
    };
    const run = { ...options, ...settings, manifest: manifest.url, out: folder, recorder, onCounters, onStep, signal };
    await train(run).catch((error) => {
      if (measured === undefined) throw error;
    });
    return measured as unknown as Measured;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
