// The write half: sources -> shards of coefficients.
import { type PreprocessOptions, resolveOptions } from "./options.js";
import type { PreprocessReport } from "./report.js";
import { findSources } from "./sources.js";
import { writeDataset } from "./write-dataset.js";

export type { PreprocessReport } from "./report.js";

/**
 * Reads every sample of the sources once and writes shards, sidecars, errors.jsonl and, last, the manifest. Resumes an
 * interrupted run of the same job; the result is the same, byte for byte, as without the interruption and for any
 * number of workers and ranks.
 *
 * Errors: NO_SOURCES, AMBIGUOUS_SOURCES, NO_SAMPLES, NO_LABELS, BAD_CLASSES, BAD_LABEL, BAD_LABELS, BAD_TAR,
 * TRUNCATED_TAR, TOO_MANY_ERRORS, OUTPUT_HOLDS_ANOTHER_DATASET, OUTPUT_IN_USE, OUTPUT_NOT_WRITABLE, INVALID_OPTION,
 * IO_ERROR; MISSING_SIDECAR from a merge that is too early. A sample that cannot be read is counted in the report
 * instead, unless `onBadSample` is "fail".
 *
 * @example
 * ```ts
 * import { preprocess } from "dctstream";
 *
 * const report = await preprocess({ sources: ["train-{000000..000146}.tar"], out: "shards/train", maxErrors: "1%" });
 * console.log(`${report.samples} samples, ${report.failed} failed: ${report.manifest}`);
 * ```
 */
export async function preprocess(options: PreprocessOptions): Promise<PreprocessReport> {
  const settings = resolveOptions(options, "coefficients");
  return writeDataset(options, settings, await findSources(options.sources));
}
