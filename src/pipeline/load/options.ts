// What a loader can be told, and what holds when it is not told.
import { availableParallelism } from "node:os";
import { invalidOption, type ToolkitError } from "../../errors.js";
import type { ClassList } from "../../shards/class-list.js";
import { defaultShuffleBytes } from "../../shards/plan.js";
import type { CacheOptions } from "../../storage/disk/cache.js";
import type { Recorder } from "../stage-clock.js";
import { mixesPairs } from "./augment.js";
import { checkViewOptions, trainingPolicy, type ViewOptions } from "./view.js";

export interface LoaderOptions {
  readonly view: ViewOptions;
  /** Samples of a step, of all ranks together. */
  readonly batchSize: number;
  /** Which of how many ranks this is: each gets the same share of every step. Default 0 of 1. */
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
  /**
   * What labels are numbers of: sources that number the same classes otherwise are mapped by synset or name. Default: the first source's
   * classes, of which the others may have a part.
   */
  readonly classList?: ClassList | undefined;
  /** Decides order and augmentation, with the epoch. Default 0. */
  readonly seed?: number | undefined;
  /** False: manifest order. Default true. */
  readonly shuffle?: boolean | undefined;
  /** Samples are permuted within groups of so many stored bytes; a smaller data set is permuted as a whole. Default 1 GiB. */
  readonly shuffleBytes?: number | undefined;
  /** Leave out the last, incomplete step of an epoch; otherwise its missing places are padding. Default true when shuffling. */
  readonly dropLast?: boolean | undefined;
  /** View threads. Default: one less than the cores, at least 1. Never changes what is produced. */
  readonly workers?: number | undefined;
  /** Batches that are held, the one in use with them. Default: enough to give every view thread four tasks ahead, at least 3. */
  readonly prefetchBatches?: number | undefined;
  /** Bytes that are held ahead of their use, finished batches and what they are made from. Default 1 GiB. */
  readonly prefetchBytes?: number | undefined;
  /** A damaged sample ends the epoch with an error, or its neighbour (in a padded epoch: padding) takes its place and it is counted. Default "fail". */
  readonly onBadSample?: "fail" | "skip" | undefined;
  /** Keep what is read on the local disk, for the next epoch and other processes. Default: none. */
  readonly cache?: LoaderCacheOptions | undefined;
  /** What the stage that uses the batches is called in counters and traces. Default "consumer". */
  readonly consumer?: string | undefined;
  /** Hears of everything that the loader's stages do. */
  readonly recorder?: Recorder | undefined;
  /** Hears of what is wrong and ends nothing: a cache that cannot keep anything. */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Samples of one view task: small enough to spread a batch over the threads. Even, so that pairs stay together. */
export const taskSamples = 32;

/** Bytes that are held ahead where nothing is said. */
export const defaultPrefetchBytes = 1 << 30;

/** Tasks per view thread that are made ahead: with fewer, threads run dry whenever batches are put together. */
const tasksPerThread = 4;

export interface LoaderCacheOptions extends CacheOptions {
  /** Keep samples uncompressed: twice the bytes, and much less work to read them. Default false. */
  readonly expanded?: boolean | undefined;
}

/** Options with every default filled in. */
export type LoaderSettings = {
  readonly [Name in Exclude<
    keyof LoaderOptions,
    "signal" | "cache" | "recorder" | "onWarning" | "classList"
  >]-?: Exclude<LoaderOptions[Name], undefined>;
} & Pick<LoaderOptions, "recorder">;

/** INVALID_OPTION for what is out of range. */
export function resolveOptions(options: LoaderOptions): LoaderSettings {
  const shuffle = options.shuffle ?? true;
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  const batchTasks = Math.ceil(options.batchSize / (options.worldSize ?? 1) / taskSamples);
  const settings: LoaderSettings = {
    view: options.view,
    batchSize: options.batchSize,
    rank: options.rank ?? 0,
    worldSize: options.worldSize ?? 1,
    seed: options.seed ?? 0,
    shuffle,
    shuffleBytes: options.shuffleBytes ?? defaultShuffleBytes,
    dropLast: options.dropLast ?? shuffle,
    workers,
    prefetchBatches: options.prefetchBatches ?? Math.max(3, 1 + Math.ceil((tasksPerThread * workers) / batchTasks)),
    prefetchBytes: options.prefetchBytes ?? defaultPrefetchBytes,
    onBadSample: options.onBadSample ?? "fail",
    consumer: options.consumer ?? "consumer",
    recorder: options.recorder,
  };
  checkViewOptions(settings.view);
  const { batchSize, rank, worldSize, prefetchBatches, prefetchBytes } = settings;
  const counts = { "batch-size": batchSize, "world-size": worldSize, workers, "prefetch-batches": prefetchBatches };
  for (const [name, value] of Object.entries(counts))
    if (!Number.isInteger(value) || value < 1) throw invalidOption(name, "an integer >= 1", value);
  if (!(Number.isInteger(rank) && rank >= 0 && rank < worldSize))
    throw invalidOption("rank", `an integer from 0 to ${worldSize - 1}`, rank);
  if (batchSize % worldSize !== 0) throw invalidOption("batch-size", `a multiple of the ${worldSize} ranks`, batchSize);
  if (mixesPairs(trainingPolicy(settings.view) ?? {}) && (batchSize / worldSize) % 2 !== 0)
    throw invalidOption("batch-size", "even for every rank: mixup and CutMix take pairs", batchSize);
  if (!(prefetchBytes > 0)) throw invalidOption("prefetch-bytes", "more than 0 bytes", prefetchBytes);
  return settings;
}
