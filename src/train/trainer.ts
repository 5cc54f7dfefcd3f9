// The training loop: batches in, one optimiser step each, a checkpoint at the end.
import type { NamedTensorMap, Scalar, Tensor, Variable } from "@tensorflow/tfjs-node-gpu";
import { invalidOption, ToolkitError } from "../errors.js";
import { type LoadedBatch, Loader } from "../pipeline/load/loader.js";
import type { LoaderCacheOptions } from "../pipeline/load/options.js";
import { type LoadedManifest, readManifest } from "../shards/manifest.js";
import type { CacheCounters } from "../storage/cache.js";
import { countersSince, type StorageCounters, storageCounters } from "../storage/counters.js";
import { toTensors } from "./batch.js";
import { saveCheckpoint } from "./checkpoint.js";
import { loadTensorflow, type Tf } from "./engine/tensorflow.js";
import { crossEntropy, type EvaluateReport, evaluateModel } from "./evaluate.js";
import { buildNetwork, findNetwork, type Network } from "./networks/build.js";
import { MomentumSgd } from "./optimizer.js";
import { defaultRecipe, learningRateAt, type Recipe } from "./recipe.js";

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
  /** Side of the views in pixels. Default 224. */
  readonly inputSize?: number;
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
  | "onBadSample";
type Settings = Required<Omit<TrainOptions, Optional>> & Pick<TrainOptions, Optional>;

function resolve(options: TrainOptions): Settings {
  const settings = { epochs: 90, batchSize: 32, width: 1, inputSize: 224, augment: true, seed: 0, ...options };
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

/** Trains from scratch. UNKNOWN_NETWORK, TENSORFLOW_MISSING, NUMERIC_OVERFLOW, and what the loader throws. */
export async function train(options: TrainOptions): Promise<TrainReport> {
  const settings = resolve(options);
  const before = storageCounters();
  const definition = findNetwork(settings.network);
  const manifest = await readManifest(settings.manifest);
  const val = settings.val === undefined ? undefined : await readManifest(settings.val);
  const classes = classCount(manifest);
  const { inputSize, batchSize, seed, signal, workers, prefetchBytes } = settings;
  const view = { kind: definition.input, size: inputSize, augment: settings.augment ? "train" : "eval" } as const;
  const loader = await Loader.open(manifest, {
    view,
    batchSize,
    seed,
    workers,
    prefetchBytes,
    onBadSample: settings.onBadSample,
    cache: settings.cache,
    signal,
  });
  try {
    const tf = loadTensorflow();
    const network = buildNetwork(tf, settings.network, { classes, inputSize, width: settings.width, seed });
    const steps = Math.min(settings.maxSteps ?? Infinity, Math.ceil(settings.epochs * loader.steps));
    const run = await runSteps(
      new Stepper(tf, network, classes, defaultRecipe(batchSize, steps, settings.learningRate)),
      loader,
      steps,
      settings,
    );
    const epochs = steps / loader.steps;
    await loader.close();
    const info = {
      network: settings.network,
      input: definition.input,
      inputSize,
      width: settings.width,
      classes,
      epochs,
      steps,
      seed,
      trainedOn: manifest.url,
    };
    const checkpoint = await saveCheckpoint(tf, network.model, info, settings.out);
    const score: EvaluateReport | undefined =
      val &&
      (await evaluateModel(tf, network.logits, classes, {
        manifest: val,
        kind: definition.input,
        inputSize,
        batchSize,
        workers,
        prefetchBytes,
        cache: settings.cache,
        signal,
      }));
    return {
      network: settings.network,
      epochs: Number(epochs.toFixed(3)),
      steps,
      ...run,
      valTop1: score?.top1,
      valTop5: score?.top5,
      parameters: network.model.countParams(),
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
        losses.push(stepper.step(batch, losses.length));
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

/** One network, its optimiser and what a step does with them. */
class Stepper {
  private readonly optimizer: MomentumSgd;
  private readonly variables: Variable[];

  constructor(
    private readonly tf: Tf,
    private readonly network: Network,
    private readonly classes: number,
    private readonly recipe: Recipe,
  ) {
    this.optimizer = new MomentumSgd(tf, recipe);
    // A layer's weight is a wrapper; the variable behind it is what gradients are taken of.
    this.variables = network.logits.trainableWeights.map((weight) => (weight as unknown as { val: Variable }).val);
  }

  get tensorCount(): number {
    return this.tf.memory().numTensors;
  }

  learningRate(step: number): number {
    return learningRateAt(this.recipe, step);
  }

  /** Returns the batch's loss before the update. */
  step(batch: LoadedBatch, index: number): number {
    const { tf } = this;
    const { inputs, labels, dispose } = toTensors(tf, batch);
    const { value, grads } = tf.variableGrads(() => this.loss(inputs, labels), this.variables);
    this.optimizer.apply(this.variables, grads as NamedTensorMap, this.learningRate(index));
    const loss = value.dataSync()[0] as number;
    value.dispose();
    tf.dispose(grads);
    dispose();
    if (Number.isFinite(loss)) return loss;
    throw new ToolkitError(
      "NUMERIC_OVERFLOW",
      `the loss is ${loss} at step ${index + 1}; lower the learning rate (--lr ${this.recipe.learningRate / 4})`,
    );
  }

  dispose(): void {
    this.optimizer.dispose();
  }

  private loss(inputs: Tensor[], labels: Tensor): Scalar {
    const logits = this.network.logits.apply(inputs, { training: true }) as Tensor;
    return crossEntropy(this.tf, logits, labels, this.classes) as Scalar;
  }
}
