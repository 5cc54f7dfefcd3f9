// The training loop: batches in, one optimiser step each, a checkpoint at the end.
import { invalidOption } from "../errors.js";
import type { Frequencies } from "../pipeline/load/frequencies.js";
import { Loader } from "../pipeline/load/loader.js";
import type { LoaderCacheOptions } from "../pipeline/load/options.js";
import { type LoadedManifest, readManifest } from "../shards/manifest.js";
import type { CacheCounters } from "../storage/cache.js";
import { countersSince, type StorageCounters, storageCounters } from "../storage/counters.js";
import { saveCheckpoint } from "./checkpoint.js";
import { type DeviceChoice, type EngineName, openEngine } from "./engine/engine.js";
import { type EvaluateReport, evaluateModel } from "./evaluate.js";
import { networkInput, viewOf } from "./input.js";
import { buildNetwork, findNetwork } from "./networks/build.js";
import { layersOf } from "./networks/layers-of.js";
import { defaultRecipe } from "./recipe.js";
import { Stepper } from "./step.js";

export interface TrainOptions {
  readonly manifest: string;
  /** A network's id, as in networks/definitions.ts. */
  readonly network: string;
  /** Evaluated once at the end. Default: not at all. */
  readonly val?: string | undefined;
  /** Folder for the checkpoint. */
  readonly out: string;
  /** Passes over the data. Default 90, as in the paper. */
  readonly epochs?: number;
  /** Stop after this many steps, however many epochs that is; the learning rate's schedule ends there too. */
  readonly maxSteps?: number | undefined;
  /** Default 32. */
  readonly batchSize?: number;
  /** Peak learning rate. Default 0.1 per 256 samples of a batch. */
  readonly learningRate?: number | undefined;
  /** Factor on all channel counts. Default 1. */
  readonly width?: number;
  /** Side of the views in pixels, a multiple of 32. Default 224. */
  readonly inputSize?: number;
  /** DCT networks: which frequencies they are fed. Default: all. */
  readonly frequencies?: Frequencies | undefined;
  /** DCT networks: luma alone. Default false. */
  readonly grey?: boolean;
  /** What computes: see EngineOptions. Default "tensorflow" on whatever device it finds. */
  readonly engine?: EngineName | undefined;
  readonly device?: DeviceChoice | undefined;
  /** Random resized crops and flips, or the evaluation view. Default true. */
  readonly augment?: boolean;
  readonly seed?: number;
  /** View threads. */
  readonly workers?: number | undefined;
  /** Bytes the loader holds ahead of their use. Default 1 GiB. */
  readonly prefetchBytes?: number | undefined;
  /** What a damaged training sample does; in validation it always ends the run. Default "fail". */
  readonly onBadSample?: "fail" | "skip" | undefined;
  /** Of the training data, on the local disk. Default: none. */
  readonly cache?: LoaderCacheOptions | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface StepReport {
  /** Counts from 1. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  /** Mean cross-entropy of the batch, in nats, before its update. */
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Tensors alive after the step: constant, or something leaks. */
  readonly tensors: number;
}

export interface TrainReport {
  readonly network: string;
  readonly epochs: number;
  readonly steps: number;
  /** Of the first step, and the mean of the last tenth. */
  readonly firstLoss: number;
  readonly loss: number;
  readonly valTop1: number | undefined;
  readonly valTop5: number | undefined;
  readonly imagesPerSecond: number;
  /** Share of the loop's time that the step waited for its batch. */
  readonly inputStallFraction: number;
  readonly seconds: number;
  readonly tensors: { readonly afterFirstStep: number; readonly afterLastStep: number };
  readonly parameters: number;
  /** What computed: the engine's device, in words. */
  readonly device: string;
  /** Requests to storage services, and how many of them had to be made again. */
  readonly storage: StorageCounters;
  /** Damaged samples that were replaced, by code. */
  readonly skipped: Readonly<Record<string, number>>;
  /** What the cache did; undefined without one. */
  readonly cache: CacheCounters | undefined;
  readonly checkpoint: string;
}

type Optional =
  | "val"
  | "onStep"
  | "signal"
  | "workers"
  | "maxSteps"
  | "learningRate"
  | "cache"
  | "prefetchBytes"
  | "onBadSample"
  | "frequencies"
  | "engine"
  | "device";
type Settings = Required<Omit<TrainOptions, Optional>> & Pick<TrainOptions, Optional>;

function resolve(options: TrainOptions): Settings {
  const settings = {
    epochs: 90,
    batchSize: 32,
    width: 1,
    inputSize: 224,
    grey: false,
    augment: true,
    seed: 0,
    ...options,
  };
  if (!(settings.epochs > 0)) throw invalidOption("epochs", "a number > 0", settings.epochs);
  if (settings.maxSteps !== undefined && !(Number.isInteger(settings.maxSteps) && settings.maxSteps > 0))
    throw invalidOption("max-steps", "an integer >= 1", settings.maxSteps);
  if (settings.learningRate !== undefined && !(settings.learningRate > 0))
    throw invalidOption("lr", "a number > 0", settings.learningRate);
  return settings;
}

/** Outputs of the network: labels count from 0, and a class without samples still has its place. */
export function classCount(manifest: LoadedManifest): number {
  return Math.max(2, ...manifest.classes.map(({ index }) => index + 1));
}

/** By class index; undefined when none has a name. */
function classNames(manifest: LoadedManifest): string[] | undefined {
  const named = new Map(manifest.classes.map(({ index, name, synset }) => [index, name ?? synset]));
  if ([...named.values()].every((name) => name === undefined)) return undefined;
  return Array.from({ length: classCount(manifest) }, (_, index) => named.get(index) ?? `class ${index}`);
}

/** Trains from scratch. UNKNOWN_NETWORK, TENSORFLOW_MISSING, WEBGPU_MISSING, NO_GPU, NUMERIC_OVERFLOW, and what the loader throws. */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const settings = resolve(options);
  const before = storageCounters();
  const definition = findNetwork(settings.network);
  const manifest = await readManifest(settings.manifest);
  const val = settings.val === undefined ? undefined : await readManifest(settings.val);
  const { inputSize, batchSize, seed, signal, workers, prefetchBytes, frequencies, grey, width } = settings;
  const shape = { classes: classCount(manifest), inputSize, width, frequencies, grey, seed };
  layersOf(definition, shape); // what cannot be built is refused before anything is read or loaded
  const input = networkInput(definition, inputSize, frequencies);
  const reading = { batchSize, workers, prefetchBytes, cache: settings.cache, signal };
  const view = viewOf(input, settings.augment ? "train" : "eval");
  const loader = await Loader.open(manifest, { ...reading, view, seed, onBadSample: settings.onBadSample });
  try {
    const engine = await openEngine({ engine: settings.engine, device: settings.device });
    const network = buildNetwork(engine.tf, settings.network, shape);
    const steps = Math.min(settings.maxSteps ?? Infinity, Math.ceil(settings.epochs * loader.steps));
    const recipe = defaultRecipe(batchSize, steps, settings.learningRate);
    const run = await runSteps(new Stepper(engine, network, shape.classes, recipe), loader, steps, settings);
    const epochs = steps / loader.steps;
    await loader.close();
    const info = {
      network: settings.network,
      ...input,
      grey,
      width,
      classes: shape.classes,
      classNames: classNames(manifest),
      epochs,
      steps,
      seed,
      trainedOn: manifest.url,
    };
    const checkpoint = await saveCheckpoint(engine.tf, network.model, info, settings.out);
    const score: EvaluateReport | undefined =
      val && (await evaluateModel(engine, network.logits, input, { manifest: val, ...reading }));
    return {
      network: settings.network,
      epochs: Number(epochs.toFixed(3)),
      steps,
      ...run,
      valTop1: score?.top1,
      valTop5: score?.top5,
      parameters: network.model.countParams(),
      device: engine.device,
      storage: countersSince(before),
      skipped: loader.skipped,
      cache: loader.cacheCounters,
      checkpoint,
    };
  } finally {
    await loader.close();
  }
}

type RunReport = Pick<
  TrainReport,
  "firstLoss" | "loss" | "imagesPerSecond" | "inputStallFraction" | "seconds" | "tensors"
>;

async function runSteps(stepper: Stepper, loader: Loader, steps: number, settings: Settings): Promise<RunReport> {
  const losses: number[] = [];
  const tensors: number[] = [];
  let waitedMs = 0;
  const started = performance.now();
  let mark = started;
  try {
    for (let epoch = 0; losses.length < steps; epoch++) {
      for await (const batch of loader.epoch(epoch)) {
        const begun = performance.now();
        // The first batch has nothing to hide behind: filling the pipeline is start-up, not a stall.
        if (losses.length > 0) waitedMs += begun - mark;
        losses.push(await stepper.step(batch, losses.length));
        batch.release();
        mark = performance.now();
        tensors.push(stepper.tensorCount);
        report(
          settings,
          stepper,
          losses,
          steps,
          epoch,
          ((losses.length * loader.batchSize) / (mark - started)) * 1000,
          tensors,
        );
        if (losses.length >= steps) break;
        await new Promise(setImmediate); // TensorFlow blocks the event loop: let reads and signals through between steps
        settings.signal?.throwIfAborted();
      }
    }
  } finally {
    stepper.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  const tail = losses.slice(-Math.max(1, Math.round(losses.length / 10)));
  return {
    firstLoss: losses[0] as number,
    loss: tail.reduce((sum, loss) => sum + loss, 0) / tail.length,
    imagesPerSecond: Math.round((10 * losses.length * loader.batchSize) / seconds) / 10,
    inputStallFraction: Math.round((1000 * waitedMs) / (seconds * 1000)) / 1000,
    seconds: Math.round(seconds * 10) / 10,
    tensors: { afterFirstStep: tensors[0] as number, afterLastStep: tensors.at(-1) as number },
  };
}

function report(
  settings: Settings,
  stepper: Stepper,
  losses: readonly number[],
  steps: number,
  epoch: number,
  imagesPerSecond: number,
  tensors: readonly number[],
): void {
  const step = losses.length;
  settings.onStep?.({
    step,
    steps,
    epoch,
    loss: losses.at(-1) as number,
    learningRate: stepper.learningRate(step - 1),
    imagesPerSecond,
    tensors: tensors.at(-1) as number,
  });
}
