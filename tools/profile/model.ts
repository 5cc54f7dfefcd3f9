// What other settings would bring: operational analysis of a closed pipeline (Denning and Buzen, "The operational
// analysis of queueing network models", 1978). Nothing goes faster than its slowest station, a station of n threads
// does n times what one does, the cores do no more than their time divided by what an image costs, and reads under way
// are bounded by the memory for them (Little's law).
import type { Cores, Recommendation, Stage } from "./stage.js";

/** Settings that a prediction can change. */
export interface Change {
  readonly workers?: number | undefined;
  readonly prefetchBytes?: number | undefined;
  /** Reads of a service that are kept on a local disk, from the second epoch on. */
  readonly cached?: boolean | undefined;
  /** What unpacking takes then, as a share of what it takes now. */
  readonly unpacking?: number | undefined;
  /** Machines that share the work. */
  readonly machines?: number | undefined;
}

/** A pipeline as it was measured. */
export interface Station {
  readonly imagesPerSecond: number;
  readonly stages: readonly Stage[];
  readonly cores: Cores;
  /** The stage whose threads `workers` sets, and how many of them have anything to do at a time for other reasons. */
  readonly workers: { readonly stage: string; readonly now: number; readonly most: (change: Change) => number };
  readonly reads?: Reads;
}

/** How a service is read. */
export interface Reads {
  /** What a lone read takes. */
  readonly latencyMs: number;
  readonly imagesPerRead: number;
  /** Reads under way at a time at most. */
  readonly most: number;
  /** Batches are begun to be read until they exceed these bytes; their images, and an image's bytes. */
  readonly prefetchBytes: number;
  readonly batchSize: number;
  readonly imageBytes: number;
}

/** What limits, and at how many images a second. */
export interface Ceiling {
  readonly what: string;
  readonly imagesPerSecond: number;
}

/** Below this share of busy time a stage's own pace is lost in its noise. */
const leastBusy = 0.005;

/** The share of busy cores from which on threads wait for one. */
const crowded = 0.85;

/** All ceilings with a change, the lowest first. */
export function ceilings(station: Station, change: Change): Ceiling[] {
  const { stages, cores, workers, imagesPerSecond, reads } = station;
  const { machines = 1 } = change;
  const found: Ceiling[] = [];
  for (const stage of stages) {
    if (stage.busy < leastBusy) continue;
    const shared = stage.name === "storage" || stage.name === "output";
    let ceiling = stage.imagesPerSecondAlone ?? imagesPerSecond / stage.busy;
    if (stage.name === workers.stage) {
      const threads = Math.min(change.workers ?? workers.now, workers.most(change));
      const perThread = imagesPerSecond / (paceShare(stage, cores) * stage.threads);
      ceiling = (threads * perThread) / unpackingShare(stage, change);
    }
    if (stage.name === "storage") {
      if (change.cached) continue;
      if (reads !== undefined) ceiling = Math.min(ceiling, readsCeiling(reads, change));
    }
    found.push({ what: stage.name, imagesPerSecond: shared ? ceiling : ceiling * machines });
  }
  if (cores.msPerImage > 0) {
    // What other programs take of the cores is not ours.
    const ours = cores.count * Math.max(0.05, 1 - (cores.busy - cores.own));
    const views = stages.find(({ name }) => name === workers.stage);
    const saved = views === undefined ? 0 : savedMs(station, views, change);
    // What reading a service costs beside the stages is gone with a cache.
    const own = stages.reduce((sum, { onCore, threads }) => sum + (1000 * onCore * threads) / imagesPerSecond, 0);
    const cost = Math.max(1e-6, (change.cached ? own : cores.msPerImage) - saved);
    found.push({ what: "cores", imagesPerSecond: (1000 * ours * machines) / cost });
  }
  return found.sort((a, b) => a.imagesPerSecond - b.imagesPerSecond);
}

/**
 * The share of its time that a stage needs at this pace: without what its threads wait for a core, where there are too
 * few.
 */
function paceShare({ busy, onCore }: Stage, cores: Cores): number {
  return cores.busy > crowded && onCore > 0 ? onCore : busy;
}

/** Little's law: images that are being read, by how long they take to come. */
function readsCeiling(reads: Reads, change: Change): number {
  const { latencyMs, imagesPerRead, most, batchSize, imageBytes } = reads;
  const batches = Math.max(1, Math.ceil((change.prefetchBytes ?? reads.prefetchBytes) / (batchSize * imageBytes)));
  return (1000 * Math.min(batches * batchSize, most * imagesPerRead)) / Math.max(0.01, latencyMs);
}

/** How long an image takes there with the change, as a share of now. */
function unpackingShare(stage: Stage, { unpacking = 1 }: Change): number {
  return 1 - (stage.parts.unpack ?? 0) * (1 - unpacking);
}

/** Milliseconds of a core that an image costs less. */
function savedMs({ imagesPerSecond }: Station, stage: Stage, change: Change): number {
  return ((1000 * stage.onCore * stage.threads) / imagesPerSecond) * (1 - unpackingShare(stage, change));
}

/**
 * How sharply the lowest ceiling decides: stations of nearly the same pace get into each other's way, as buffers
 * between them are finite.
 */
const sharpness = 6;

/** Images a second under ceilings, the lowest first. */
function under(all: readonly Ceiling[]): number {
  const lowest = all[0]?.imagesPerSecond ?? 0;
  const crowding = all.reduce((sum, { imagesPerSecond }) => sum + (lowest / imagesPerSecond) ** sharpness, 0);
  return lowest * crowding ** (-1 / sharpness);
}

/**
 * Images a second with a change: what was measured, times how much the model's answer moves. The measured figure
 * carries what the model leaves out.
 */
export function predict(station: Station, change: Change): number {
  const { imagesPerSecond } = station;
  const [now, then] = [ceilings(station, {}), ceilings(station, change)];
  const [lowestNow, lowestThen] = [now[0]?.imagesPerSecond ?? 0, then[0]?.imagesPerSecond ?? 0];
  if (lowestNow === 0) return imagesPerSecond;
  // A ceiling is passed only where the measured figure passes its own.
  const most = lowestThen * Math.max(1, imagesPerSecond / lowestNow);
  return Math.min(most, (imagesPerSecond * under(then)) / under(now));
}

/** Gains below this share are not worth a word. */
const leastGain = 0.05;
const mostRecommended = 3;

export interface Option {
  readonly text: string;
  readonly change: Change;
}

/** The options that bring the most, best first. */
export function recommend(station: Station, options: readonly Option[]): Recommendation[] {
  const all = options.map(({ text, change }) => {
    const imagesPerSecond = predict(station, change);
    const [limit] = ceilings(station, change);
    return { change: text, imagesPerSecond, gain: imagesPerSecond / station.imagesPerSecond - 1, until: limit };
  });
  return all
    .filter(({ gain }) => gain >= leastGain)
    .sort((a, b) => b.gain - a.gain)
    .slice(0, mostRecommended);
}

/**
 * The fewest workers, up to one per core, that bring nearly all that more of them can; undefined where more bring
 * nothing.
 */
export function bestWorkers(station: Station): number | undefined {
  const { now } = station.workers;
  const counts = Array.from({ length: Math.max(0, station.cores.count - now) }, (_, i) => now + 1 + i);
  const best = Math.max(...counts.map((workers) => predict(station, { workers })), 0);
  const fewest = counts.find((workers) => predict(station, { workers }) >= 0.97 * best);
  return best > station.imagesPerSecond * (1 + leastGain) ? fewest : undefined;
}
