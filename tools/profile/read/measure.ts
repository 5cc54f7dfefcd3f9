// dctstream profile read: the loader with a consumer that does nothing.
import { Loader } from "../../../src/pipeline/load/loader.js";
import type { LoaderOptions } from "../../../src/pipeline/load/options.js";
import type { LoadedManifest } from "../../../src/shards/manifest.js";
import { type Feeding, feedingStages, measureLimits, recommendFor, stationOf } from "../feeding.js";
import { type Measured, startMeasuring, throughputOf } from "../measure.js";
import { type Profiled, profiledFrom } from "../profiled.js";
import { Recording } from "../recording.js";

/** Threads start and files are opened before anything counts. */
const warmUpMs = 300;

/** A loader's name for the consumer of its batches. */
export const consumer = "consumer";

export async function profileRead(
  manifest: LoadedManifest,
  options: LoaderOptions,
  seconds: number,
): Promise<Profiled> {
  const limits = await measureLimits(manifest);
  const recording = new Recording();
  await using loader = await Loader.open(manifest, { ...options, recorder: recording });
  const measured = await measureLoader(loader, seconds, options.signal, () => recording.clear());
  const imagesPerSecond = throughputOf(measured.counters, consumer);
  const feeding = feedingOf(manifest, options, loader);
  // A consumer that only takes batches is not a stage that could hold them up.
  const stages = feedingStages(feeding, limits, measured, imagesPerSecond).filter(({ name }) => name !== consumer);
  const station = await stationOf(feeding, measured, stages, imagesPerSecond);
  const recommendations = await recommendFor(feeding, station);
  return profiledFrom(measured, station, recording, { what: "read", limits: { ...limits }, recommendations });
}

function feedingOf(manifest: LoadedManifest, options: LoaderOptions, loader: Loader): Feeding {
  const { view, batchSize, cache } = options;
  return {
    manifest,
    view,
    batchSize,
    cache,
    workers: loader.viewThreads,
    prefetchBytes: loader.prefetchBytes,
  };
}

/** Takes every batch at once, for so long after the loader has found its pace; `onBegin` is called then. */
export async function measureLoader(
  loader: Loader,
  seconds: number,
  signal: AbortSignal | undefined,
  onBegin: () => void = () => {},
): Promise<Measured> {
  let stop: (() => Measured) | undefined;
  let until = performance.now() + warmUpMs;
  for await (const batch of loader.epochs(0, Number.POSITIVE_INFINITY)) {
    batch.release();
    signal?.throwIfAborted();
    const now = performance.now();
    if (now < until) continue;
    if (stop !== undefined) break;
    onBegin();
    stop = startMeasuring(() => loader.counters);
    until = now + 1000 * seconds;
  }
  return (stop as () => Measured)();
}
