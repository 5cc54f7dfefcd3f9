// dctstream train
import { type StepReport, type TrainReport, train } from "../../src/train/trainer.js";
import { argument, type Command, type CommandContext } from "../command.js";
import { engineOptionsFrom, withEngineOptions } from "../engine-options.js";
import { networkOptionsFrom, withNetworkOptions } from "../network-options.js";
import { formatBytes } from "../quantity.js";
import { readOptionsFrom, withReadOptions } from "../storage-options.js";

export const trainCommand: Command = {
  usage: "train <manifest>",
  describe: "Train a pixel or DCT network from coefficient shards",
  options: (parser) =>
    withEngineOptions(withNetworkOptions(withReadOptions(parser)))
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("network", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Its id, as dctstream networks lists them",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Folder for the checkpoint, a path or s3://bucket/folder",
      })
      .option("val", { type: "string", requiresArg: true, describe: "Manifest to evaluate at the end" })
      .option("epochs", { type: "number", default: 90, requiresArg: true, describe: "Passes over the data" })
      .option("max-steps", { type: "number", requiresArg: true, describe: "Stop after this many steps" })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per step" })
      .option("lr", {
        type: "number",
        requiresArg: true,
        describe: "Peak learning rate; 0.1 per 256 samples of a batch when not given",
      })
      .option("augment", {
        type: "boolean",
        default: true,
        describe: "Random resized crops and flips; --no-augment for the evaluation view",
      })
      .option("on-error", {
        choices: ["fail", "skip"] as const,
        default: "fail",
        requiresArg: true,
        describe: "A damaged sample ends the run, or is counted and its neighbour taken instead",
      })
      .option("seed", { type: "number", default: 0, requiresArg: true, describe: "Decides order and augmentation" })
      .example("$0 train shards --network late-concat-rfa-thinner --val val-shards --out run1", ""),
  run: async (args, context) => {
    const report = await train({
      manifest: argument<string>(args, "manifest"),
      network: argument<string>(args, "network"),
      out: argument<string>(args, "out"),
      epochs: argument<number>(args, "epochs"),
      batchSize: argument<number>(args, "batchSize"),
      augment: argument<boolean>(args, "augment"),
      seed: argument<number>(args, "seed"),
      val: argument<string | undefined>(args, "val"),
      maxSteps: argument<number | undefined>(args, "maxSteps"),
      learningRate: argument<number | undefined>(args, "lr"),
      onBadSample: argument<"fail" | "skip">(args, "onError"),
      ...networkOptionsFrom(args),
      ...engineOptionsFrom(args),
      ...readOptionsFrom(args),
      onStep: logSteps(context),
      signal: context.signal,
    });
    return { result: report, text: describe(report) };
  },
};

/** Every step of the first ten, then about fifty lines a run. */
function logSteps(context: CommandContext): (step: StepReport) => void {
  return ({ step, steps, epoch, loss, learningRate, imagesPerSecond }) => {
    if (step > 10 && step % Math.max(1, Math.round(steps / 50)) !== 0 && step !== steps) return;
    context.log(
      `step ${step}/${steps}  epoch ${epoch}  loss ${loss.toFixed(4)}  lr ${learningRate.toFixed(5)}  ${imagesPerSecond.toFixed(1)} images/s`,
    );
  };
}

function describeTraffic(report: TrainReport): string[] {
  const { storage, cache } = report;
  const lines: string[] = [];
  const skipped = Object.entries(report.skipped).map(([code, count]) => `${count} ${code}`);
  if (skipped.length > 0) lines.push(`skipped     ${skipped.join(", ")}`);
  if (storage.requests > 0)
    lines.push(
      `storage     ${storage.requests} requests, ${formatBytes(storage.bytesRead)} read, ${storage.retries} retries`,
    );
  if (cache !== undefined)
    lines.push(
      `cache       ${cache.hits} hits, ${cache.misses} misses, ${cache.filled} filled, ${cache.evicted} evicted`,
    );
  return lines;
}

const percent = (share: number | undefined) => (share === undefined ? "-" : `${(100 * share).toFixed(1)} %`);

function describe(report: TrainReport): string {
  return [
    `${report.network}: ${report.steps} steps (${report.epochs} epochs) in ${report.seconds.toFixed(1)} s, ${(report.parameters / 1e6).toFixed(2)} M parameters`,
    `device      ${report.device}`,
    `loss        ${report.firstLoss.toFixed(4)} -> ${report.loss.toFixed(4)}`,
    `validation  top-1 ${percent(report.valTop1)}, top-5 ${percent(report.valTop5)}`,
    `speed       ${report.imagesPerSecond} images/s, ${percent(report.inputStallFraction)} of the time waiting for input`,
    `tensors     ${report.tensors.afterFirstStep} after the first step, ${report.tensors.afterLastStep} after the last`,
    ...describeTraffic(report),
    `checkpoint  ${report.checkpoint}`,
  ].join("\n");
}
