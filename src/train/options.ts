// What a training run is asked for, checked and completed; and which of it makes it the run it is.
import { availableParallelism } from "node:os";
import { invalidOption, type ToolkitError } from "../errors.js";
import { type Complete, complete, type Given } from "../options/table.js";
import { mixesPairs } from "../pipeline/load/augment.js";
import type { PreprocessProgress } from "../pipeline/preprocess/options.js";
import type { PipelineCounters, Recorder } from "../pipeline/stage-clock.js";
import { publicUrl } from "../public-url.js";
import type { ClassComparison } from "../shards/class-list.js";
import { findNetwork } from "./networks/build.js";
import { presets } from "./presets.js";
import type { CheckpointReport, EpochReport, StepReport } from "./report.js";
import { type RunTable, runOptions, trainOptions } from "./run-options.js";
import { scaledLearningRate, usualWarmupEpochs } from "./step/recipe.js";

/** What a run reports to its caller, and how the caller ends it, beside the table of options. */
export interface TrainOptions extends Given<typeof trainOptions> {
  readonly onStep?: ((step: StepReport) => void) | undefined;
  readonly onEpoch?: ((epoch: EpochReport) => void) | undefined;
  readonly onCheckpoint?: ((checkpoint: CheckpointReport) => void) | undefined;
  /**
   * Receives what is wrong and ends nothing: a cache that cannot keep anything, a folder that event files cannot be
   * written to.
   */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
  /** Called while data that are no data set yet are indexed. */
  readonly onIndexing?: ((progress: PreprocessProgress) => void) | undefined;
  /** Called once, before the first step, with all options as they hold. */
  readonly onStart?: ((start: RunStart) => void) | undefined;
  /** Receives everything that the stages do, from storage to steps. */
  readonly recorder?: Recorder | undefined;
  /** Called once, before the first step: gives the counters of all stages of this rank at any time. */
  readonly onCounters?: ((counters: () => PipelineCounters) => void) | undefined;
  /** What is written to config.json. Default: the options as they hold, under the names they have here. */
  readonly toConfigFile?: ((config: RunConfig) => Readonly<Record<string, unknown>>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Defaults that follow from other options. */
interface Computed {
  readonly learningRate: number;
  readonly warmupEpochs: number;
}

/** The settings that can be written down. */
export type RunConfig = Complete<typeof runOptions> & Computed;

/** Options with every default filled in. */
export type TrainSettings = Complete<typeof trainOptions> & Computed & Omit<TrainOptions, keyof typeof trainOptions>;

export interface RunStart {
  readonly config: RunConfig;
  /** The step that the run resumes after; 0 for a new one. */
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

/** Checks the options and fills their defaults in. INVALID_OPTION for anything outside its range. */
export function resolveTrainOptions(options: TrainOptions): TrainSettings {
  const { preset } = options;
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as TrainOptions;
  const known = preset !== undefined && Object.hasOwn(presets, preset) ? presets[preset] : {};
  const chosen = complete(trainOptions, { ...known, ...given });
  const settings: TrainSettings = {
    ...given,
    ...chosen,
    firstInputSize: firstInputSize(options, chosen),
    learningRate: chosen.learningRate ?? scaledLearningRate(chosen.batchSize),
    warmupEpochs: chosen.warmupEpochs ?? usualWarmupEpochs(chosen.epochs),
  };
  checkTogether(settings);
  return settings;
}

/**
 * A preset's is for networks that take views of any size, and for larger ones than it begins with. INVALID_OPTION where
 * it was asked for in vain.
 */
function firstInputSize(given: TrainOptions, chosen: Complete<typeof trainOptions>): number | undefined {
  if (chosen.firstInputSize === undefined) return undefined;
  const fixed = findNetwork(chosen.network).stem === "patches";
  if (given.firstInputSize === undefined) return fixed ? undefined : Math.min(chosen.firstInputSize, chosen.inputSize);
  if (!fixed) return given.firstInputSize;
  throw invalidOption(
    "firstInputSize",
    `left out: ${chosen.network} has a position for every token`,
    given.firstInputSize,
  );
}

/** What options must be beside each other. */
function checkTogether({
  firstInputSize: first,
  inputSize,
  batchSize,
  accumulate,
  augment,
  cropScale,
  policy,
}: TrainSettings) {
  if (first !== undefined && first > inputSize)
    throw invalidOption("firstInputSize", trainOptions.firstInputSize.kind.expected, first);
  if (batchSize % accumulate !== 0)
    throw invalidOption("accumulate", `a divisor of the batch size ${batchSize}`, accumulate);
  if (!augment && (cropScale !== undefined || policy !== undefined))
    throw invalidOption("augment", "on for crops and augmentation to have an effect", false);
}

/** Samples that are computed at once, of all ranks together. */
export function partSize({ batchSize, accumulate }: Pick<TrainSettings, "batchSize" | "accumulate">): number {
  return batchSize / accumulate;
}

/** Checks a run against the number of its ranks. INVALID_OPTION for what several ranks cannot do. */
export function checkWorldSize(settings: TrainSettings, worldSize: number): void {
  const part = partSize(settings);
  if (part % worldSize !== 0)
    throw invalidOption(
      "batchSize",
      `a multiple of ${worldSize * settings.accumulate}: the ranks times the parts of a step`,
      settings.batchSize,
    );
  if (mixesPairs(settings.policy ?? {}) && (part / worldSize) % 2 !== 0)
    throw invalidOption("batchSize", "even for every rank: mixup and CutMix take pairs", settings.batchSize);
  if (settings.syncBatchNorm && worldSize > 1 && !settings.dropLast)
    throw invalidOption("syncBatchNorm", "off without `dropLast`: every rank needs samples in every step", true);
}

/**
 * What of the settings is shown and kept: URLs in their public form, so that no password or signature is in any file.
 */
export function configOf(settings: TrainSettings): RunConfig {
  const written = Object.entries(settings)
    .filter(([name]) => Object.hasOwn(runOptions, name))
    .map(([name, value]) => [name, typeof value === "string" ? publicUrl(value) : value] as const);
  return Object.fromEntries(written) as unknown as RunConfig; // all but what its type leaves out
}

/** A setting as text, the same whatever order its keys were written in. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * The first setting in which two runs differ, as the reader of an error wants it; undefined when they are the same run.
 */
export function differenceOf(before: Readonly<Record<string, unknown>>, now: RunConfig): string | undefined {
  const after = JSON.parse(JSON.stringify(now)) as Record<string, unknown>;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if ((runOptions as RunTable)[name]?.identity === false) continue;
    const [was, is] = [textOf(before[name]), textOf(after[name])];
    if (was !== is) return `it was begun with ${name} ${was ?? "not given"}, now ${is ?? "not given"}`;
  }
  return undefined;
}

/** One less than the cores, which the ranks of one machine share. */
export function defaultWorkers(ranksHere: number): number {
  return Math.max(1, Math.floor(availableParallelism() / ranksHere) - 1);
}
