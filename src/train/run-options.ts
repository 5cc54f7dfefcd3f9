// The table of a training run's options, and which of them make it the run it is.
import {
  finite,
  flag,
  integers,
  type Kind,
  notNegative,
  numbers,
  oneOf,
  positive,
  shares,
  text,
} from "../options/kinds.js";
import { type Nested, type Option, optionTable, pick, type Table } from "../options/table.js";
import { policyOptions } from "../pipeline/load/augment.js";
import { loaderOptions } from "../pipeline/load/options.js";
import { engineOptions } from "./engine/engine.js";
import { networkOptions } from "./networks/layers-of.js";
import { schedules } from "./step/recipe.js";

/**
 * Options of a run. Two runs whose identities are equal compute the same; the others say where things are, how fast and
 * what is printed.
 */
// biome-ignore lint/suspicious/noExplicitAny: a table holds options of every type of value
export type RunTable = Readonly<Record<string, (Option<any> | Nested) & { readonly identity: boolean }>>;

type Identified<Entries extends Table> = {
  readonly [Key in keyof Entries]: Entries[Key] & { readonly identity: boolean };
};

/** Options that other commands have too, as a run's. */
function identified<Entries extends Table>(entries: Entries, identity: boolean): Identified<Entries> {
  const list = Object.entries(entries).map(([key, entry]) => [key, { ...entry, identity }]);
  return Object.fromEntries(list) as Identified<Entries>;
}

const presetNames = ["paper", "fast", "tiny"] as const;
export type PresetName = (typeof presetNames)[number];

/** A folder, or false for none. */
const foldersOrNone: Kind<string | false> = {
  expected: "a folder, or false for none",
  accepts: (value) => typeof value === "string" || value === false,
  parse: (given) => given,
  shape: "value",
};

/** Everything of a run that can be written down. */
export const runOptions = optionTable({
  /**
   * Manifest to train on, or the folder that holds it; or tars, or a folder of images, of which an index is made first
   * and kept in the cache folder. The location is no part of a run's identity: the data are known by their samples.
   */
  manifest: {
    kind: text,
    required: true,
    identity: false,
    describe: "A manifest or the folder that holds it; or tars, or a folder of images, which are indexed first",
  },
  /** A network's id, as in networks/definitions.ts. */
  network: {
    kind: text,
    required: true,
    identity: true,
    describe: "Its id, as dctstream networks lists them",
    group: "Network",
  },
  ...identified(networkOptions, true),
  /** Folder of the run: checkpoints, configuration, history and, at the end, the trained network. */
  out: {
    kind: text,
    required: true,
    identity: false,
    describe: "Folder of the run, a path or s3://bucket/folder; the same command again resumes it",
    group: "Run",
  },
  /** Data set to evaluate on, named in the same ways. Default: none. */
  val: { kind: text, identity: false, describe: "Data set to evaluate on after every epoch", group: "Run" },
  /** Options that are not given are taken from there. Default: the paper's kind of recipe. */
  preset: {
    kind: oneOf(presetNames),
    identity: false,
    describe: "paper: 90 epochs, the usual recipe; fast: 16, smaller views first; tiny: minutes on a processor",
    group: "Run",
  },
  /** Passes over the data. Default 90, as in the paper. */
  epochs: { kind: positive, default: 90, identity: true, describe: "Passes over the data", group: "Run" },
  /** The run stops after this many steps, however many epochs that is; the learning rate's schedule ends there too. */
  maxSteps: {
    kind: integers(1),
    identity: true,
    describe: "Stop after this many steps; the schedule ends there too",
    group: "Run",
  },
  /** Decides weights, order and augmentation. Default 0. */
  seed: { kind: finite, default: 0, identity: true, describe: "Decides weights, order and augmentation", group: "Run" },
  /** Epochs between validations. Default 1; the last epoch always has one. */
  validateEvery: {
    kind: integers(1),
    default: 1,
    identity: false,
    flag: "val-every",
    describe: "Epochs between validations",
    group: "Run",
  },
  /** Epochs between checkpoints. Default 1; there is always one at the end. */
  checkpointEvery: {
    kind: integers(1),
    default: 1,
    identity: false,
    describe: "Epochs between checkpoints",
    group: "Run",
  },
  /** Steps between checkpoints, beside those of the epochs. Default: none. */
  checkpointSteps: {
    kind: integers(1),
    identity: false,
    describe: "Steps between checkpoints, beside those",
    group: "Run",
  },
  /** How many of the latest checkpoints stay; the best one stays besides. Default 2. */
  keepLast: {
    kind: integers(1),
    default: 2,
    identity: false,
    describe: "How many of the latest checkpoints stay, beside the best",
    group: "Run",
  },
  /** Folder for TensorBoard's event files, on a local disk; false: none. Default: in `out`, where that is local. */
  tensorboard: {
    kind: foldersOrNone,
    identity: false,
    otherwise: "in --out, where that is local",
    describe: "Folder for TensorBoard's files, on a local disk; --no-tensorboard for none",
    group: "Run",
  },
  /** Samples of a step, of all ranks together. Default 32. */
  batchSize: {
    kind: integers(1),
    default: 32,
    identity: true,
    describe: "Samples per step, of all ranks together",
    group: "Optimiser",
  },
  /** A step's samples are computed in so many parts, one after the other: less memory, the same gradient. Default 1. */
  accumulate: {
    kind: integers(1),
    default: 1,
    identity: true,
    describe: "Compute each step's samples in so many parts, to save memory",
    group: "Optimiser",
  },
  /** Peak learning rate. Default 0.1 per 256 samples of a step. */
  learningRate: {
    kind: positive,
    otherwise: "0.1 per 256 samples of a step",
    identity: true,
    flag: "lr",
    describe: "Peak learning rate",
    group: "Optimiser",
  },
  /** How the rate falls. Default "step": x 0.1 after 30, 60 and 80 of 90 epochs. */
  schedule: {
    kind: oneOf(schedules),
    default: "step",
    identity: true,
    describe: "step: x 0.1 after 30, 60 and 80 of 90 epochs; cosine: to zero",
    group: "Optimiser",
  },
  /** Epochs in which the rate rises. Default 5 of 90. */
  warmupEpochs: {
    kind: notNegative,
    otherwise: "5 of 90",
    identity: true,
    describe: "Epochs in which the learning rate rises",
    group: "Optimiser",
  },
  /** Momentum of stochastic gradient descent. Default 0.9. */
  momentum: {
    kind: shares,
    default: 0.9,
    identity: true,
    describe: "Momentum of stochastic gradient descent",
    group: "Optimiser",
  },
  /** Weight decay, of kernels only. Default 1e-4. */
  weightDecay: {
    kind: notNegative,
    default: 1e-4,
    identity: true,
    describe: "Weight decay, of kernels only",
    group: "Optimiser",
  },
  /** Share of each label that is spread over all classes. Default 0. */
  labelSmoothing: {
    kind: shares,
    default: 0,
    identity: true,
    describe: "Share of each label that is spread over all classes",
    group: "Optimiser",
  },
  /** Gradients whose norm over all weights is larger are scaled down to it. Default: not. */
  clipNorm: {
    kind: positive,
    identity: true,
    describe: "Scale gradients down to this norm over all weights",
    group: "Optimiser",
  },
  /** Decay of a moving average of all weights, which is then what is evaluated and saved. Default: none. */
  averageDecay: {
    kind: numbers("in (0, 1)", (value) => value > 0 && value < 1),
    identity: true,
    flag: "ema",
    describe: "Keep a moving average of the weights with this decay, and evaluate and save that one",
    group: "Optimiser",
  },
  /** The last normalisation of each residual branch begins at zero (Goyal et al. 2017, section 5.1). Default false. */
  zeroInit: {
    kind: flag,
    default: false,
    identity: true,
    describe: "Residual branches begin at zero",
    group: "Optimiser",
  },
  /** Batch normalisation over the samples of all ranks. Default false: over those of each rank alone. */
  syncBatchNorm: {
    kind: flag,
    default: false,
    identity: true,
    flag: "sync-bn",
    describe: "With several ranks: batch normalisation over the samples of all of them",
    group: "Optimiser",
  },
  /** Random resized crops and flips, or the evaluation view. Default true. */
  augment: {
    kind: flag,
    default: true,
    identity: true,
    describe: "Random resized crops and flips; --no-augment for the evaluation view",
    group: "Augmentation",
  },
  /** Least area of a random crop, relative to the image. Default 0.08. */
  cropScale: {
    kind: numbers("in (0, 1]", (value) => value > 0 && value <= 1),
    otherwise: "0.08",
    identity: true,
    describe: "Least area of a random crop, as a share of the image",
    group: "Augmentation",
  },
  /**
   * Side of the training views of the first epochs, growing to `inputSize`. Default: `inputSize` from the beginning.
   */
  firstInputSize: {
    kind: numbers("a multiple of 32, at most the input size", (value) => value >= 32 && value % 32 === 0),
    identity: true,
    describe: "Side of the first epochs' training views, growing to `inputSize`",
    group: "Augmentation",
  },
  /** What else is done to training views. Default: nothing. */
  policy: { options: policyOptions, identity: true },
  /**
   * An epoch's last, incomplete batch is left out: of few samples it has poor statistics for its normalisation and a
   * gradient as large as any. Every epoch leaves out other samples. Default true; the run reports at its start how
   * many.
   */
  dropLast: {
    kind: flag,
    default: true,
    identity: true,
    describe: "Leave out an epoch's last, incomplete batch; --no-drop-last to train on it",
    group: "Input",
  },
  /** What a damaged training sample does; in validation it always ends the run. Default "fail". */
  onBadSample: {
    kind: oneOf(["fail", "skip"]),
    default: "fail",
    identity: true,
    flag: "on-error",
    describe: "A damaged sample ends the run, or is counted and left out",
    group: "Input",
  },
  ...identified(pick(loaderOptions, ["workers", "prefetchBytes", "cache"]), false),
  ...identified(engineOptions, false),
}) satisfies RunTable;

export const trainOptions = optionTable({
  ...runOptions,
  /** A run that `out` holds is started anew. Default false: it is resumed when it is the same, and refused when not. */
  overwrite: { kind: flag, default: false, describe: "Start anew where `out` holds a run", group: "Run" },
});
