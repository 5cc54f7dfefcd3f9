// dctstream profile read: the loader with a consumer that does nothing.
import { Loader } from "../../src/pipeline/load/loader.js";
import { defaultPrefetchBytes, type LoaderOptions } from "../../src/pipeline/load/options.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import { type Feeding, feedingStages, measureLimits, recommendFor, stationOf } from "./feeding.js";
import { type Measured, startMeasuring } from "./measure.js";
import type { Station } from "./model.js";
import { Recording } from "./recording.js";
import type { Profile } from "./stage.js";
import { bottleneckOf, verdictOf } from "./verdict.js";

/** Threads start and files are opened before anything counts. */
const warmUpMs = 300;

export interface Profiled {
  readonly profile: Profile;
  readonly recording: Recording;
  readonly station: Station;
}

const consumer = "consumer";

export async function profileRead(
  manifest: LoadedManifest,
  options: LoaderOptions,
  seconds: number,
): Promise<Profiled> {
  const limits = await measureLimits(manifest);
  const recording = new Recording();
  await using loader = await Loader.open(manifest, { ...options, consumer, recorder: recording });
  const measured = await measureLoader(loader, seconds, options.signal, () => recording.clear());
  const { elapsedMs, stages: counted } = measured.counters;
  const imagesPerSecond = (1000 * (counted[consumer]?.samples ?? 0)) / elapsedMs;
  const feeding = feedingOf(manifest, options, loader);
  // Whoever only takes batches is no stage that could hold them up.
  const stages = feedingStages(feeding, limits, measured, imagesPerSecond).filter(({ name }) => name !== consumer);
  const { cores, station } = await stationOf(feeding, measured, stages, imagesPerSecond);
  const profile: Profile = {
    what: "read",
    imagesPerSecond,
    seconds: elapsedMs / 1000,
    stages,
    bottleneck: bottleneckOf(stages, cores),
    verdict: verdictOf(stages, cores, imagesPerSecond),
    cores,
    limits: { ...limits },
    headroom: undefined,
    recommendations: await recommendFor(feeding, station),
    percentiles: recording.percentiles(),
  };
  return { profile, recording, station };
}

function feedingOf(manifest: LoadedManifest, options: LoaderOptions, loader: Loader): Feeding {
  const { view, batchSize, cache } = options;
  return {
    manifest,
    view,
    batchSize,
    cache,
    workers: loader.viewThreads,
    prefetchBytes: options.prefetchBytes ?? defaultPrefetchBytes,
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
