// dctstream preprocess
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { findSources } from "../../src/pipeline/preprocess/sources.js";
import { printable } from "../../src/printable.js";
import { argument, type Command } from "../command.js";
import { serveMetrics, withMetricsOptions } from "../metrics.js";
import { preprocessOptionsFrom, withPreprocessOptions } from "../options/preprocess-options.js";
import { withProfileOption } from "../options/profile-options.js";
import { formatBytes } from "../options/quantity.js";
import { placeOf } from "../place.js";
import { RunProfile, writePage } from "../profile/output.js";
import { profilePreprocessing } from "../profile/preprocess.js";
import { measurePreprocessLimits } from "../profile/preprocess-limits.js";
import { describeProfile } from "../profile/text.js";
import { withProgress } from "../progress.js";
import { renderProfile } from "../report/profile.js";

export const preprocessCommand: Command = {
  options: (parser) =>
    withMetricsOptions(
      withProfileOption(withPreprocessOptions(parser)),
      "Serve the stages' counters to Prometheus on this port",
    )
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
    const metrics = await serveMetrics(args, context);
    const html = argument<string | undefined>(args, "html") !== undefined;
    const began = performance.now();
    const profiling = RunProfile.of(args, html || argument<boolean>(args, "profile"));
    try {
      const report = await withProgress(context, "preprocess", (progress) =>
        preprocess({
          ...(argument<boolean>(args, "merge") ? { merge: true } : placeOf(args, process.env)),
          ...preprocessOptionsFrom(args),
          out: argument<string>(args, "out"),
          quarantine: argument<string | undefined>(args, "quarantine"),
          overwrite: argument<boolean>(args, "overwrite"),
          recorder: profiling?.recording,
          onCounters: (counters) => {
            metrics?.watch(counters);
            profiling?.watch(counters);
          },
          signal: context.signal,
          onProgress: ({ bytesRead, totalBytes, samples, failed }) =>
            progress.update(bytesRead, totalBytes, describeProgress(samples, failed, performance.now() - began)),
        }),
      );
      const profiled = await profiling?.finish(args, context.log, async (measured) => {
        const sources = await findSources(argument<string[]>(args, "sources"));
        const limits = await measurePreprocessLimits(sources, undefined, context.signal);
        return profilePreprocessing(measured, limits, profiling.recording, argument<number>(args, "workers"));
      });
      const text = describe(report);
      if (profiled === undefined) return { result: report, text };
      await writePage(args, context.log, () => renderProfile(profiled.profile, profiled.recording));
      return {
        result: { ...report, profile: profiled.profile },
        text: `${text}\n\n${describeProfile(profiled.profile)}`,
      };
    } finally {
      await metrics?.close();
    }
  },
};

function describeProgress(samples: number, failed: number, elapsedMs: number): string {
  return `${samples} samples, ${failed} failed, ${Math.round((1000 * samples) / elapsedMs)} images/s`;
}

function describeIgnored(ignored: PreprocessReport["ignored"]): string[] {
  const counts = Object.entries(ignored).sort(([, a], [, b]) => b - a);
  return counts.length === 0 ? [] : [`ignored: ${counts.map(([reason, count]) => `${reason} ${count}`).join(", ")}`];
}

function describe(report: PreprocessReport): string {
  const errors = Object.entries(report.errors).sort(([, a], [, b]) => b - a);
  return [
    report.alreadyDone
      ? "nothing to do: this data set is complete"
      : `${report.samples} samples in ${report.seconds.toFixed(1)} s (${report.imagesPerSecond} images/s), ${report.failed} failed`,
    ...errors.map(([code, count]) => `  ${printable(code).padEnd(28)} ${count}`),
    ...(report.failed > 0 ? ["  each of them is in errors.jsonl beside the manifest"] : []),
    ...describeIgnored(report.ignored),
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
