// dctstream preprocess
import { availableParallelism } from "node:os";
import type { Codec } from "../../src/native/index.js";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { argument, type Command } from "../command.js";
import { withProgress } from "../progress.js";
import { formatBytes, parseSize } from "../quantity.js";

export const preprocessCommand: Command = {
  usage: "preprocess <sources..>",
  describe: "Read JPEGs from tars or class folders once and write coefficient shards and a manifest",
  options: (parser) =>
    parser
      .positional("sources", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "Tars, folders of tars or folders of class folders; {000..146} and globs expand",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Folder for the shards and the manifest",
      })
      .option("compression", {
        choices: ["zstd", "none"] as const,
        default: "zstd",
        describe: "zstd: about the JPEGs' size; none: twice that, several times faster to read",
      })
      .option("shard-bytes", {
        type: "string",
        default: "256MiB",
        requiresArg: true,
        describe: "Start a new shard after this many bytes",
      })
      .option("workers", {
        type: "number",
        default: availableParallelism(),
        requiresArg: true,
        describe: "Decoding threads; never changes the output",
      })
      .option("max-pixels", {
        type: "number",
        default: 100_000_000,
        requiresArg: true,
        describe: "Images of more pixels are failures",
      })
      .option("on-error", {
        choices: ["skip", "fail"] as const,
        default: "skip",
        describe: "Skip and count bad samples, or stop at the first",
      })
      .option("max-errors", { type: "number", requiresArg: true, describe: "Stop after more failures than this" })
      .option("overwrite", { type: "boolean", default: false, describe: "Replace the data set that is in --out" })
      .example("$0 preprocess 'train-{000000..000146}.tar' --out shards", "147 WebDataset tars to shards"),
  run: async (args, context) => {
    return withProgress(context, "preprocess", async (progress) => {
      const report = await preprocess({
        sources: argument<string[]>(args, "sources"),
        out: argument<string>(args, "out"),
        codec: argument<Codec>(args, "compression"),
        maxShardBytes: parseSize("shard-bytes", argument<string>(args, "shardBytes")),
        workers: argument<number>(args, "workers"),
        maxPixels: argument<number>(args, "maxPixels"),
        onBadSample: argument<"skip" | "fail">(args, "onError"),
        maxErrors: argument<number | undefined>(args, "maxErrors"),
        overwrite: argument<boolean>(args, "overwrite"),
        signal: context.signal,
        onProgress: ({ bytesRead, totalBytes, samples, failed }) =>
          progress.update(bytesRead, totalBytes, `${samples} samples, ${failed} failed`),
      });
      return { result: report, text: describe(report) };
    });
  },
};

function describe(report: PreprocessReport): string {
  const errors = Object.entries(report.errors).map(([code, count]) => `  ${code.padEnd(28)} ${count}`);
  return [
    report.alreadyDone
      ? "nothing to do: this data set is complete"
      : `${report.samples} samples in ${report.seconds.toFixed(1)} s (${report.imagesPerSecond} images/s), ${report.failed} failed`,
    ...errors,
    `${formatBytes(report.inputBytes)} of images -> ${formatBytes(report.outputBytes)} in ${report.shards} shards (x ${(report.outputBytes / report.inputBytes).toFixed(3)})`,
    `manifest: ${report.manifest}`,
  ].join("\n");
}
