// dctstream predict
import { createInterface } from "node:readline";
import { ToolkitError } from "../../src/errors.js";
import { integers, oneOf, texts } from "../../src/options/kinds.js";
import { complete, given, optionTable } from "../../src/options/table.js";
import { maxImageBytesOption } from "../../src/pipeline/preprocess/options.js";
import { printableJson } from "../../src/printable.js";
import { engineOptions } from "../../src/train/engine/engine.js";
import { precisions } from "../../src/train/engine/frozen-network.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { predict } from "../../src/train/predict.js";
import { loadCheckpoint, readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { defineCommand } from "../command.js";
import { checkpointOption } from "../options/read-options.js";
import { ProgressLine } from "../progress-line.js";

/** Images between two lines of progress. */
const progressImages = 10_000;

const predictOptions = optionTable({
  ...checkpointOption,
  files: {
    kind: texts,
    describe:
      "Images, tars, folders of them and manifests; {000..146} and globs expand. None, or -: a list of those on stdin",
  },
  top: { kind: integers(1), default: 5, describe: "Classes named for each image" },
  batchSize: { kind: integers(1), default: 32, describe: "Images per step" },
  precision: {
    kind: oneOf(precisions),
    default: "float32",
    describe: "bfloat16: several times as fast on processors that have it, probabilities to three digits",
    group: "Machine",
  },
  workers: { kind: integers(1), otherwise: "all cores", describe: "Decoding threads", group: "Machine" },
  ...maxImageBytesOption,
  onError: {
    kind: oneOf(["skip", "fail"]),
    default: "skip",
    describe:
      "skip: an image that cannot be read has its error in its line; fail: and exit status 1, as where none can be read",
    group: "Failures",
  },
  ...engineOptions,
});

export const predictCommand = defineCommand({
  options: predictOptions,
  examples: [["find . -name '*.jpg' | $0 predict run1 - > predictions.jsonl", ""]],
  run: async (options, context) => {
    const { checkpoint: url, files = [], onError, ...settings } = complete(predictOptions, options);
    const { top, batchSize, precision, workers, maxImageBytes } = settings;
    await readCheckpointInfo(url); // a wrong path is reported before TensorFlow's second of loading
    const engine = await openEngine(given(engineOptions, options));
    const { logits, classNames, ...input } = await loadCheckpoint(engine.tf, url);
    const line = new ProgressLine(context);
    const counts = { images: 0, failed: 0 };
    const started = performance.now();
    const predictions = predict(engine, logits, input, {
      inputs: files.length > 0 ? files : namesOnStdin(),
      literal: files.length === 0,
      top,
      batchSize,
      precision,
      workers,
      maxImageBytes,
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
    const ok = counts.failed === 0 || (onError === "skip" && !noneRead);
    return { result: { ...counts, imagesPerSecond: speed() }, text: "", ok };
  },
});

/** The lines of stdin as they come. yargs leaves out a "-", which so means the same as nothing. */
async function* namesOnStdin(): AsyncGenerator<string> {
  if (process.stdin.isTTY) throw new ToolkitError("NO_SOURCES", "name images, or give a list of them on stdin");
  for await (const name of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }))
    if (name !== "") yield name;
}
