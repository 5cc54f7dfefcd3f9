// What a loader can be told, and what holds when it is not told.
import { availableParallelism } from "node:os";
import { invalidOption, type ToolkitError } from "../../errors.js";
import { bytes, finite, flag, integers, oneOf, text } from "../../options/kinds.js";
import { type Complete, complete, type Given, optionTable } from "../../options/table.js";
import type { ClassList } from "../../shards/class-list.js";
import { defaultShuffleBytes } from "../../shards/plan.js";
import type { Recorder } from "../stage-clock.js";
import { mixesPairs } from "./augment.js";
import { checkViewOptions, trainingPolicy, type ViewOptions } from "./view.js";

const cacheOptions = optionTable({
  /** Made if it is not there. Everything is kept in a folder of our own inside; other files are left alone. */
  folder: {
    kind: text,
    required: true,
    flag: "cache",
    describe: "Folder on a local disk that keeps what is read, for later epochs and other processes",
    group: "Disk cache",
  },
  /** What all files together may take, of all processes. */
  maxBytes: {
    kind: bytes(),
    required: true,
    flag: "cache-bytes",
    describe: "What `cache.folder` may take, such as 200GiB",
    group: "Disk cache",
  },
  /** Samples are kept uncompressed: twice the bytes, and much less work to read them. Default false. */
  expanded: {
    kind: flag,
    flag: "cache-expanded",
    describe: "Cache samples uncompressed: about twice the bytes, much less work to unpack",
    group: "Disk cache",
  },
});

export interface LoaderCacheOptions extends Given<typeof cacheOptions> {}

export const loaderOptions = optionTable({
  /** Samples of a step, of all ranks together. */
  batchSize: { kind: integers(1), required: true, describe: "Samples per step, of all ranks together" },
  /** Which of how many ranks this is: each gets the same share of every step. Default 0 of 1. */
  rank: { kind: integers(0), default: 0, describe: "Which rank this is" },
  /** How many ranks there are. */
  worldSize: { kind: integers(1), default: 1, describe: "How many ranks there are" },
  /** Decides order and augmentation, with the epoch. Default 0. */
  seed: { kind: finite, default: 0, describe: "Decides order and augmentation" },
  /** Whether every epoch has an order of its own; false keeps the manifest's order. Default true. */
  shuffle: { kind: flag, default: true, describe: "Permute the samples of every epoch" },
  /**
   * Samples are permuted within groups of so many bytes of the image files that they were made of, however they are
   * stored; a smaller data set is permuted as a whole. Default 1 GiB.
   */
  shuffleBytes: {
    kind: bytes(),
    default: defaultShuffleBytes,
    describe: "Bytes of image files that samples are permuted within",
  },
  /**
   * The last, incomplete step of an epoch is left out; otherwise its missing slots are padding. Default true when
   * shuffling.
   */
  dropLast: { kind: flag, otherwise: "true when shuffling", describe: "Leave out an epoch's last, incomplete batch" },
  /** View threads. Default: one less than the cores, at least 1. Never changes what is produced. */
  workers: { kind: integers(1), otherwise: "one less than the cores", describe: "View threads", group: "Input" },
  /**
   * Batches that are held, the one in use with them. Default: enough to give every view thread four tasks ahead, at
   * least 3.
   */
  prefetchBatches: { kind: integers(1), otherwise: "enough for all view threads", describe: "Batches made ahead" },
  /**
   * Bytes that are held ahead of their use, finished batches and what they are made from. Default: 1 GiB, or what a
   * rank takes of a group as it is stored, up to 3 GiB: about 2 GiB for one rank on uncompressed shards.
   */
  prefetchBytes: {
    kind: bytes(),
    otherwise: "1GiB, or up to 3GiB where that holds a group",
    describe: "Memory for batches made ahead and what they are made from, such as 512MiB",
    group: "Input",
  },
  /**
   * A damaged sample ends the epoch with an error, or its neighbour (in a padded epoch: padding) takes its slot and it
   * is counted. Default "fail".
   */
  onBadSample: {
    kind: oneOf(["fail", "skip"]),
    default: "fail",
    flag: "on-error",
    describe: "A damaged sample ends the epoch, or is counted and left out",
  },
  /** What is read is kept on the local disk, for the next epoch and other processes. Default: none. */
  cache: { options: cacheOptions },
  /** What the stage that uses the batches is called in counters and traces. Default "consumer". */
  consumer: { kind: text, default: "consumer", describe: "Name of the stage that uses the batches" },
});

/** Where batches come from and go to, beside the table of options. */
export interface LoaderOptions extends Given<typeof loaderOptions> {
  readonly view: ViewOptions;
  /**
   * What labels are numbers of: sources that number the same classes otherwise are mapped by synset or name. Default:
   * the first source's classes, of which the others may have a part.
   */
  readonly classList?: ClassList | undefined;
  /** Receives everything that the loader's stages do. */
  readonly recorder?: Recorder | undefined;
  /** Receives what is wrong and ends nothing: a cache that cannot keep anything. */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Samples of one view task: small enough to spread a batch over the threads. Even, so that pairs stay together. */
export const taskSamples = 32;

/** Tasks per view thread that are made ahead: with fewer, threads run dry whenever batches are put together. */
const tasksPerThread = 4;

/** Options with every default filled in. */
export type LoaderSettings = Omit<Complete<typeof loaderOptions>, "cache"> & {
  readonly view: ViewOptions;
  readonly dropLast: boolean;
  readonly workers: number;
  readonly prefetchBatches: number;
  readonly prefetchBytes: number;
} & Pick<LoaderOptions, "recorder">;

/** Options before the data are known, on which the default of `prefetchBytes` depends. */
export type CheckedOptions = Omit<LoaderSettings, "prefetchBytes"> & { readonly prefetchBytes?: number | undefined };

/** Checks the options and fills their defaults in. INVALID_OPTION for what is out of range. */
export function resolveOptions(options: LoaderOptions): CheckedOptions {
  const { cache: _, ...own } = complete(loaderOptions, options);
  const { view, recorder } = options;
  const { batchSize, rank, worldSize, shuffle, workers = Math.max(1, availableParallelism() - 1) } = own;
  if (rank >= worldSize) throw invalidOption("rank", `an integer from 0 to ${worldSize - 1}`, rank);
  if (batchSize % worldSize !== 0) throw invalidOption("batchSize", `a multiple of the ${worldSize} ranks`, batchSize);
  checkViewOptions(view);
  if (mixesPairs(trainingPolicy(view) ?? {}) && (batchSize / worldSize) % 2 !== 0)
    throw invalidOption("batchSize", "even for every rank: mixup and CutMix take pairs", batchSize);
  const batchTasks = Math.ceil(batchSize / worldSize / taskSamples);
  return {
    ...own,
    view,
    recorder,
    workers,
    dropLast: own.dropLast ?? shuffle,
    prefetchBatches: own.prefetchBatches ?? Math.max(3, 1 + Math.ceil((tasksPerThread * workers) / batchTasks)),
  };
}
