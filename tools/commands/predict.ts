// dctstream predict
import { createInterface } from "node:readline";
import { invalidOption, ToolkitError } from "../../src/errors.js";
import { printableJson } from "../../src/printable.js";
import { type Precision, precisions } from "../../src/train/engine/frozen-network.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { predict } from "../../src/train/predict.js";
import { loadCheckpoint, readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { argument, type Command } from "../command.js";
import { engineOptionsFrom, withEngineOptions } from "../options/engine-options.js";
import { maxImageBytesOption } from "../options/preprocess-options.js";
import { parseSize } from "../options/quantity.js";
import { ProgressLine } from "../progress-line.js";

/** Images between two lines of progress. */
const progressImages = 10_000;

export const predictCommand: Command = {
  options: (parser) =>
    withEngineOptions(parser)
      .positional("checkpoint", {
        type: "string",
        demandOption: true,
        describe: "A checkpoint.json, or the folder that holds it",
      })
      .positional("files", {
        type: "string",
        array: true,
        describe:
          "Images, tars, folders of them and manifests; {000..146} and globs expand. None, or -: a list of those on stdin",
      })
      .option("top", { type: "number", default: 5, requiresArg: true, describe: "Classes named for each image" })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Images per step" })
      .option("precision", {
        choices: precisions,
        default: "float32",
        requiresArg: true,
        describe: "bfloat16: several times as fast on processors that have it, probabilities to three digits",
      })
      .option("workers", { type: "number", requiresArg: true, describe: "Decoding threads; all cores when not given" })
      .option("max-image-bytes", maxImageBytesOption)
      .option("on-error", {
        choices: ["skip", "fail"] as const,
        default: "skip",
        requiresArg: true,
        describe:
          "skip: an image that cannot be read has its error in its line; fail: and exit status 1, as where none can be read",
      })
      .example("find . -name '*.jpg' | $0 predict run1 - > predictions.jsonl", ""),
  run: async (args, context) => {
    const url = argument<string>(args, "checkpoint");
    const files = argument<string[] | undefined>(args, "files") ?? [];
    const top = argument<number>(args, "top");
    const batchSize = argument<number>(args, "batchSize");
    for (const [name, value] of Object.entries({ top, "batch-size": batchSize }))
      if (!(Number.isInteger(value) && value >= 1)) throw invalidOption(name, "an integer >= 1", value);
    await readCheckpointInfo(url); // a wrong path is reported before TensorFlow's second of loading
    const engine = await openEngine(engineOptionsFrom(args));
    const { logits, classNames, ...input } = await loadCheckpoint(engine.tf, url);
    const line = new ProgressLine(context);
    const counts = { images: 0, failed: 0 };
    const started = performance.now();
    const predictions = predict(engine, logits, input, {
      inputs: files.length > 0 ? files : namesOnStdin(),
      literal: files.length === 0,
      top,
      batchSize,
      precision: argument<Precision>(args, "precision"),
      workers: argument<number | undefined>(args, "workers"),
      maxImageBytes: parseSize("max-image-bytes", argument<string>(args, "maxImageBytes")),
      classNames,
      signal: context.signal,
    });
    const speed = () => Math.round((10_000 * counts.images) / (performance.now() - started)) / 10;
    for await (const batch of predictions) {
      const before = counts.images;
      counts.images += batch.length;
      counts.failed += batch.filter(({ error }) => error !== undefined).length;
      await context.print(batch.map((prediction) => `${printableJson(prediction)}\n`).join(""));
      const passed = Math.floor(counts.images / progressImages) > Math.floor(before / progressImages);
      line.show(`${counts.images} images, ${counts.failed} failed, ${speed()} images/s`, passed);
    }
    line.say(`${counts.images} images, ${counts.failed} failed, ${speed()} images/s`);
    const noneRead = counts.failed > 0 && counts.failed === counts.images;
    const ok = counts.failed === 0 || (argument<string>(args, "onError") === "skip" && !noneRead);
    return { result: { ...counts, imagesPerSecond: speed() }, text: "", ok };
  },
};

/** The lines of stdin as they come. yargs leaves out a "-", which so means the same as nothing. */
async function* namesOnStdin(): AsyncGenerator<string> {
  if (process.stdin.isTTY) throw new ToolkitError("NO_SOURCES", "name images, or give a list of them on stdin");
  for await (const name of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }))
    if (name !== "") yield name;
}
