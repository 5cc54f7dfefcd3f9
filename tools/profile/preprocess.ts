// dctstream profile preprocess: some seconds of the real work, into a folder that is removed again.
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { factNumbers, readJpegFacts } from "../../src/native/index.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { isSample } from "../../src/pipeline/preprocess/sample.js";
import { findSources, readSource, type Source } from "../../src/pipeline/preprocess/sources.js";
import { addCounters, type PipelineCounters } from "../../src/pipeline/stage-clock.js";
import { isRemote, joinUrl, openStore, putObject } from "../../src/storage/store.js";
import { landingRate, memoryCopyRate } from "./limits.js";
import { coresOf, type Measured, startMeasuring } from "./measure.js";
import { bestWorkers, type Option, recommend, type Station } from "./model.js";
import type { Profiled } from "./read.js";
import { Recording } from "./recording.js";
import { type Profile, stagesOf } from "./stage.js";
import { bottleneckOf, verdictOf } from "./verdict.js";

const limitSeconds = 0.5;
/** Sources that are shorter than the time to measure are read again in the same run: starting and ending would count for too much. */
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
    const limits = await measureLimits(sources, scratch, signal);
    const recording = new Recording();
    const bytes = sources.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const passes = Math.min(mostPasses, Math.ceil((seconds * fastestBytesPerSecond) / Math.max(1, bytes)));
    const measured = await runFor({ ...options, passes }, scratch, seconds, recording);
    return profilePreprocessing(measured, limits, recording, workers);
  } finally {
    if (out === undefined) rmSync(scratch, { recursive: true, force: true });
  }
}

export interface PreprocessLimits {
  /** Bytes a second. */
  readonly sourceReadBytesPerSecond: number;
  readonly memoryCopyBytesPerSecond: number;
  readonly sha256BytesPerSecond: number;
  readonly outputWriteBytesPerSecond?: number | undefined;
  /** Of one thread. */
  readonly libjpegImagesPerSecond: number;
}

/** The profile of a run that was measured. */
export function profilePreprocessing(
  measured: Measured,
  limits: PreprocessLimits,
  recording: Recording,
  workers: number,
): Profiled {
  const { elapsedMs, stages: counted } = measured.counters;
  const samples = counted.decode?.samples ?? 0;
  const imagesPerSecond = (1000 * samples) / elapsedMs;
  const cores = coresOf(measured, samples);
  const bytesPerImage = (stage: string) => Math.max(1, (counted[stage]?.bytes ?? 0) / Math.max(1, samples));
  const writable = limits.outputWriteBytesPerSecond;
  const [input, output] = [bytesPerImage("decode"), bytesPerImage("output")];
  const stages = stagesOf(withBytes(measured.counters), imagesPerSecond, {
    storage: {
      limit: {
        imagesPerSecond: Math.max(imagesPerSecond, limits.sourceReadBytesPerSecond / input),
        what: "streaming the sources",
      },
    },
    read: { limit: { imagesPerSecond: limits.memoryCopyBytesPerSecond / input, what: "copying the images in memory" } },
    decode: {
      limit: {
        imagesPerSecond: Math.min(workers, cores.count) * limits.libjpegImagesPerSecond,
        what: "libjpeg's entropy decoding, packed, in as many threads",
      },
    },
    write: { limit: { imagesPerSecond: limits.sha256BytesPerSecond / output, what: "SHA-256 of the shards" } },
    output: {
      limit:
        writable === undefined
          ? undefined
          : { imagesPerSecond: Math.max(imagesPerSecond, writable / output), what: "writing a large file there" },
    },
  });
  const station: Station = {
    imagesPerSecond,
    stages,
    cores,
    workers: { stage: "decode", now: workers, most: () => Number.POSITIVE_INFINITY },
  };
  const profile: Profile = {
    what: "preprocess",
    imagesPerSecond,
    seconds: elapsedMs / 1000,
    stages,
    bottleneck: bottleneckOf(stages, cores),
    verdict: verdictOf(stages, cores, imagesPerSecond),
    cores,
    limits: Object.fromEntries(Object.entries(limits).filter(([, value]) => Number.isFinite(value))),
    headroom: undefined,
    recommendations: recommend(station, preprocessOptions(station)),
    percentiles: recording.percentiles(),
  };
  return { profile, recording, station };
}

function preprocessOptions(station: Station): Option[] {
  const workers = bestWorkers(station);
  const options: Option[] = [{ text: "--rank and --world-size 2, on a second machine", change: { machines: 2 } }];
  if (workers !== undefined) options.push({ text: `--workers ${workers}`, change: { workers } });
  return options;
}

/** What is read from storage and taken out of tars are the images' bytes. */
function withBytes(counters: PipelineCounters): PipelineCounters {
  const bytes = counters.stages.decode?.bytes ?? 0;
  const stages = Object.entries(counters.stages).map(([name, stage]) => {
    return [name, name === "storage" || name === "read" ? { ...stage, bytes } : stage] as const;
  });
  return { ...counters, stages: Object.fromEntries(stages) };
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
  if (sum === undefined) throw new Error("no image was read");
  return sum;
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
  const store = openStore(folder);
  if ((await store.stat(folder)) === undefined) return;
  for (const { url, kind } of await store.list(folder))
    await (kind === "folder" ? removeFolder(url) : store.remove(url));
  await store.remove(folder);
}

/** `out`: where a large file may be written and removed. */
export async function measureLimits(
  sources: readonly Source[],
  out: string | undefined,
  signal: AbortSignal | undefined,
): Promise<PreprocessLimits> {
  return {
    sourceReadBytesPerSecond: await sourceReadRate(sources, signal),
    memoryCopyBytesPerSecond: memoryCopyRate(),
    sha256BytesPerSecond: hashRate(),
    ...(out !== undefined && { outputWriteBytesPerSecond: await writeRate(out) }),
    libjpegImagesPerSecond: libjpegRate(await firstImages(sources, signal)),
  };
}

async function sourceReadRate(sources: readonly Source[], signal: AbortSignal | undefined): Promise<number> {
  const remote = sources.some(({ address }) => isRemote(address));
  let bytes = 0;
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  const readAll = async (stop: AbortSignal) => {
    const both = AbortSignal.any([stop, ...(signal === undefined ? [] : [signal])]);
    while (elapsed() < 1000 * limitSeconds) {
      const before = bytes;
      for (const { address, kind } of sources)
        for (const file of kind === "tar" ? [address] : await filesBelow(address))
          for await (const chunk of openStore(file).stream(file, { reuseChunks: true, signal: both })) {
            bytes += chunk.length;
            if (elapsed() > 1000 * limitSeconds) return;
          }
      if (bytes === before) return; // nothing but empty files
    }
  };
  const landed = await landingRate(limitSeconds, readAll);
  signal?.throwIfAborted();
  return remote ? landed : (1000 * bytes) / elapsed();
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const { url, kind } of await openStore(folder).list(folder)) {
    if (kind === "folder") found.push(...(await filesBelow(url)));
    else found.push(url);
    if (found.length > 1000) break;
  }
  return found;
}

function hashRate(): number {
  const bytes = new Uint8Array(16 << 20);
  const began = performance.now();
  createHash("sha256").update(bytes).digest();
  return (1000 * bytes.length) / (performance.now() - began);
}

/** One object, flushed, and removed again; larger ones as long as that takes little. */
async function writeRate(folder: string): Promise<number> {
  let rate = 0;
  for (const byteLength of [256 << 10, 4 << 20, 64 << 20]) {
    const url = joinUrl(folder, `profile-${randomUUID()}`);
    const began = performance.now();
    const signal = AbortSignal.timeout(3000 * limitSeconds);
    try {
      await putObject(url, new Uint8Array(byteLength).fill(1), rate === 0 ? {} : { signal });
    } catch (error) {
      if (signal.aborted) break;
      throw error;
    }
    rate = Math.max(rate, (1000 * byteLength) / (performance.now() - began));
    await openStore(url).remove(url);
  }
  return rate;
}

const fewImages = 48;

async function firstImages(sources: readonly Source[], signal: AbortSignal | undefined): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  const rules = { classes: undefined, classesAreGiven: false, labelField: undefined, byName: undefined };
  const allocate = (byteLength: number) => new Uint8Array(byteLength);
  for (const source of sources)
    for await (const items of readSource(source, { rules, maxEntryBytes: 64 << 20, allocate, signal }))
      for (const item of items) {
        if (isSample(item)) images.push(item.image);
        if (images.length === fewImages) return images;
      }
  return images;
}

/** Images a second of one thread. */
function libjpegRate(images: readonly Uint8Array[]): number {
  const facts = new Float64Array(factNumbers);
  const began = performance.now();
  let [read, elapsed] = [0, 0];
  for (let i = 0; elapsed < 1000 * limitSeconds && images.length > 0; i++) {
    try {
      readJpegFacts(
        images[i % images.length] as Uint8Array,
        { maxPixels: 1e8, codec: "none", decoder: "libjpeg" },
        facts,
      );
      read++;
    } catch {
      // What is no JPEG is none of libjpeg's work.
    }
    elapsed = performance.now() - began;
  }
  return read === 0 ? Number.NaN : (1000 * read) / elapsed;
}
