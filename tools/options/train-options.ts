// The options of dctstream train: one table of what the command line calls the trainer's options, read in both directions.
import type { Argv, Options } from "yargs";
import { invalidOption } from "../../src/errors.js";
import type { AugmentPolicy } from "../../src/pipeline/load/augment.js";
import { presets, type RunConfig, type TrainOptions } from "../../src/train/options.js";
import { schedules } from "../../src/train/step/recipe.js";
import { argument } from "../command.js";
import { engineOptionsFrom, withEngineOptions } from "./engine-options.js";
import { withNetworkOptions } from "./network-options.js";
import { readOptionsFrom, withReadOptions } from "./storage-options.js";

type Name = keyof RunConfig;

interface TrainOption extends Options {
  /** What the trainer calls it. */
  readonly to: Name;
}

const number = (to: Name, describe: string): TrainOption => ({ to, type: "number", requiresArg: true, describe });
const text = (to: Name, describe: string): TrainOption => ({ to, type: "string", requiresArg: true, describe });
const flag = (to: Name, describe: string): TrainOption => ({ to, type: "boolean", describe });

/** By option; none has a default here: those are the trainer's, or a preset's. */
const own: Readonly<Record<string, TrainOption>> = {
  network: text("network", "Its id, as dctstream networks lists them"),
  out: text("out", "Folder of the run, a path or s3://bucket/folder; the same command again resumes it"),
  val: text("val", "Manifest to evaluate on after every epoch"),
  preset: {
    to: "preset",
    choices: Object.keys(presets),
    requiresArg: true,
    describe: "paper: 90 epochs, the usual recipe; fast: 16, smaller views first; tiny: minutes on a processor",
  },
  epochs: number("epochs", "Passes over the data [default: 90]"),
  "max-steps": number("maxSteps", "Stop after this many steps; the schedule ends there too"),
  "batch-size": number("batchSize", "Samples per step, of all ranks together [default: 32]"),
  accumulate: number("accumulate", "Compute each step's samples in so many parts, to save memory [default: 1]"),
  lr: number("learningRate", "Peak learning rate [default: 0.1 per 256 samples of a step]"),
  schedule: {
    to: "schedule",
    choices: schedules,
    requiresArg: true,
    describe: "step: x 0.1 after 30, 60 and 80 of 90 epochs; cosine: to zero [default: step]",
  },
  "warmup-epochs": number("warmupEpochs", "Epochs in which the learning rate rises [default: 5 of 90]"),
  momentum: number("momentum", "Momentum of SGD [default: 0.9]"),
  "weight-decay": number("weightDecay", "On kernels only [default: 0.0001]"),
  "label-smoothing": number("labelSmoothing", "Share of each label that is spread over all classes [default: 0]"),
  "clip-norm": number("clipNorm", "Scale gradients down to this norm over all weights"),
  ema: number("averageDecay", "Keep a moving average of the weights with this decay, and evaluate and save that one"),
  "zero-init": flag("zeroInit", "Residual branches begin at zero"),
  augment: flag("augment", "Random resized crops and flips; --no-augment for the evaluation view [default: true]"),
  "crop-scale": number("cropScale", "Least area of a random crop, as a share of the image [default: 0.08]"),
  "first-input-size": number("firstInputSize", "Side of the first epochs' training views, growing to --input-size"),
  "drop-last": flag(
    "dropLast",
    "Leave out an epoch's last, incomplete batch; --no-drop-last to train on it [default: true]",
  ),
  seed: number("seed", "Decides weights, order and augmentation [default: 0]"),
  "on-error": {
    to: "onBadSample",
    choices: ["fail", "skip"],
    requiresArg: true,
    describe: "A damaged sample ends the run, or is counted and left out [default: fail]",
  },
  "sync-bn": flag("syncBatchNorm", "With several ranks: batch normalisation over the samples of all of them"),
  "val-every": number("validateEvery", "Epochs between validations [default: 1]"),
  "checkpoint-every": number("checkpointEvery", "Epochs between checkpoints [default: 1]"),
  "checkpoint-steps": number("checkpointSteps", "Steps between checkpoints, beside those"),
  "keep-last": number("keepLast", "How many of the latest checkpoints stay, beside the best [default: 2]"),
};

/** Options that are shared with other commands, by what the trainer calls them. */
const shared: Readonly<Record<string, Name>> = {
  manifest: "manifest",
  width: "width",
  "input-size": "inputSize",
  frequencies: "frequencies",
  grey: "grey",
  engine: "engine",
  device: "device",
  workers: "workers",
};

/** Numbers of an AugmentPolicy, by option. */
const policies = { mixup: "mixup", cutmix: "cutmix", erase: "erase", jitter: "brightness" } as const;

export function withTrainOptions(parser: Argv): Argv {
  const withOwn = Object.entries(own).reduce((all, [name, { to: _, ...option }]) => all.option(name, option), parser);
  const complete = withOwn
    .option("mixup", {
      type: "number",
      requiresArg: true,
      describe: "Mix pairs of samples: parameter of the Beta distribution",
    })
    .option("cutmix", {
      type: "number",
      requiresArg: true,
      describe: "Exchange a box between pairs of samples: parameter of the Beta distribution",
    })
    .option("erase", { type: "number", requiresArg: true, describe: "Probability that a box of a view is erased" })
    .option("jitter", {
      type: "number",
      requiresArg: true,
      describe: "Strength of random changes of brightness, contrast and saturation",
    })
    .option("tensorboard", {
      type: "string",
      requiresArg: true,
      describe: "Folder for TensorBoard's files, on a local disk [default: in --out, where that is local]",
    });
  return withEngineOptions(withNetworkOptions(withReadOptions(complete), false));
}

/** Only what was said: the rest is the preset's or the trainer's. */
export function trainOptionsFrom(args: Record<string, unknown>): TrainOptions {
  const options: Record<string, unknown> = {};
  for (const [name, { to }] of Object.entries(own)) options[to] = argument(args, name);
  for (const [name, to] of Object.entries(shared)) options[to] = argument(args, name);
  for (const required of ["manifest", "network", "out"] as const)
    if (options[required] === undefined) throw invalidOption(required, "given", undefined);
  return {
    ...(options as unknown as TrainOptions),
    policy: policyFrom(args),
    tensorboard: argument<string | undefined>(args, "tensorboard"),
    ...engineOptionsFrom(args),
    ...readOptionsFrom(args),
  };
}

function policyFrom(args: Record<string, unknown>): AugmentPolicy | undefined {
  const given = Object.entries(policies).flatMap(([option, name]) => {
    const value = argument<number | undefined>(args, option);
    return value === undefined ? [] : [[name, value] as const];
  });
  if (given.length === 0) return undefined;
  const policy: AugmentPolicy = Object.fromEntries(given);
  return policy.brightness === undefined
    ? policy
    : { ...policy, contrast: policy.brightness, saturation: policy.brightness };
}

/** A run's settings under the names of the command line: what --config takes. */
export function configFile(config: RunConfig): Record<string, unknown> {
  const names = new Map<Name, string>(Object.entries(own).map(([option, { to }]) => [to, option]));
  for (const [option, to] of Object.entries(shared)) names.set(to, option);
  const entries = Object.entries(config).flatMap(([name, value]) => {
    const option = names.get(name as Name);
    return option === undefined || value === undefined ? [] : [[option, value] as const];
  });
  const policy = Object.entries(policies).map(([option, name]) => [option, config.policy?.[name]] as const);
  const { prefetchBytes, cache, tensorboard } = config;
  return Object.fromEntries(
    [
      ...entries,
      ...policy,
      ["prefetch-bytes", prefetchBytes === undefined ? undefined : String(prefetchBytes)] as const,
      ["cache", cache?.folder] as const,
      ["cache-bytes", cache && String(cache.maxBytes)] as const,
      ["cache-expanded", cache?.expanded] as const,
      ["tensorboard", tensorboard] as const,
    ].filter(([, value]) => value !== undefined),
  );
}
