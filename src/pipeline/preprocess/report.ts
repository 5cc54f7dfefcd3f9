// What preprocess reports when it is done.
import { manifestName } from "../../shards/manifest.js";
import { bytesOfShard } from "../../shards/writer.js";
import type { StorageCounters } from "../../storage/counters.js";
import { joinUrl } from "../../storage/url.js";
import type { PipelineCounters } from "../stage-clock.js";
import { type Counted, sumOf } from "./publish.js";

export interface PreprocessReport {
  readonly samples: number;
  readonly failed: number;
  /** Failures by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Files that are neither samples nor failures nor labels, by the reason that they are passed over for. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Samples that were decoded and encoded again, because their colours or format cannot be stored. */
  readonly converted: number;
  /** Samples whose files stayed in their sources. */
  readonly inSources: number;
  readonly shards: number;
  /** Bytes of the images read, and of the shards written. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly seconds: number;
  /** The speed over the samples that this process read. */
  readonly imagesPerSecond: number;
  /** True when an earlier run had finished the same work and nothing was left to do. */
  readonly alreadyDone: boolean;
  /**
   * Whether every rank has done its part. If not, the counts are those of this rank's part, and there is no manifest
   * yet.
   */
  readonly complete: boolean;
  /** Requests to storage services, and how many of them had to be made again. */
  readonly storage: StorageCounters;
  /** What the stages did meanwhile, from storage to output; of this rank. */
  readonly pipeline: PipelineCounters;
  readonly manifest: string;
}

/** The report on a manifest, or on a part of one. `samplesRead` and `seconds` are of this run. */
export function reportOf(
  manifest: Counted,
  out: string,
  seconds: number,
  samplesRead: number,
  complete: boolean,
): Omit<PreprocessReport, "storage" | "pipeline"> {
  const { samples, failed, errors, ignored = {}, converted, inputBytes } = manifest;
  return {
    samples,
    failed,
    errors,
    ignored,
    converted,
    inSources: sumOf(manifest.shards, ({ seek }) => seek?.samples ?? 0),
    shards: manifest.shards.length,
    inputBytes,
    outputBytes: sumOf(manifest.shards, bytesOfShard),
    seconds: Number(seconds.toFixed(3)),
    imagesPerSecond: Math.round(samplesRead / seconds),
    alreadyDone: complete && samplesRead === 0,
    complete,
    manifest: joinUrl(out, manifestName),
  };
}
