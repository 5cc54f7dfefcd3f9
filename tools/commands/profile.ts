// dctstream profile

import { invalidOption } from "../../src/errors.js";
import { readManifest } from "../../src/shards/manifest.js";
import { openEngine } from "../../src/train/engine/engine.js";
import { type Precision, precisions } from "../../src/train/engine/frozen-network.js";
import { findNetwork } from "../../src/train/networks/build.js";
import { layersOf } from "../../src/train/networks/layers-of.js";
import { summarize, totals } from "../../src/train/networks/summary.js";
import { type Phase, phases, timeNetwork } from "../../src/train/time-network.js";
import { argument, type Command, type CommandContext, type CommandResult } from "../command.js";
import { engineOptionsFrom, withEngineOptions } from "../engine-options.js";
import { networkOptionsFrom, withNetworkOptions } from "../network-options.js";
import { profileRead } from "../profile/read.js";
import type { Profile, Stage } from "../profile/stage.js";
import { profileTrain } from "../profile/train.js";
import { formatBytes, formatShare as share } from "../quantity.js";
import { readOptionsFrom, withReadOptions } from "../storage-options.js";
import { table } from "../table.js";

export const profileCommand: Command = {
  usage: "profile <what> <target>",
  describe: "Where the time goes: of reading a data set into views, of a network's steps, or of both together",
  options: (parser) =>
    withEngineOptions(withNetworkOptions(withReadOptions(parser)))
      .positional("what", {
        choices: ["read", "network", "train"] as const,
        demandOption: true,
        describe:
          "read: the loader, with a consumer that takes every batch at once; network: steps on one batch in memory; train: both together",
      })
      .positional("target", { type: "string", demandOption: true, describe: "A manifest, or a network's id" })
      .option("network", { type: "string", requiresArg: true, describe: "train: the network's id" })
      .option("seconds", { type: "number", default: 5, requiresArg: true, describe: "How long to measure" })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per batch" })
      .option("view", {
        choices: ["dct", "rgb", "ycbcr"] as const,
        default: "dct",
        requiresArg: true,
        describe: "read: what views hold",
      })
      .option("augment", {
        choices: ["none", "eval", "train"] as const,
        default: "train",
        requiresArg: true,
        describe: "read: whole pictures, the evaluation view, or random crops and flips",
      })
      .option("phase", { choices: phases, default: "train", requiresArg: true, describe: "network: what a step is" })
      .option("precision", {
        choices: precisions,
        default: "float32",
        requiresArg: true,
        describe: "network: of inference",
      })
      .option("classes", { type: "number", default: 1000, requiresArg: true, describe: "network: its outputs" })
      .example("$0 profile read shards --view dct --augment train --workers 2", "")
      .example("$0 profile network late-concat-rfa-thinner --phase inference", ""),
  run: (args, context) => {
    for (const name of ["seconds", "batchSize"] as const)
      if (!(argument<number>(args, name) > 0))
        throw invalidOption(name === "seconds" ? name : "batch-size", "more than 0", argument(args, name));
    return { read, network, train }[argument<"read" | "network" | "train">(args, "what")](args, context);
  },
};

async function read(args: Record<string, unknown>, { signal }: CommandContext): Promise<CommandResult> {
  const manifest = await readManifest(argument<string>(args, "target"));
  const { inputSize: size, frequencies } = networkOptionsFrom(args);
  const kind = argument<"dct" | "rgb" | "ycbcr">(args, "view");
  const view = { kind, size, augment: argument<"none" | "eval" | "train">(args, "augment"), frequencies };
  const batchSize = Math.min(argument<number>(args, "batchSize"), manifest.samples);
  const options = { view, batchSize, ...readOptionsFrom(args), signal };
  const profile = await profileRead(manifest, options, argument<number>(args, "seconds"));
  return { result: profile, text: describe(profile) };
}

async function train(args: Record<string, unknown>, { signal }: CommandContext): Promise<CommandResult> {
  const manifest = await readManifest(argument<string>(args, "target"));
  const id = argument<string | undefined>(args, "network");
  if (id === undefined) throw invalidOption("network", "given with profile train", id);
  const batchSize = Math.min(argument<number>(args, "batchSize"), manifest.samples);
  const shape = networkOptionsFrom(args);
  layersOf(findNetwork(id), shape); // what cannot be built is refused before anything is measured
  const options = { network: id, batchSize, ...shape, ...engineOptionsFrom(args), ...readOptionsFrom(args), signal };
  const profile = await profileTrain(manifest, options, argument<number>(args, "seconds"));
  return { result: profile, text: describe(profile) };
}

const rate = (value: number | undefined) => (value === undefined ? "-" : Math.round(value).toLocaleString("en"));

function describe({ verdict, stages, imagesPerSecond }: Profile): string {
  const columns = [
    "stage",
    "images/s alone",
    "busy",
    "waits for input",
    "waits for output",
    "bytes/s",
    "limit, images/s",
    "reached",
    "measured by",
  ];
  const row = ({ name, imagesPerSecondAlone, busy, waitForInput, waitForOutput, bytesPerSecond, limit }: Stage) => [
    name,
    rate(imagesPerSecondAlone),
    share(busy),
    share(waitForInput),
    share(waitForOutput),
    formatBytes(Math.round(bytesPerSecond)),
    rate(limit?.imagesPerSecond),
    limit === undefined ? "-" : share(imagesPerSecond / limit.imagesPerSecond),
    limit?.what ?? "-",
  ];
  return [verdict, "", table(columns, stages.map(row), 1, ["measured by"])].join("\n");
}

async function network(args: Record<string, unknown>, { signal }: CommandContext): Promise<CommandResult> {
  const id = argument<string>(args, "target");
  const [phase, batchSize] = [argument<Phase>(args, "phase"), argument<number>(args, "batchSize")];
  const shape = { classes: argument<number>(args, "classes"), ...networkOptionsFrom(args) };
  const layers = layersOf(findNetwork(id), shape); // what cannot be built is refused before TensorFlow's second of loading
  const { macs } = totals(summarize(layers));
  const engine = await openEngine(engineOptionsFrom(args));
  const options = {
    ...shape,
    phase,
    batchSize,
    seconds: argument<number>(args, "seconds"),
    precision: argument<Precision>(args, "precision"),
  };
  const times = [...(await timeNetwork(engine, id, { ...options, signal }))].sort((a, b) => a - b);
  const at = (quantile: number) => times[Math.min(times.length - 1, Math.floor(quantile * times.length))] as number;
  const stepMs = at(0.5);
  const imagesPerSecond = (1000 * batchSize) / stepMs;
  // A training step computes the forward pass and two of its size backwards.
  const gmacsPerSecond = (imagesPerSecond * macs * (phase === "train" ? 3 : 1)) / 1e9;
  const { device } = engine;
  const result = {
    network: id,
    phase,
    batchSize,
    device,
    steps: times.length,
    stepMs,
    stepMsP10: at(0.1),
    stepMsP90: at(0.9),
    imagesPerSecond,
    gmacsPerSecond,
  };
  const text = [
    `${id}, ${phase}: ${stepMs.toFixed(1)} ms a step of ${batchSize} (${at(0.1).toFixed(1)} to ${at(0.9).toFixed(1)} for four of five), ${imagesPerSecond.toFixed(1)} images/s`,
    `${gmacsPerSecond.toFixed(0)} billion multiply-accumulates a second on ${device}; ${times.length} steps`,
  ].join("\n");
  return { result, text };
}
