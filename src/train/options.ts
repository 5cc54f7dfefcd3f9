// What a training run can be asked for, checked and completed; and which of it makes it the run it is.
import { availableParallelism } from "node:os";
import { invalidOption, type ToolkitError } from "../errors.js";
import { type AugmentPolicy, mixesPairs } from "../pipeline/load/augment.js";
import type { Frequencies } from "../pipeline/load/frequencies.js";
import type { LoaderCacheOptions } from "../pipeline/load/options.js";
import type { PipelineCounters, Recorder } from "../pipeline/stage-clock.js";
import { publicUrl } from "../public-url.js";
import type { ClassComparison } from "../shards/class-list.js";
import type { DeviceChoice, EngineName } from "./engine/engine.js";
import { findNetwork } from "./networks/build.js";
import type { CheckpointReport, EpochReport, StepReport } from "./report.js";
import { type Schedule, scaledLearningRate, schedules, usualWarmupEpochs } from "./step/recipe.js";

export interface TrainOptions {
  readonly manifest: string;
  /** A network's id, as in networks/definitions.ts. */
  readonly network: string;
  /** Data set to evaluate on. Default: none. */
  readonly val?: string | undefined;
  /** Folder of the run: checkpoints, configuration, history and, at the end, the trained network. */
  readonly out: string;
  /** Start anew where `out` holds a run. Default false: go on with it when it is the same, refuse when not. */
  readonly overwrite?: boolean | undefined;
  /** What is not said is taken from there. Default: the paper's kind of recipe. */
  readonly preset?: PresetName | undefined;
  /** Passes over the data. Default 90, as in the paper. */
  readonly epochs?: number | undefined;
  /** Stop after this many steps, however many epochs that is; the learning rate's schedule ends there too. */
  readonly maxSteps?: number | undefined;
  /** Samples of a step, of all ranks together. Default 32. */
  readonly batchSize?: number | undefined;
  /** A step's samples are computed in so many parts, one after the other: less memory, the same gradient. Default 1. */
  readonly accumulate?: number | undefined;
  /** Peak learning rate. Default 0.1 per 256 samples of a step. */
  readonly learningRate?: number | undefined;
  /** How the rate falls. Default "step": x 0.1 after 30, 60 and 80 of 90 epochs. */
  readonly schedule?: Schedule | undefined;
  /** Epochs in which the rate rises. Default 5 of 90. */
  readonly warmupEpochs?: number | undefined;
  /** Default 0.9. */
  readonly momentum?: number | undefined;
  /** On kernels only. Default 1e-4. */
  readonly weightDecay?: number | undefined;
  /** Share of each label that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number | undefined;
  /** Gradients whose norm over all weights is larger are scaled down to it. Default: not. */
  readonly clipNorm?: number | undefined;
  /** Decay of a moving average of all weights, which is then what is evaluated and saved. Default: none. */
  readonly averageDecay?: number | undefined;
  /** The last normalisation of each residual branch begins at zero (Goyal et al. 2017, section 5.1). Default false. */
  readonly zeroInit?: boolean | undefined;
  /** Factor on all channel counts. Default 1. */
  readonly width?: number | undefined;
  /** Side of the views in pixels, a multiple of 32. Default 224. */
  readonly inputSize?: number | undefined;
  /** Side of the training views of the first epochs, growing to `inputSize`. Default: `inputSize` from the beginning. */
  readonly firstInputSize?: number | undefined;
  /** DCT networks: which frequencies they are fed. Default: all. */
  readonly frequencies?: Frequencies | undefined;
  /** DCT networks: luma alone. Default false. */
  readonly grey?: boolean | undefined;
  /** Random resized crops and flips, or the evaluation view. Default true. */
  readonly augment?: boolean | undefined;
  /** Least area of a random crop, relative to the image. Default 0.08. */
  readonly cropScale?: number | undefined;
  /** What else is done to training views. Default: nothing. */
  readonly policy?: AugmentPolicy | undefined;
  /**
   * Leave out an epoch's last, incomplete batch: of few samples it has poor statistics for its normalisation and a gradient as large as any.
   * Every epoch leaves out other samples. Default true; the run says at its start how many.
   */
  readonly dropLast?: boolean | undefined;
  /** Of weights, order and augmentation. Default 0. */
  readonly seed?: number | undefined;
  /** What a damaged training sample does; in validation it always ends the run. Default "fail". */
  readonly onBadSample?: "fail" | "skip" | undefined;
  /** With several ranks: batch normalisation over the samples of all of them. Default false: of each alone. */
  readonly syncBatchNorm?: boolean | undefined;

  /** What computes: see EngineOptions. Default "tensorflow" on whatever device it finds. */
  readonly engine?: EngineName | undefined;
  readonly device?: DeviceChoice | undefined;
  /** View threads. Default: one less than the cores that this rank can have, at least one. */
  readonly workers?: number | undefined;
  /** Bytes the loader holds ahead of their use. Default 1 GiB. */
  readonly prefetchBytes?: number | undefined;
  /** Of the training data, on the local disk. Default: none. */
  readonly cache?: LoaderCacheOptions | undefined;
  /** Epochs between validations. Default 1; the last epoch always has one. */
  readonly validateEvery?: number | undefined;
  /** Epochs between checkpoints. Default 1; there is always one at the end. */
  readonly checkpointEvery?: number | undefined;
  /** Steps between checkpoints, beside those of the epochs. Default: none. */
  readonly checkpointSteps?: number | undefined;
  /** How many of the latest checkpoints stay; the best one stays besides. Default 2. */
  readonly keepLast?: number | undefined;
  /** Folder for TensorBoard's event files, on a local disk; false: none. Default: in `out`, where that is local. */
  readonly tensorboard?: string | false | undefined;
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly onEpoch?: ((epoch: EpochReport) => void) | undefined;
  readonly onCheckpoint?: ((checkpoint: CheckpointReport) => void) | undefined;
  /** Hears of what is wrong and ends nothing: a cache that cannot keep anything, a folder that event files cannot be written to. */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
  /** Called once, before the first step, with all options as they hold. */
  readonly onStart?: ((start: RunStart) => void) | undefined;
  /** Hears of everything that the stages do, from storage to steps. */
  readonly recorder?: Recorder | undefined;
  /** Called once, before the first step: gives the counters of all stages of this rank at any time. */
  readonly onCounters?: ((counters: () => PipelineCounters) => void) | undefined;
  /** What is written to config.json. Default: the options as they hold, under the names they have here. */
  readonly toConfigFile?: ((config: RunConfig) => Readonly<Record<string, unknown>>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RunStart {
  readonly config: RunConfig;
  /** The step that the run goes on after; 0 for a new one. */
  readonly resumedAt: number;
  readonly worldSize: number;
  readonly device: string;
  /** Samples of every epoch that its steps have no place for. */
  readonly leftOut: number;
  /** Outputs of the network, and how many of them the data set names or has samples of. */
  readonly classes: number;
  readonly classesSeen: number;
  /** How the classes of the validation set were matched with those of the training set. */
  readonly valClasses: ClassComparison | undefined;
}

/** Sets of options for a purpose. */
export const presets = {
  /** He et al. 2015 as Goyal et al. 2017 scale it: the recipe of the paper's kind, which is also the default. */
  paper: { epochs: 90, batchSize: 256, schedule: "step" },
  /** Most of the accuracy in a sixth of the epochs: smaller views first, a cosine, smoothed labels. */
  fast: {
    epochs: 16,
    batchSize: 256,
    schedule: "cosine",
    learningRate: 0.4,
    warmupEpochs: 2,
    labelSmoothing: 0.1,
    firstInputSize: 128,
    cropScale: 0.25,
    zeroInit: true,
  },
  /** Minutes on a processor: small enough for the demo. */
  tiny: {
    epochs: 6,
    batchSize: 32,
    schedule: "cosine",
    learningRate: 0.05,
    width: 0.25,
    inputSize: 64,
    zeroInit: true,
  },
} as const satisfies Record<string, Partial<TrainOptions>>;

export type PresetName = keyof typeof presets;

const defaults = {
  overwrite: false,
  epochs: 90,
  batchSize: 32,
  accumulate: 1,
  schedule: "step",
  momentum: 0.9,
  weightDecay: 1e-4,
  labelSmoothing: 0,
  zeroInit: false,
  width: 1,
  inputSize: 224,
  grey: false,
  augment: true,
  dropLast: true,
  seed: 0,
  onBadSample: "fail",
  syncBatchNorm: false,
  validateEvery: 1,
  checkpointEvery: 1,
  keepLast: 2,
} as const satisfies Partial<TrainOptions>;

type Computed = "learningRate" | "warmupEpochs";
type Complete = keyof typeof defaults | Computed;

/** Options with every default filled in. */
export type TrainSettings = Omit<TrainOptions, Complete> & {
  readonly [Name in Complete]-?: Exclude<TrainOptions[Name], undefined>;
};

/** What is no setting of the run itself. */
const unwritten = [
  "onStep",
  "onEpoch",
  "onCheckpoint",
  "onWarning",
  "onStart",
  "recorder",
  "onCounters",
  "toConfigFile",
  "signal",
  "overwrite",
] as const;

/** The settings that can be written down. */
export type RunConfig = Omit<TrainSettings, (typeof unwritten)[number]>;

/** What says where things are, how fast a run computes and what it tells, not what comes out of it: the data are known by their samples. */
const incidental = new Set<string>([
  "manifest",
  "val",
  "out",
  "engine",
  "device",
  "workers",
  "prefetchBytes",
  "cache",
  "validateEvery",
  "checkpointEvery",
  "checkpointSteps",
  "keepLast",
  "tensorboard",
  "preset",
]);

/** INVALID_OPTION for anything outside its range. */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  const { preset } = options;
  if (preset !== undefined && !(preset in presets))
    throw invalidOption("preset", Object.keys(presets).join(", "), preset);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const chosen = { ...defaults, ...(preset && presets[preset]), ...given } as TrainOptions & typeof defaults;
  const settings: TrainSettings = {
    ...chosen,
    firstInputSize: firstInputSize(options, chosen),
    learningRate: chosen.learningRate ?? scaledLearningRate(chosen.batchSize),
    warmupEpochs: chosen.warmupEpochs ?? usualWarmupEpochs(chosen.epochs),
  };
  checkNumbers(settings);
  return settings;
}

/** A preset's is for networks that take views of any size, and for larger ones than it begins with. INVALID_OPTION where it was asked for in vain. */
function firstInputSize(
  given: TrainOptions,
  chosen: TrainOptions & { readonly inputSize: number },
): number | undefined {
  if (chosen.firstInputSize === undefined) return undefined;
  const fixed = findNetwork(chosen.network).stem === "patches";
  if (given.firstInputSize === undefined) return fixed ? undefined : Math.min(chosen.firstInputSize, chosen.inputSize);
  if (!fixed) return given.firstInputSize;
  throw invalidOption(
    "first-input-size",
    `left out: ${chosen.network} has a position for every token`,
    given.firstInputSize,
  );
}

function checkNumbers(settings: TrainSettings): void {
  const check = (option: string, value: number | undefined, rule: string, good: (value: number) => boolean) => {
    if (value !== undefined && !good(value)) throw invalidOption(option, rule, value);
  };
  const whole = (value: number) => Number.isInteger(value) && value >= 1;
  const share = (value: number) => value >= 0 && value < 1;
  check("epochs", settings.epochs, "a number > 0", (value) => value > 0);
  check("lr", settings.learningRate, "a number > 0", (value) => value > 0);
  check("warmup-epochs", settings.warmupEpochs, "a number >= 0", (value) => value >= 0);
  check("momentum", settings.momentum, "in [0, 1)", share);
  check("weight-decay", settings.weightDecay, "a number >= 0", (value) => value >= 0);
  check("label-smoothing", settings.labelSmoothing, "in [0, 1)", share);
  check("clip-norm", settings.clipNorm, "a number > 0", (value) => value > 0);
  check("ema", settings.averageDecay, "in (0, 1)", (value) => value > 0 && value < 1);
  check("crop-scale", settings.cropScale, "in (0, 1]", (value) => value > 0 && value <= 1);
  check("max-steps", settings.maxSteps, "an integer >= 1", whole);
  check("batch-size", settings.batchSize, "an integer >= 1", whole);
  check("accumulate", settings.accumulate, "an integer >= 1", whole);
  check("val-every", settings.validateEvery, "an integer >= 1", whole);
  check("checkpoint-every", settings.checkpointEvery, "an integer >= 1", whole);
  check("checkpoint-steps", settings.checkpointSteps, "an integer >= 1", whole);
  check("keep-last", settings.keepLast, "an integer >= 1", whole);
  check("first-input-size", settings.firstInputSize, "a multiple of 32, at most the input size", (value) => {
    return value >= 32 && value % 32 === 0 && value <= settings.inputSize;
  });
  if (!schedules.includes(settings.schedule))
    throw invalidOption("schedule", schedules.join(" or "), settings.schedule);
  if (settings.batchSize % settings.accumulate !== 0)
    throw invalidOption("accumulate", `a divisor of the batch size ${settings.batchSize}`, settings.accumulate);
  if (!settings.augment && (settings.cropScale !== undefined || settings.policy !== undefined))
    throw invalidOption("augment", "on for crops and augmentation to have an effect", false);
}

/** Samples that are computed at once, of all ranks together. */
export function partSize({ batchSize, accumulate }: Pick<TrainSettings, "batchSize" | "accumulate">): number {
  return batchSize / accumulate;
}

/** INVALID_OPTION for what several ranks cannot do. */
export function checkWorldSize(settings: TrainSettings, worldSize: number): void {
  const part = partSize(settings);
  if (part % worldSize !== 0)
    throw invalidOption(
      "batch-size",
      `a multiple of ${worldSize * settings.accumulate}: the ranks times the parts of a step`,
      settings.batchSize,
    );
  if (mixesPairs(settings.policy ?? {}) && (part / worldSize) % 2 !== 0)
    throw invalidOption("batch-size", "even for every rank: mixup and CutMix take pairs", settings.batchSize);
  if (settings.syncBatchNorm && worldSize > 1 && !settings.dropLast)
    throw invalidOption("sync-bn", "without --no-drop-last: every rank needs samples in every step", true);
}

/** What of the settings is shown and kept: URLs in their public form, so that no password or signature is in any file. */
export function configOf(settings: TrainSettings): RunConfig {
  const left = Object.entries(settings)
    .filter(([name]) => !(unwritten as readonly string[]).includes(name))
    .map(([name, value]) => [name, typeof value === "string" ? publicUrl(value) : value] as const);
  return Object.fromEntries(left) as unknown as RunConfig; // all but what its type leaves out
}

/** The first setting in which two runs differ, as the reader of an error wants it; undefined when they are the same run. */
export function differenceOf(before: Readonly<Record<string, unknown>>, now: RunConfig): string | undefined {
  const after = JSON.parse(JSON.stringify(now)) as Record<string, unknown>;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (incidental.has(name)) continue;
    const [was, is] = [JSON.stringify(before[name]), JSON.stringify(after[name])];
    if (was !== is) return `it was begun with ${name} ${was ?? "not given"}, now ${is ?? "not given"}`;
  }
  return undefined;
}

/** One less than the cores, which the ranks of one machine share. */
export function defaultWorkers(ranksHere: number): number {
  return Math.max(1, Math.floor(availableParallelism() / ranksHere) - 1);
}
