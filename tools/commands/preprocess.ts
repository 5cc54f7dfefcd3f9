// dctstream preprocess
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { argument, type Command } from "../command.js";
import { placeOf } from "../place.js";
import { preprocessOptionsFrom, withPreprocessOptions } from "../preprocess-options.js";
import { withProgress } from "../progress.js";
import { formatBytes } from "../quantity.js";

export const preprocessCommand: Command = {
  usage: "preprocess <sources..>",
  describe: "Read images from tars or class folders once and write coefficient shards and a manifest",
  options: (parser) =>
    withPreprocessOptions(parser)
      .option("out", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Folder for the shards and the manifest, a path or s3://bucket/folder",
      })
      .option("quarantine", {
        type: "string",
        requiresArg: true,
        describe: "Tar to put the files of failed samples in, to be repaired and fed back",
      })
      .option("rank", {
        type: "number",
        requiresArg: true,
        describe:
          "Which of --world-size machines this is; found out by itself under MPI, Slurm, Kubernetes and AWS Batch",
      })
      .option("world-size", { type: "number", requiresArg: true, describe: "How many machines share the work" })
      .option("merge", {
        type: "boolean",
        default: false,
        describe: "Read nothing, only write the manifest of what all ranks have written",
      })
      .option("overwrite", { type: "boolean", default: false, describe: "Replace the data set that is in --out" })
      .example("$0 preprocess 'train-{000000..000146}.tar' --out shards", "147 WebDataset tars to shards"),
  run: async (args, context) => {
    return withProgress(context, "preprocess", async (progress) => {
      const merge = argument<boolean>(args, "merge");
      const report = await preprocess({
        ...(merge ? {} : placeOf(args, process.env)),
        merge,
        ...preprocessOptionsFrom(args),
        out: argument<string>(args, "out"),
        quarantine: argument<string | undefined>(args, "quarantine"),
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
  const errors = Object.entries(report.errors).sort(([, a], [, b]) => b - a);
  return [
    report.alreadyDone
      ? "nothing to do: this data set is complete"
      : `${report.samples} samples in ${report.seconds.toFixed(1)} s (${report.imagesPerSecond} images/s), ${report.failed} failed`,
    ...errors.map(([code, count]) => `  ${code.padEnd(28)} ${count}`),
    ...(report.failed > 0 ? ["  each of them is in errors.jsonl beside the manifest"] : []),
    ...(report.converted > 0
      ? [`${report.converted} converted: their colours or format cannot be stored losslessly`]
      : []),
    ...(report.storage.retries > 0
      ? [`${report.storage.retries} of ${report.storage.requests} storage requests had to be made again`]
      : []),
    `${formatBytes(report.inputBytes)} of images -> ${formatBytes(report.outputBytes)} in ${report.shards} shards (x ${(report.outputBytes / report.inputBytes).toFixed(3)})`,
    report.complete
      ? `manifest: ${report.manifest}`
      : "this rank's part is done; the last rank to finish writes the manifest, or --merge",
  ].join("\n");
}
