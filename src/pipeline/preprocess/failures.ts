// How many samples may fail before a run ends.
import type { ErrorCode } from "../../error-codes.js";
import { fromWire, ToolkitError } from "../../errors.js";
import type { Failure } from "../../shards/manifest.js";
import type { Settings } from "./options.js";

/** Samples seen before a share of failures means anything. */
const minSamplesForShare = 1000;

/** Samples so far, those of earlier runs with them. */
export interface FailureCounts {
  readonly samples: number;
  readonly failed: number;
}

/** Throws as soon as samples fail that must not, or more of them than may. */
export class FailureLimit {
  constructor(private readonly settings: Pick<Settings, "onBadSample" | "errorLimit">) {}

  /**
   * After every group of samples; `counts` has the group's `failures` in it. The failure's own error, or
   * TOO_MANY_ERRORS.
   */
  check(failures: readonly Failure[], counts: FailureCounts): void {
    const [first] = failures;
    if (first === undefined) return;
    if (this.settings.onBadSample === "fail") throw fromWire({ ...first, code: first.code as ErrorCode });
    const { count } = this.settings.errorLimit;
    const { failed } = counts;
    if (failed > count) throw tooMany(`${failed} samples failed, at most ${count} allowed`, failures.at(-1));
    this.checkShare(minSamplesForShare, counts, failures.at(-1));
  }

  /** When all samples are read: TOO_MANY_ERRORS. */
  checkAll(counts: FailureCounts): void {
    this.checkShare(1, counts);
  }

  private checkShare(minSamples: number, { failed, samples }: FailureCounts, last?: Failure): void {
    const { share } = this.settings.errorLimit;
    if (failed + samples < minSamples || failed <= share * (failed + samples)) return;
    throw tooMany(`${failed} of ${failed + samples} samples failed, at most ${share * 100} % allowed`, last);
  }
}

function tooMany(message: string, last: Failure | undefined): ToolkitError {
  const example = last === undefined ? "" : `; the last: ${last.code}: ${last.message}`;
  return new ToolkitError("TOO_MANY_ERRORS", message + example, { source: last?.source, key: last?.key });
}
