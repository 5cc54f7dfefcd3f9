// dctstream preprocess
import { complete, given, omit, optionTable } from "../../src/options/table.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { findSources } from "../../src/pipeline/preprocess/sources.js";
import { printable } from "../../src/printable.js";
import { defineCommand } from "../command.js";
import { metricsOptions, serveMetrics } from "../metrics.js";
import { runProfileOptions } from "../options/profile-options.js";
import { formatBytes } from "../options/quantity.js";
import { RunProfile, writePage } from "../profile/output.js";
import { renderProfile } from "../profile/page.js";
import { measurePreprocessLimits } from "../profile/preprocess/limits.js";
import { profilePreprocessing } from "../profile/preprocess/measure.js";
import { describeProfile } from "../profile/text.js";
import { withProgress } from "../progress.js";
import { rankOf } from "../rank.js";

const commandOptions = optionTable({
  ...preprocessOptions,
  ...runProfileOptions,
  ...metricsOptions("Serve the stages' counters to Prometheus on this port"),
});

export const preprocessCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 preprocess 'train-{000000..000146}.tar' --out shards", "147 WebDataset tars to shards"]],
  run: async (options, context) => {
    const { workers, profile } = complete(commandOptions, options);
    const metrics = await serveMetrics(options, context);
    const html = options.html !== undefined;
    const began = performance.now();
    const profiling = RunProfile.of(options, html || profile);
    try {
      const report = await withProgress(context, "preprocess", (progress) =>
        preprocess({
          ...given(omit(preprocessOptions, ["rank", "worldSize"]), options),
          ...(options.merge ? {} : rankOf(options, process.env)),
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
      const profiled = await profiling?.finish(options, context.log, async (measured) => {
        const sources = await findSources(options.sources);
        const limits = await measurePreprocessLimits(sources, undefined, context.signal);
        return profilePreprocessing(measured, limits, profiling.recording, workers);
      });
      const text = describe(report);
      if (profiled === undefined) return { result: report, text };
      await writePage(options, context.log, () => renderProfile(profiled.profile, profiled.recording));
      return {
        result: { ...report, profile: profiled.profile },
        text: `${text}\n\n${describeProfile(profiled.profile)}`,
      };
    } finally {
      await metrics?.close();
    }
  },
});

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
