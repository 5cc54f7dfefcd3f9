// What the commands that make data sets have in common: progress, metrics, profile and report.
import { availableParallelism } from "node:os";
import { type Given, optionTable } from "../src/options/table.js";
import type { PreprocessOptions } from "../src/pipeline/preprocess/options.js";
import type { PreprocessReport } from "../src/pipeline/preprocess/report.js";
import { findSources } from "../src/pipeline/preprocess/sources.js";
import { printable } from "../src/printable.js";
import type { CommandContext, CommandResult } from "./command.js";
import { metricsOptions, serveMetrics } from "./metrics.js";
import { runProfileOptions } from "./options/profile-options.js";
import { formatBytes } from "./options/quantity.js";
import { RunProfile, writePage } from "./profile/output.js";
import { renderProfile } from "./profile/page.js";
import { measurePreprocessLimits } from "./profile/preprocess/limits.js";
import { profilePreprocessing } from "./profile/preprocess/measure.js";
import { describeProfile } from "./profile/text.js";
import { withProgress } from "./progress.js";
import { rankOf } from "./rank.js";

/** Options that these commands have beside those of their library calls. */
export const writingOptions = optionTable({
  ...runProfileOptions,
  ...metricsOptions("Serve the stages' counters to Prometheus on this port"),
});

/** Options that the launcher of several machines may have set, and which are not passed on as they are given. */
export const launcherOptions = ["rank", "worldSize"] as const;

type WritingOptions = Given<typeof writingOptions> &
  Pick<PreprocessOptions, "sources" | "workers" | "merge" | "rank" | "worldSize">;

/** What a command passes on beside its own options. */
type Common = Pick<PreprocessOptions, "rank" | "worldSize" | "recorder" | "onCounters" | "onProgress" | "signal">;

/** Runs `write`, called `what` in its progress, and reports what was written. */
export async function runWriting(
  what: string,
  options: WritingOptions,
  context: CommandContext,
  write: (common: Common) => Promise<PreprocessReport>,
): Promise<CommandResult> {
  const { profile = false, html, workers = availableParallelism() } = options;
  const metrics = await serveMetrics(options, context);
  const began = performance.now();
  const profiling = RunProfile.of(options, html !== undefined || profile);
  try {
    const report = await withProgress(context, what, (progress) =>
      write({
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
}

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
    ...(report.inSources > 0
      ? [`${report.inSources} stay where they are, ${report.samples - report.inSources} are stored`]
      : []),
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
