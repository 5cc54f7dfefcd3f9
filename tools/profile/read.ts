// dctstream profile read: the loader with a consumer that does nothing.
import { type LoadCounters, loadBetween, viewTime } from "../../src/pipeline/load/load-clock.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import type { LoaderOptions } from "../../src/pipeline/load/options.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import { isRemote } from "../../src/storage/store.js";
import { memoryCopyRate, shardReadRate } from "./limits.js";
import { busiest, type Profile, type Stage, verdictOf } from "./stage.js";

/** Threads start and files are opened before anything counts. */
const warmUpMs = 300;
const limitSeconds = 0.5;

export async function profileRead(manifest: LoadedManifest, options: LoaderOptions, seconds: number): Promise<Profile> {
  const copyRate = memoryCopyRate();
  const readRate = await shardReadRate(manifest, limitSeconds);
  await using loader = await Loader.open(manifest, options);
  const { counters, viewBytes } = await measure(loader, seconds, options.signal);
  const imagesPerSecond = (1000 * counters.samples) / counters.elapsedMs;
  const remote = isRemote(manifest.folder) || options.cache !== undefined;
  const stages = readStages(counters, { manifest, remote, threads: loader.viewThreads, viewBytes, copyRate, readRate });
  return {
    imagesPerSecond,
    seconds: counters.elapsedMs / 1000,
    stages,
    bottleneck: busiest(stages).name,
    verdict: verdictOf(stages, imagesPerSecond),
    limits: { memoryCopyBytesPerSecond: copyRate, shardReadBytesPerSecond: readRate },
  };
}

export interface Reading {
  readonly manifest: LoadedManifest;
  /** Whether shards are read apart from the view threads. */
  readonly remote: boolean;
  readonly threads: number;
  /** Of a finished view. */
  readonly viewBytes: number;
  /** Bytes a second: see limits.ts. */
  readonly copyRate: number;
  readonly readRate: number;
}

/** The stages of a loader, from what it counted. */
export function readStages(counters: LoadCounters, reading: Reading): Stage[] {
  const { manifest, remote, threads, viewBytes, copyRate, readRate } = reading;
  const { elapsedMs, samples, readMs, readBytes, collateMs } = counters;
  const imagesPerSecond = (1000 * samples) / elapsedMs;
  const storedBytes = manifest.shards.reduce((sum, { byteLength }) => sum + byteLength, 0) / manifest.samples;
  const views = viewTime(counters, threads);
  const viewMs = threads * elapsedMs;
  const busyViews = views.busyMs / viewMs;
  const storage: Stage = {
    name: "storage",
    threads: 1,
    imagesPerSecondAlone: readRate / storedBytes,
    busy: readMs / elapsedMs,
    waitForInput: 0,
    waitForOutput: 1 - readMs / elapsedMs,
    bytesPerSecond: (1000 * readBytes) / elapsedMs,
    limit: { imagesPerSecond: readRate / storedBytes, what: "range reads of shards side by side" },
  };
  return [
    ...(remote ? [storage] : []),
    {
      name: "views",
      threads,
      imagesPerSecondAlone: busyViews > 0 ? imagesPerSecond / busyViews : undefined,
      busy: busyViews,
      waitForInput: views.waitForInputMs / viewMs,
      waitForOutput: views.waitForOutputMs / viewMs,
      bytesPerSecond: imagesPerSecond * viewBytes,
      limit: { imagesPerSecond: (threads * copyRate) / viewBytes, what: "copying finished views in memory" },
    },
    {
      name: "collate",
      threads: 1,
      imagesPerSecondAlone: collateMs > 0 ? (1000 * samples) / collateMs : undefined,
      busy: collateMs / elapsedMs,
      waitForInput: 1 - collateMs / elapsedMs,
      waitForOutput: 0,
      bytesPerSecond: 0,
      limit: undefined,
    },
  ];
}

async function measure(loader: Loader, seconds: number, signal: AbortSignal | undefined) {
  let before = loader.counters;
  let counts = false;
  let viewBytes = 0;
  for await (const batch of loader.epochs(0, Number.POSITIVE_INFINITY)) {
    const places = batch.labels.length;
    viewBytes = batch.arrays.reduce((sum, { data }) => sum + data.byteLength, 0) / places;
    batch.release();
    signal?.throwIfAborted();
    const now = loader.counters;
    if (!counts && now.elapsedMs >= warmUpMs) {
      before = now;
      counts = true;
    }
    if (counts && now.elapsedMs - before.elapsedMs >= 1000 * seconds) break;
  }
  return { counters: loadBetween(before, loader.counters), viewBytes };
}
