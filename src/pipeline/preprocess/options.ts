// What preprocess can be asked for, checked and completed.
import { availableParallelism } from "node:os";
import { invalidOption } from "../../errors.js";
import { type Codec, codecs, defaultCodec } from "../../native/codec-names.js";
import type { DecoderChoice, ResizeOptions } from "../../native/index.js";
import type { PipelineCounters, Recorder } from "../stage-clock.js";
import type { LabelOptions } from "./label-rules.js";

export interface PreprocessOptions extends LabelOptions {
  /** Tars (.tar, .tar.gz), folders of tars, or folders of class folders; braces and globs expand. */
  readonly sources: readonly string[];
  /** The folder for shards and manifest. */
  readonly out: string;
  /** How packed streams are stored. Default "zstd": about the size of the JPEGs; "none": twice that, and several times faster to read. */
  readonly codec?: Codec;
  /** Roll over after this many bytes. Default 256 MiB: one good-sized object. */
  readonly maxShardBytes?: number;
  /** Decoding threads. Default: one per core. Never changes the output. */
  readonly workers?: number;
  /** Images of more pixels are failures. Default 100 million. */
  readonly maxPixels?: number;
  /** Larger files are failures, without being held in memory. Default 64 MiB. */
  readonly maxImageBytes?: number;
  /** "libjpeg" reads every file with libjpeg instead of our own decoder; the output is the same. Default "auto". */
  readonly decoder?: DecoderChoice;
  /** Whether images are turned upright by their EXIF orientation. Default "ignore", the ImageNet convention. */
  readonly orient?: "ignore" | "apply";
  /** Store a resized form instead of the file's own coefficients. */
  readonly resize?: Partial<ResizeOptions> & Pick<ResizeOptions, "shorterSide">;
  /** Bad samples are skipped and counted, or end the run. Default "skip". */
  readonly onBadSample?: "skip" | "fail";
  /** Failures after which to give up with TOO_MANY_ERRORS: a number, or a share of the samples seen ("1%"). Default: never. */
  readonly maxErrors?: number | `${number}%` | undefined;
  /** A tar to put the files of failed samples in. */
  readonly quarantine?: string | undefined;
  /** Replace whatever data set is in `out`. Default false: resume it when it is the same, refuse when not. */
  readonly overwrite?: boolean;
  /**
   * Which of how many processes this is that share the work: each reads sources of its own, and the last to finish writes the manifest.
   * Default 0 of 1.
   */
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
  /** Read nothing: only write the manifest of what all ranks have written. Default false. */
  readonly merge?: boolean | undefined;
  /** How often the sources are read, one pass after the other: more than once is for measuring. Default 1. */
  readonly passes?: number | undefined;
  /** Called after every group of samples, at most some hundred times a second. */
  readonly onProgress?: ((progress: PreprocessProgress) => void) | undefined;
  /** Hears of everything that the stages do. */
  readonly recorder?: Recorder | undefined;
  /** Called once, before anything is read: gives the counters of all stages of this rank at any time. */
  readonly onCounters?: ((counters: () => PipelineCounters) => void) | undefined;
  /** Ends the run: the call rejects with the signal's reason, finished shards stay, nothing half-written does. */
  readonly signal?: AbortSignal | undefined;
}

export interface PreprocessProgress {
  /** Of the sources, as they are stored; both count what an earlier run had done. */
  readonly bytesRead: number;
  readonly totalBytes: number;
  readonly samples: number;
  readonly failed: number;
  /** The source being read. */
  readonly source: string | undefined;
}

/** Failures that are too many. */
export interface ErrorLimit {
  readonly count: number;
  /** Of the samples seen. */
  readonly share: number;
}

type Decided =
  | "out"
  | "codec"
  | "maxShardBytes"
  | "workers"
  | "maxPixels"
  | "maxImageBytes"
  | "decoder"
  | "orient"
  | "onBadSample"
  | "overwrite"
  | "rank"
  | "worldSize"
  | "merge";

export type Settings = { readonly [K in Decided]-?: NonNullable<PreprocessOptions[K]> } & Pick<
  PreprocessOptions,
  "onProgress" | "recorder" | "onCounters" | "signal" | "quarantine"
> & { readonly resize: ResizeOptions | undefined; readonly errorLimit: ErrorLimit };

/** INVALID_OPTION for anything outside its range. */
export function resolveOptions(options: PreprocessOptions): Settings {
  const {
    out,
    codec = defaultCodec,
    maxShardBytes = 256 << 20,
    workers = availableParallelism(),
    maxPixels = 100_000_000,
    maxImageBytes = 64 << 20,
    decoder = "auto",
    orient = "ignore",
    onBadSample = "skip",
    overwrite = false,
    rank = 0,
    worldSize = 1,
    merge = false,
    quarantine,
    onProgress,
    recorder,
    onCounters,
    signal,
  } = options;
  oneOf("compression", codec, codecs);
  oneOf("decoder", decoder, ["auto", "libjpeg"]);
  oneOf("orient", orient, ["ignore", "apply"]);
  oneOf("on-error", onBadSample, ["skip", "fail"]);
  integer("workers", workers, 1, 1024);
  integer("world-size", worldSize, 1, 1_000_000);
  integer("rank", rank, 0, worldSize - 1);
  if (overwrite && (worldSize > 1 || merge))
    throw invalidOption("overwrite", "left out with several ranks, which would remove each other's work", true);
  integer("shard-bytes", Math.floor(maxShardBytes), 1, Number.MAX_SAFE_INTEGER);
  integer("max-pixels", maxPixels, 1, 2 ** 32);
  integer("max-image-bytes", Math.floor(maxImageBytes), 1, 2 ** 31);
  integer("passes", options.passes ?? 1, 1, 1_000_000);
  return {
    out,
    codec,
    maxShardBytes,
    workers,
    maxPixels,
    maxImageBytes,
    decoder,
    orient,
    resize: resolveResize(options.resize),
    onBadSample,
    errorLimit: resolveLimit(options.maxErrors),
    quarantine,
    overwrite,
    rank,
    worldSize,
    merge,
    onProgress,
    recorder,
    onCounters,
    signal,
  };
}

function oneOf(option: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw invalidOption(option, allowed.join(" or "), value);
}

function integer(option: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw invalidOption(option, `an integer from ${least} to ${most}`, value);
}

function resolveResize(given: PreprocessOptions["resize"]): ResizeOptions | undefined {
  if (given === undefined) return undefined;
  const { shorterSide, crop = 0, quality = 95, sampling = "4:2:0" } = given;
  integer("resize", shorterSide, 8, 16384);
  if (crop !== 0) integer("crop", crop, 8, shorterSide);
  integer("quality", quality, 1, 100);
  oneOf("sampling", sampling, ["4:2:0", "4:4:4"]);
  return { shorterSide, crop, quality, sampling };
}

function resolveLimit(given: PreprocessOptions["maxErrors"]): ErrorLimit {
  if (given === undefined) return { count: Number.POSITIVE_INFINITY, share: 1 };
  const percent = typeof given === "string" ? /^(\d+(?:\.\d+)?)%$/.exec(given)?.[1] : undefined;
  if (percent !== undefined && Number(percent) <= 100)
    return { count: Number.POSITIVE_INFINITY, share: Number(percent) / 100 };
  if (typeof given !== "number" || !(given >= 0))
    throw invalidOption("max-errors", "a number >= 0 or a share such as 1%", given);
  return { count: given, share: 1 };
}
