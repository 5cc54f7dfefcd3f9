// What preprocess can be asked for, checked and completed.
import { availableParallelism } from "node:os";
import { invalidOption } from "../../errors.js";
import { codecs, defaultCodec } from "../../native/codec-names.js";
import type { ResizeOptions } from "../../native/index.js";
import { defaultMaxImageBytes, defaultMaxPixels } from "../../native/limits.js";
import { bytes, flag, integers, type Kind, numbers, oneOf, text, texts } from "../../options/kinds.js";
import { type Complete, complete, type Given, optionTable } from "../../options/table.js";
import type { PipelineCounters, Recorder } from "../stage-clock.js";
import type { DatasetForm } from "./decode-task.js";
import { labelOptions } from "./label-rules.js";

type FailureLimit = number | `${number}%`;

const percentPattern = /^(\d+(?:\.\d+)?)%$/;

const failureLimits: Kind<FailureLimit> = {
  expected: "a number >= 0 or a share such as 1%",
  accepts: (value) =>
    typeof value === "number" ? value >= 0 : Number(percentPattern.exec(String(value))?.[1] ?? "none") <= 100,
  parse: (given) => (/^\d+$/.test(given) ? Number(given) : (given as FailureLimit)),
  shape: "value",
};

const resizeOptions = optionTable({
  /** The shorter side of what is stored, in pixels. */
  shorterSide: {
    kind: integers(8, 16384),
    required: true,
    flag: "resize",
    describe: "Store images scaled to this shorter side instead of the files' own coefficients",
    group: "Resized form",
  },
  /** Side of the centred square that is kept; 0: everything. Default 0. */
  crop: {
    kind: numbers(
      "0 or an integer from 8 to the shorter side",
      (value) => value === 0 || (Number.isInteger(value) && value >= 8),
    ),
    default: 0,
    describe: "With `resize.shorterSide`: keep the centred square of this side, or everything for 0",
    group: "Resized form",
  },
  /** JPEG quality, 1 to 100. Default 95. */
  quality: {
    kind: integers(1, 100),
    default: 95,
    describe: "With `resize.shorterSide`: JPEG quality",
    group: "Resized form",
  },
  /** Chroma sampling. Default "4:2:0". */
  sampling: {
    kind: oneOf(["4:2:0", "4:4:4"]),
    default: "4:2:0",
    describe: "With `resize.shorterSide`: chroma sampling",
    group: "Resized form",
  },
});

/** The limit of every command that reads image files. */
export const maxImageBytesOption = optionTable({
  /** Larger files are failures, without being held in memory. Default 64 MiB. */
  maxImageBytes: {
    kind: bytes(2 ** 31),
    default: defaultMaxImageBytes,
    describe: "Larger files are failures",
    group: "Failures",
  },
});

export const preprocessOptions = optionTable({
  /** Tars (.tar, .tar.gz), folders of tars, or folders of class folders; braces and globs expand. */
  sources: {
    kind: texts,
    required: true,
    describe:
      "Tars (WebDataset, ImageNet's tar of tars, flat, one synset; .tar.gz too), folders of tars or folders of class folders; {000..146} and globs expand",
  },
  /** The folder for shards and manifest. */
  out: {
    kind: text,
    required: true,
    describe: "Folder for the shards and the manifest, a path or s3://bucket/folder",
    group: "Output",
  },
  /**
   * How packed streams are stored. Default "zstd": about the size of the JPEGs; "none": twice that, and several times
   * faster to read.
   */
  codec: {
    kind: oneOf(codecs),
    default: defaultCodec,
    flag: "compression",
    describe: "zstd: about the JPEGs' size; none: twice that, several times faster to read",
    group: "Output",
  },
  /** A new shard begins after this many bytes. Default 256 MiB: one good-sized object. */
  maxShardBytes: {
    kind: bytes(),
    default: 256 << 20,
    flag: "shard-bytes",
    describe: "Start a new shard after this many bytes",
    group: "Output",
  },
  /** Decoding threads. Default: one per core. Never changes the output. */
  workers: {
    kind: integers(1, 1024),
    default: availableParallelism(),
    describe: "Decoding threads; never changes the output",
    group: "Machine",
  },
  ...labelOptions,
  /** Whether images are turned upright by their EXIF orientation. Default "ignore", the ImageNet convention. */
  orient: {
    kind: oneOf(["ignore", "apply"]),
    default: "ignore",
    describe: "apply: turn images upright by their EXIF orientation, which re-encodes them",
    group: "Images",
  },
  /** A resized form is stored instead of the file's own coefficients. */
  resize: { options: resizeOptions },
  /** "libjpeg" reads every file with libjpeg instead of our own decoder; the output is the same. Default "auto". */
  decoder: {
    kind: oneOf(["auto", "libjpeg"]),
    default: "auto",
    describe: "libjpeg: read every file with libjpeg instead of our own decoder; the output is the same",
    group: "Machine",
  },
  /** Images of more pixels are failures. Default 100 million. */
  maxPixels: {
    kind: integers(1, 2 ** 32),
    default: defaultMaxPixels,
    describe: "Images of more pixels are failures",
    group: "Failures",
  },
  ...maxImageBytesOption,
  /** Bad samples are skipped and counted, or end the run. Default "skip". */
  onBadSample: {
    kind: oneOf(["skip", "fail"]),
    default: "skip",
    flag: "on-error",
    describe: "Skip and count bad samples, or stop at the first",
    group: "Failures",
  },
  /**
   * Failures after which to give up with TOO_MANY_ERRORS: a number, or a share of the samples seen ("1%"). Default:
   * never.
   */
  maxErrors: {
    kind: failureLimits,
    describe: "Stop after more failures than this: a number, or a share of the samples such as 0.1%",
    group: "Failures",
  },
  /** A tar to put the files of failed samples in. */
  quarantine: {
    kind: text,
    describe: "Tar to put the files of failed samples in, to be repaired and fed back",
    group: "Failures",
  },
  /**
   * Whatever data set is in `out` is replaced. Default false: it is resumed when it is the same, and refused when not.
   */
  overwrite: { kind: flag, default: false, describe: "Replace the data set that is in `out`", group: "Output" },
  /**
   * Which of how many processes this is that share the work: each reads sources of its own, and the last to finish
   * writes the manifest. Default 0 of 1.
   */
  rank: {
    kind: integers(0),
    default: 0,
    otherwise: "what MPI, Slurm, Kubernetes or AWS Batch say, or 0",
    describe: "Which of `worldSize` machines this is",
    group: "Machine",
  },
  /** How many processes share the work. Default 1. */
  worldSize: {
    kind: integers(1, 1_000_000),
    default: 1,
    otherwise: "what they say, or 1",
    describe: "How many machines share the work",
    group: "Machine",
  },
  /** Nothing is read: only the manifest of what all ranks have written is written. Default false. */
  merge: {
    kind: flag,
    default: false,
    describe: "Read nothing, only write the manifest of what all ranks have written",
    group: "Machine",
  },
  /** How often the sources are read, one pass after the other: more than once is for measuring. Default 1. */
  passes: { kind: integers(1, 1_000_000), default: 1, flag: false, describe: "How often the sources are read" },
});

export interface PreprocessOptions extends Given<typeof preprocessOptions> {
  /** Called after every group of samples, at most some hundred times a second. */
  readonly onProgress?: ((progress: PreprocessProgress) => void) | undefined;
  /** Receives everything that the stages do. */
  readonly recorder?: Recorder | undefined;
  /** Called once, before anything is read: gives the counters of all stages of this rank at any time. */
  readonly onCounters?: ((counters: () => PipelineCounters) => void) | undefined;
  /** Ends the run: the call rejects with the signal's reason, finished shards stay, nothing half-written does. */
  readonly signal?: AbortSignal | undefined;
}

export interface PreprocessProgress {
  /** Bytes of the sources, as they are stored; both count what an earlier run had done. */
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
  /** A share of the samples seen. */
  readonly share: number;
}

export type Settings = Omit<
  Complete<typeof preprocessOptions>,
  keyof typeof labelOptions | "sources" | "resize" | "maxErrors" | "passes"
> &
  Pick<PreprocessOptions, "onProgress" | "recorder" | "onCounters" | "signal"> & {
    readonly form: DatasetForm;
    readonly resize: ResizeOptions | undefined;
    readonly errorLimit: ErrorLimit;
  };

/** Checks the options and fills their defaults in. INVALID_OPTION for anything outside its range. */
export function resolveOptions(options: PreprocessOptions, form: DatasetForm): Settings {
  const settings = complete(preprocessOptions, options);
  const { resize, rank, worldSize, merge, overwrite } = settings;
  if (rank >= worldSize) throw invalidOption("rank", `an integer from 0 to ${worldSize - 1}`, rank);
  if (overwrite && (worldSize > 1 || merge))
    throw invalidOption("overwrite", "left out with several ranks, which would remove each other's work", true);
  if (resize !== undefined && resize.crop > resize.shorterSide)
    throw invalidOption("resize.crop", `at most the shorter side ${resize.shorterSide}`, resize.crop);
  const { onProgress, recorder, onCounters, signal } = options;
  return {
    ...settings,
    form,
    resize,
    maxShardBytes: Math.floor(settings.maxShardBytes),
    maxImageBytes: Math.floor(settings.maxImageBytes),
    errorLimit: limitOf(settings.maxErrors),
    onProgress,
    recorder,
    onCounters,
    signal,
  };
}

function limitOf(given: FailureLimit | undefined): ErrorLimit {
  if (typeof given === "number") return { count: given, share: 1 };
  const share = given === undefined ? 1 : Number.parseFloat(given) / 100;
  return { count: Number.POSITIVE_INFINITY, share };
}
