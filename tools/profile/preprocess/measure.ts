// dctstream profile preprocess: some seconds of the real work, into a folder that is removed again.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ToolkitError } from "../../../src/errors.js";
import type { PreprocessOptions } from "../../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../../src/pipeline/preprocess/preprocess.js";
import { findSources } from "../../../src/pipeline/preprocess/sources.js";
import { addCounters, type PipelineCounters } from "../../../src/pipeline/stage-clock.js";
import { writableAt } from "../../../src/storage/at.js";
import { joinUrl } from "../../../src/storage/url.js";
import { coresOf, type Measured, startMeasuring, throughputOf } from "../measure.js";
import { bestWorkers, type Option, recommend, type Station } from "../model.js";
import { type Profiled, profiledFrom } from "../profiled.js";
import { Recording } from "../recording.js";
import { stagesOf } from "../stage.js";
import { measurePreprocessLimits, type PreprocessLimits } from "./limits.js";

/**
 * Sources that are shorter than the time to measure are read again in the same run: starting and ending would count for
 * too much.
 */
const fastestBytesPerSecond = 1e9;
const mostPasses = 400;

export type ProfilePreprocessOptions = Omit<PreprocessOptions, "out" | "workers"> & {
  readonly workers: number;
  /** Where a folder is made and removed again; a temporary one of the system when left out. */
  readonly out?: string | undefined;
};

export async function profilePreprocess(options: ProfilePreprocessOptions, seconds: number): Promise<Profiled> {
  const { out, workers, signal } = options;
  const sources = await findSources(options.sources);
  const scratch = out ?? mkdtempSync(path.join(tmpdir(), "dctstream-profile-"));
  try {
    const limits = await measurePreprocessLimits(sources, scratch, signal);
    const recording = new Recording();
    const bytes = sources.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const passes = Math.min(mostPasses, Math.ceil((seconds * fastestBytesPerSecond) / Math.max(1, bytes)));
    const measured = await runFor({ ...options, passes }, scratch, seconds, recording);
    return profilePreprocessing(measured, limits, recording, workers);
  } finally {
    if (out === undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

/** The profile of a run that was measured. */
export function profilePreprocessing(
  measured: Measured,
  limits: PreprocessLimits,
  recording: Recording,
  workers: number,
): Profiled {
  const { stages: counted } = measured.counters;
  const samples = counted.decode?.samples ?? 0;
  const imagesPerSecond = throughputOf(measured.counters, "decode");
  const cores = coresOf(measured, samples);
  const bytesPerImage = (stage: string) => Math.max(1, (counted[stage]?.bytes ?? 0) / Math.max(1, samples));
  const [input, output] = [bytesPerImage("decode"), bytesPerImage("output")];
  const { outputWriteBytesPerSecond: writable, libjpegImagesPerSecond: decodable } = limits;
  const limit = (what: string, most: number | undefined) =>
    most === undefined ? undefined : { what, imagesPerSecond: most };
  // A store may have been slower when it was measured: what was reached is possible.
  const reached = (most: number) => Math.max(imagesPerSecond, most);
  const stages = stagesOf(measured.counters, imagesPerSecond, {
    storage: { limit: limit("streaming the sources", reached(limits.sourceReadBytesPerSecond / input)) },
    read: { limit: limit("copying the images in memory", limits.memoryCopyBytesPerSecond / input) },
    decode: {
      limit: limit(
        "libjpeg's entropy decoding, packed, in as many threads",
        decodable && Math.min(workers, cores.count) * decodable,
      ),
    },
    write: { limit: limit("SHA-256 of the shards", limits.sha256BytesPerSecond / output) },
    output: { limit: limit("writing a large file there", writable && reached(writable / output)) },
  });
  const station: Station = {
    imagesPerSecond,
    stages,
    cores,
    workers: { stage: "decode", now: workers, most: () => Number.POSITIVE_INFINITY },
  };
  return profiledFrom(measured, station, recording, {
    what: "preprocess",
    limits: Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)),
    recommendations: recommend(station, preprocessOptions(station)),
  });
}

function preprocessOptions(station: Station): Option[] {
  const workers = bestWorkers(station);
  const options: Option[] = [{ text: "--rank and --world-size 2, on a second machine", change: { machines: 2 } }];
  if (workers !== undefined) options.push({ text: `--workers ${workers}`, change: { workers } });
  return options;
}

/** Runs until the time is up, again from the start where the sources are short; starting up counts for nothing. */
async function runFor(
  options: ProfilePreprocessOptions,
  scratch: string,
  seconds: number,
  recording: Recording,
): Promise<Measured> {
  let sum: Measured | undefined;
  const left = () => 1000 * seconds - (sum?.counters.elapsedMs ?? 0);
  while (sum === undefined || left() > 100) {
    const out = joinUrl(scratch, `profile-${randomUUID()}`);
    try {
      const measured = await runOnce({ ...options, out, recorder: recording }, left());
      if (measured === undefined) break;
      sum = sum === undefined ? measured : addMeasured(sum, measured);
    } finally {
      await removeFolder(out);
    }
  }
  if ((sum?.counters.stages.decode?.samples ?? 0) > 0) return sum as Measured;
  throw new ToolkitError("NO_SAMPLES", "the sources hold no image that can be read");
}

function addMeasured(one: Measured, other: Measured): Measured {
  const counters = addCounters(one.counters, other.counters);
  const share = counters.elapsedMs > 0 ? one.counters.elapsedMs / counters.elapsedMs : 0;
  return {
    counters,
    cpuMicroseconds: one.cpuMicroseconds + other.cpuMicroseconds,
    coresBusy: share * one.coresBusy + (1 - share) * other.coresBusy,
  };
}

async function runOnce(options: PreprocessOptions, mostMs: number): Promise<Measured | undefined> {
  const enough = new AbortController();
  const signal = AbortSignal.any([enough.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  let counters: (() => PipelineCounters) | undefined;
  let stop: (() => Measured) | undefined;
  let measured: Measured | undefined;
  const onProgress = () => {
    if (counters === undefined || measured !== undefined) return;
    const { elapsedMs } = counters();
    if (elapsedMs > 0) stop ??= startMeasuring(counters);
    if (elapsedMs < mostMs) return;
    measured = stop?.();
    enough.abort();
  };
  const onCounters: PreprocessOptions["onCounters"] = (give) => {
    counters = give;
  };
  await preprocess({ ...options, onProgress, onCounters, signal }).catch((error) => {
    if (measured === undefined) throw error;
  });
  return measured ?? stop?.();
}

/** Everything in it, and the folder. */
async function removeFolder(folder: string): Promise<void> {
  const found = writableAt(folder);
  if ((await found.stat()) === undefined) return;
  for (const { url, kind } of await found.list())
    await (kind === "folder" ? removeFolder(url) : writableAt(url).remove());
  await found.remove();
}
