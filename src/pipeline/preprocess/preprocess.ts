// The write half, wired: sources -> samples -> worker pool -> shards -> manifest.
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { type ErrorCode, fromWire, invalidOption, ToolkitError } from "../../errors.js";
import type { Codec } from "../../native/index.js";
import { type ClassEntry, type Failure, type Manifest, manifestName, type SidecarBody } from "../../shards/manifest.js";
import { type SampleRecord, shardSchema } from "../../shards/record.js";
import { joinUrl, openStore } from "../../storage/store.js";
import { mapOrdered } from "../map-ordered.js";
import { readClassFolders } from "./class-folders.js";
import type { DecodedImage, DecodeResult, DecodeTask } from "./decode-task.js";
import { groupByKey } from "./group.js";
import { claimOutput, type Job, readFinishedSource } from "./output.js";
import { publishManifest, sumOf } from "./publish.js";
import { isSample, type RawSample, type SourceProblem } from "./sample.js";
import { ShardSequence } from "./shard-sequence.js";
import { findSources, type Source } from "./sources.js";
import { readTar } from "./tar.js";

export interface PreprocessOptions {
  /** Tars or folders of class folders; braces and globs expand. */
  readonly sources: readonly string[];
  /** The folder for shards and manifest. */
  readonly out: string;
  /** How packed streams are stored. Default "zstd": about the size of the JPEGs; "none": twice that, and several times faster to read. */
  readonly codec?: Codec;
  /** Roll over after this many bytes. Default 256 MiB: one good-sized object. */
  readonly maxShardBytes?: number;
  /** Decoding threads. Default: one per core. Never changes the output. */
  readonly workers?: number;
  /** Images of more pixels are failures. Default 100 million. */
  readonly maxPixels?: number;
  /** Bad samples are skipped and counted, or end the run. Default "skip". */
  readonly onBadSample?: "skip" | "fail";
  /** Failures after which to give up with TOO_MANY_ERRORS. Default: never. */
  readonly maxErrors?: number | undefined;
  /** Replace whatever data set is in `out`. Default false: resume it when it is the same, refuse when not. */
  readonly overwrite?: boolean;
  readonly onProgress?: ((progress: PreprocessProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PreprocessProgress {
  readonly bytesRead: number;
  readonly totalBytes: number;
  readonly samples: number;
  readonly failed: number;
}

export interface PreprocessReport {
  readonly samples: number;
  readonly failed: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly shards: number;
  /** Bytes of the images read, and of the shards written. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** True when an earlier run had finished the same work and nothing was left to do. */
  readonly alreadyDone: boolean;
  readonly manifest: string;
}

/** Images per task: enough to make the hand-over cheap, few enough to keep memory and the wait at the end small. */
const taskImages = 16;
const taskBytes = 4 << 20;

type Decided = Omit<PreprocessOptions, "sources" | "onProgress" | "signal">;
type Settings = { readonly [K in keyof Decided]-?: NonNullable<Decided[K]> } & Pick<
  PreprocessOptions,
  "onProgress" | "signal"
>;

function resolve(options: PreprocessOptions): Settings {
  const {
    codec = "zstd",
    maxShardBytes = 256 << 20,
    workers = availableParallelism(),
    maxPixels = 100_000_000,
    onBadSample = "skip",
    maxErrors = Infinity,
    overwrite = false,
  } = options;
  if (codec !== "zstd" && codec !== "none") throw invalidOption("compression", "zstd or none", codec);
  if (!Number.isInteger(workers) || workers < 1) throw invalidOption("workers", "an integer >= 1", workers);
  if (!(maxShardBytes >= 1)) throw invalidOption("shard-bytes", "at least 1 byte", maxShardBytes);
  if (!(maxPixels >= 1)) throw invalidOption("max-pixels", "at least 1", maxPixels);
  if (!(maxErrors >= 0)) throw invalidOption("max-errors", "a number >= 0", maxErrors);
  const { out, onProgress, signal } = options;
  return {
    out,
    codec,
    maxShardBytes,
    workers,
    maxPixels,
    onBadSample,
    maxErrors,
    overwrite,
    onProgress,
    signal,
  };
}

/**
 * Reads every sample of the sources once and writes shards, sidecars, errors.jsonl and, last, the manifest. Resumes an interrupted run of the
 * same job at the source it was in. NO_SOURCES, NO_SAMPLES, NO_LABELS, TRUNCATED_TAR, OUTPUT_HOLDS_ANOTHER_DATASET, OUTPUT_NOT_WRITABLE.
 */
export async function preprocess(options: PreprocessOptions): Promise<PreprocessReport> {
  const started = performance.now();
  const settings = resolve(options);
  const sources = await findSources(options.sources);
  const job: Job = {
    options: { codec: settings.codec, maxShardBytes: settings.maxShardBytes, maxPixels: settings.maxPixels },
    sources: sources.map(({ url, byteLength, version }) => ({ url, byteLength, version })),
  };
  const state = await claimOutput(settings.out, job, settings.overwrite);
  const seconds = () => (performance.now() - started) / 1000;
  if (state.kind === "complete") return report(state.manifest, settings.out, seconds(), true);
  const sidecars = await writeShards(sources, settings);
  const manifest = await publishManifest(settings.out, job, sources, sidecars);
  return report(manifest, settings.out, seconds(), false);
}

/** What all sources of a run share. */
interface Run {
  readonly settings: Settings;
  readonly pool: Piscina;
  progress: PreprocessProgress;
}

async function writeShards(sources: readonly Source[], settings: Settings): Promise<SidecarBody[]> {
  const pool = new Piscina({
    filename: new URL("./decode-entry.cjs", import.meta.url).href,
    minThreads: settings.workers,
    maxThreads: settings.workers,
  });
  const totalBytes = sumOf(sources, (source) => source.byteLength);
  const run: Run = { settings, pool, progress: { bytesRead: 0, totalBytes, samples: 0, failed: 0 } };
  try {
    const all: SidecarBody[] = [];
    for (const [index, source] of sources.entries()) {
      const finished = await readFinishedSource(settings.out, index);
      if (finished === undefined) all.push(...(await writeSource(source, index, run)));
      else {
        all.push(...finished);
        advance(run, {
          bytesRead: source.byteLength,
          samples: sumOf(finished, (s) => s.shard?.samples ?? 0),
          failed: sumOf(finished, (s) => s.failures.length),
        });
      }
    }
    return all;
  } finally {
    await pool.destroy();
  }
}

function advance(run: Run, by: Partial<Omit<PreprocessProgress, "totalBytes">>): void {
  const { bytesRead, samples, failed, totalBytes } = run.progress;
  run.progress = {
    totalBytes,
    bytesRead: bytesRead + (by.bytesRead ?? 0),
    samples: samples + (by.samples ?? 0),
    failed: failed + (by.failed ?? 0),
  };
  run.settings.onProgress?.(run.progress);
}

async function writeSource(source: Source, index: number, run: Run): Promise<SidecarBody[]> {
  const { settings } = run;
  const shards = new ShardSequence(settings.out, index, shardSchema(settings.codec), settings.maxShardBytes);
  try {
    const items = source.kind === "tar" ? readTarSamples(source, run) : readClassFolders(source.url, settings.signal);
    for await (const group of mapOrdered(inTasks(items), (task) => decodeGroup(task, run), {
      limit: settings.workers + 2,
      signal: settings.signal,
    })) {
      for (const decoded of group) await store(decoded, source, shards, run);
      if (source.kind === "class-folders") advance(run, { bytesRead: sumOf(group, ({ size }) => size) });
    }
    await shards.finish();
    return shards.sidecars;
  } catch (error) {
    await shards.abort();
    throw error;
  }
}

async function* readTarSamples(source: Source, run: Run): AsyncGenerator<RawSample | SourceProblem> {
  let empty = true;
  for await (const item of groupByKey(
    readTar(countBytes(openStore(source.url).stream(source.url, run.settings.signal), run), source.url),
  )) {
    empty = false;
    yield item;
  }
  if (empty)
    yield {
      problem: "EMPTY_TAR",
      key: source.url,
      message: "the tar holds no image with one of the extensions .jpg .jpeg",
    };
}

async function* countBytes(bytes: AsyncIterable<Uint8Array>, run: Run): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    advance(run, { bytesRead: chunk.length });
    yield chunk;
  }
}

async function* inTasks(
  items: AsyncIterable<RawSample | SourceProblem>,
): AsyncGenerator<(RawSample | SourceProblem)[]> {
  let task: (RawSample | SourceProblem)[] = [];
  let bytes = 0;
  for await (const item of items) {
    task.push(item);
    bytes += isSample(item) ? item.image.length : 0;
    if (task.length < taskImages && bytes < taskBytes) continue;
    yield task;
    task = [];
    bytes = 0;
  }
  if (task.length > 0) yield task;
}

interface DecodedItem {
  readonly item: RawSample | SourceProblem;
  readonly size: number;
  readonly decoded: DecodeResult[number] | undefined;
}

/** Images whose label is bad are not decoded: they are failures whatever their coefficients are. */
const isDecodable = (item: RawSample | SourceProblem): item is RawSample =>
  isSample(item) && !("problem" in item.label);

async function decodeGroup(items: readonly (RawSample | SourceProblem)[], run: Run): Promise<DecodedItem[]> {
  const sizes = items.map((item) => (isSample(item) ? item.image.length : 0)); // a moved image has length 0
  const samples = items.filter(isDecodable);
  const task: DecodeTask = {
    images: samples.map(({ image }) => image),
    codec: run.settings.codec,
    maxPixels: run.settings.maxPixels,
  };
  const results: DecodeResult =
    samples.length === 0 ? [] : await run.pool.run(task, { transferList: samples.map(({ image }) => image.buffer) });
  const bySample = new Map(samples.map((sample, i) => [sample, results[i]]));
  return items.map((item, i) => ({
    item,
    size: sizes[i] ?? 0,
    decoded: isSample(item) ? bySample.get(item) : undefined,
  }));
}

async function store(
  { item, size, decoded }: DecodedItem,
  source: Source,
  shards: ShardSequence,
  run: Run,
): Promise<void> {
  if (decoded !== undefined && !("error" in decoded) && isDecodable(item)) {
    const { index, name, synset } = item.label as ClassEntry;
    const entry: ClassEntry = {
      index,
      ...(synset === undefined ? {} : { synset }),
      ...(name === undefined ? {} : { name }),
    };
    await shards.append(toRecord(item, index, decoded), entry, decoded.frequencies, size);
    return advance(run, { samples: 1 });
  }
  const failure = failureOf(item, decoded, source);
  if (run.settings.onBadSample === "fail") throw fromWire({ ...failure, code: failure.code as ErrorCode });
  shards.fail(failure, size);
  advance(run, { failed: 1 });
  if (run.progress.failed > run.settings.maxErrors) {
    throw new ToolkitError(
      "TOO_MANY_ERRORS",
      `${run.progress.failed} samples failed, at most ${run.settings.maxErrors} allowed; the last: ${failure.code}: ${failure.message}`,
      { source: source.url, key: failure.key },
    );
  }
}

function toRecord(item: RawSample, label: number, decoded: DecodedImage): SampleRecord {
  return { key: item.key, extension: item.extension, label, json: item.json, ...decoded };
}

function failureOf(
  item: RawSample | SourceProblem,
  decoded: DecodeResult[number] | undefined,
  source: Source,
): Failure {
  const at = { source: source.url, key: item.key };
  if (!isSample(item)) return { ...at, code: item.problem, message: item.message };
  if ("problem" in item.label) return { ...at, code: item.label.problem, message: item.label.message };
  if (decoded !== undefined && "error" in decoded)
    return { ...at, code: decoded.error.code, message: decoded.error.message };
  return { ...at, code: "INTERNAL", message: "the decoder gave no result" };
}

function report(manifest: Manifest, out: string, seconds: number, alreadyDone: boolean): PreprocessReport {
  const { samples, failed, errors, inputBytes } = manifest;
  return {
    samples,
    failed,
    errors,
    shards: manifest.shards.length,
    inputBytes,
    outputBytes: sumOf(manifest.shards, (shard) => shard.byteLength),
    seconds: Number(seconds.toFixed(3)),
    imagesPerSecond: alreadyDone ? 0 : Math.round(samples / seconds),
    alreadyDone,
    manifest: joinUrl(out, manifestName),
  };
}
