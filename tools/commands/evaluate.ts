// dctstream evaluate
import { oneOf, text } from "../../src/options/kinds.js";
import { complete, given, optionTable } from "../../src/options/table.js";
import { printable } from "../../src/printable.js";
import { compareClasses } from "../../src/shards/dataset-classes.js";
import { putObject } from "../../src/storage/objects.js";
import { engineOptions } from "../../src/train/engine/engine.js";
import { precisions } from "../../src/train/engine/frozen-network.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { evaluateModel } from "../../src/train/evaluate.js";
import type { EvaluateReport } from "../../src/train/report.js";
import { loadCheckpoint, readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { classesOfNetwork } from "../../src/train/saved/network-classes.js";
import { describeClasses } from "../class-text.js";
import { defineCommand } from "../command.js";
import { openData } from "../open-data.js";
import { formatShare } from "../options/quantity.js";
import { batchSizeOption, checkpointOption, dataOption, readOptions } from "../options/read-options.js";
import { withProgress } from "../progress.js";
import { picturesOf, renderEvaluation } from "../report/evaluation.js";

/** Mistakes shown as pictures. */
const shownMistakes = 24;

/** Classes and confusions shown without --json. */
const shownRows = 10;

const evaluateOptions = optionTable({
  ...checkpointOption,
  ...dataOption,
  ...batchSizeOption,
  precision: {
    kind: oneOf(precisions),
    default: "float32",
    describe: "bfloat16: several times as fast on processors that have it, logits to three digits",
    group: "Machine",
  },
  html: { kind: text, describe: "Write a page with the confusions and the worst mistakes as pictures" },
  ...readOptions,
  ...engineOptions,
});

export const evaluateCommand = defineCommand({
  options: evaluateOptions,
  run: async (options, context) => {
    const { checkpoint: url, html, batchSize, precision } = complete(evaluateOptions, options);
    const manifest = await openData(options.manifest, options.cache, context);
    // What does not go together is reported before TensorFlow's second of loading.
    const info = await readCheckpointInfo(url);
    await compareClasses(manifest, classesOfNetwork(info, info.folder));
    const engine = await openEngine(given(engineOptions, options));
    const { logits, network, ...input } = await loadCheckpoint(engine.tf, url);
    return withProgress(context, "evaluate", async (progress) => {
      const report = await evaluateModel(engine, logits, input, {
        manifest,
        batchSize,
        precision,
        ...given(readOptions, options),
        onProgress: (done, samples) => progress.update(done, samples, `${done} samples`),
        onWarning: (warning) => context.log(`warning: ${warning.describe()}`),
        mistakes: html === undefined ? 0 : shownMistakes,
        signal: context.signal,
      });
      if (html !== undefined) {
        const { mistakes = [] } = report;
        const pictures = await picturesOf(
          manifest,
          mistakes.map(({ sample }) => sample),
          context.signal,
        );
        await putObject(html, renderEvaluation({ network, checkpoint: url, manifest, report, pictures }));
        context.log(`page: ${html}`);
      }
      return { result: { network, ...report }, text: describe(network, report) };
    });
  },
});

function describe(network: string, report: EvaluateReport): string {
  const name = (index: number) => printable(report.classNames?.[index] ?? String(index));
  const worst = [...report.perClass].sort((a, b) => a.top1 - b.top1).slice(0, shownRows);
  return [
    `${network}: top-1 ${formatShare(report.top1)}, top-5 ${formatShare(report.top5)}, loss ${report.loss.toFixed(4)} over ${report.samples} samples, ${report.imagesPerSecond} images/s`,
    ...describeClasses("the checkpoint", report.classes),
    "hardest classes:",
    ...worst.map(
      (entry) => `  ${name(entry.index).padEnd(28)} ${formatShare(entry.top1).padStart(8)} of ${entry.samples}`,
    ),
    ...(report.confusion.length === 0 ? [] : ["most frequent confusions:"]),
    ...report.confusion
      .slice(0, shownRows)
      .map(({ label, predicted, count }) => `  ${name(label)} taken for ${name(predicted)}: ${count}`),
  ].join("\n");
}
