// The stages that feed the consumer of batches, as a profile shows them: what limits them here, and what other settings
// would bring.
import { type LoaderOptions, taskSamples } from "../../src/pipeline/load/options.js";
import { formOf, slotBytes, viewBytes } from "../../src/pipeline/load/slot.js";
import { maxReadsInFlight } from "../../src/pipeline/load/span-reader.js";
import type { ViewOptions } from "../../src/pipeline/load/view.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import { isFarAway } from "../../src/shards/source-files.js";
import { formatBytes } from "../options/quantity.js";
import { loneReadMs, memoryCopyRate, shardReadRate, unpackingWithoutCompression } from "./limits.js";
import { coresOf, type Measured } from "./measure.js";
import { bestWorkers, type Change, type Option, recommend, type Station } from "./model.js";
import { type Recommendation, type Stage, type StageFacts, stagesOf } from "./stage.js";

/** What is fed, and how. */
export interface Feeding {
  readonly manifest: LoadedManifest;
  readonly view: ViewOptions;
  readonly batchSize: number;
  readonly workers: number;
  readonly prefetchBytes: number;
  readonly cache: LoaderOptions["cache"];
}

export interface FeedingLimits {
  /** Bytes a second: of one thread that copies memory, and of shards that are only read. */
  readonly memoryCopyBytesPerSecond: number;
  readonly shardReadBytesPerSecond: number;
}

const limitSeconds = 0.5;

export async function measureLimits(manifest: LoadedManifest): Promise<FeedingLimits> {
  return {
    memoryCopyBytesPerSecond: memoryCopyRate(),
    shardReadBytesPerSecond: await shardReadRate(manifest, limitSeconds),
  };
}

/** Bytes of a sample, as it is stored; of a file that stayed in its source all that a view may read. */
const storedBytes = ({ inputBytes, shards, samples }: LoadedManifest) =>
  shards.some(({ seek }) => seek !== undefined)
    ? inputBytes / samples
    : shards.reduce((sum, { byteLength }) => sum + byteLength, 0) / samples;

/** `imagesPerSecond`: through the whole pipeline. `more` are facts of the stages behind the loader's own. */
export function feedingStages(
  feeding: Feeding,
  limits: FeedingLimits,
  { counters }: Measured,
  imagesPerSecond: number,
  more: Readonly<Record<string, StageFacts>> = {},
): Stage[] {
  const { manifest, workers } = feeding;
  // A service may have been slower when it was measured: what was reached is possible.
  const readable = Math.max(imagesPerSecond, limits.shardReadBytesPerSecond / storedBytes(manifest));
  const copies = (workers * limits.memoryCopyBytesPerSecond) / viewBytes(formOf(feeding.view, manifest.frequencies));
  return stagesOf(counters, imagesPerSecond, {
    storage: {
      alone: feeding.cache === undefined ? readable : undefined,
      limit: { imagesPerSecond: readable, what: "range reads of shards side by side" },
    },
    views: { limit: { imagesPerSecond: copies, what: "copying finished views in memory" } },
    ...more,
  });
}

/** The model of a pipeline that was measured. */
export async function stationOf(
  feeding: Feeding,
  measured: Measured,
  stages: readonly Stage[],
  imagesPerSecond: number,
): Promise<Station> {
  const { manifest, batchSize, workers, prefetchBytes } = feeding;
  const cores = coresOf(measured, (imagesPerSecond * measured.counters.elapsedMs) / 1000);
  const slot = slotBytes(formOf(feeding.view, manifest.frequencies), batchSize);
  const tasks = Math.ceil(batchSize / taskSamples);
  const mostTasks = (change: Change) => Math.max(1, Math.floor((change.prefetchBytes ?? prefetchBytes) / slot)) * tasks;
  const storage = measured.counters.stages.storage;
  const imagesPerRead = Math.max(1, (storage?.samples ?? 0) / Math.max(1, storage?.pieces ?? 0));
  // What is held ahead is counted without the shards' own bytes.
  const imageBytes = (storage?.bytes ?? 0) / Math.max(1, storage?.samples ?? 0);
  const latencyMs = isFarAway(manifest) ? await loneReadMs(manifest, imageBytes * imagesPerRead) : 0;
  const most = maxReadsInFlight;
  const reads = latencyMs === 0 ? undefined : { prefetchBytes, imageBytes, batchSize, imagesPerRead, latencyMs, most };
  return {
    imagesPerSecond,
    stages,
    cores,
    workers: { stage: "views", now: workers, most: mostTasks },
    ...(reads !== undefined && { reads }),
  };
}

export async function recommendFor(feeding: Feeding, station: Station): Promise<Recommendation[]> {
  return recommend(station, await feedingOptions(feeding, station));
}

/** What could be changed, as far as it is not so already. */
async function feedingOptions(feeding: Feeding, station: Station): Promise<Option[]> {
  const { manifest, prefetchBytes, cache } = feeding;
  const options: Option[] = [];
  const workers = bestWorkers(station);
  if (workers !== undefined) options.push({ text: `--workers ${workers}`, change: { workers } });
  const more = 4 * prefetchBytes;
  options.push({
    text: `--prefetch-bytes ${formatBytes(more).replace(" ", "").replace(".0", "")}`,
    change: { prefetchBytes: more },
  });
  if (isFarAway(manifest) && cache === undefined) {
    const bytes = formatBytes(storedBytes(manifest) * manifest.samples).replace(" ", "");
    const text = `--cache FOLDER --cache-bytes ${bytes}, from the second epoch on`;
    options.push({ text, change: { cached: true } });
  }
  const unpacking = await unpackingWithoutCompression(manifest);
  if (unpacking !== undefined)
    options.push({ text: "preprocess --compression none (twice the bytes)", change: { unpacking } });
  return options;
}
