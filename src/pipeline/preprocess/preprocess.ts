// The write half, wired: sources -> samples -> decoding pool -> writing thread -> shards -> manifest.
import type { ErrorCode } from "../../error-codes.js";
import { fromWire, ToolkitError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { type Failure, manifestName, type Sidecar, type SidecarBody, shardPrefix } from "../../shards/manifest.js";
import { countersSince, type StorageCounters, storageCounters } from "../../storage/counters.js";
import { storageOptions } from "../../storage/store.js";
import { joinUrl } from "../../storage/url.js";
import { type LockedWork, withLock } from "../../storage/with-lock.js";
import { SharedBuffers } from "../shared-buffers.js";
import { type PipelineCounters, watched } from "../stage-clock.js";
import { ThreadPool } from "../thread-pool.js";
import { ClassRegister } from "./classes.js";
import type { DecodeAnswer, DecodeSettings, DecodeTask } from "./decode-task.js";
import { settleLabels } from "./label-rules.js";
import type { LabelRules } from "./labels.js";
import { type PreprocessOptions, type PreprocessProgress, resolveOptions, type Settings } from "./options.js";
import { bySlab, isDecodable, outcomeOf } from "./outcomes.js";
import { claimOutput, isOutputFile, type Job, readFinishedParts } from "./output.js";
import { PreprocessClock } from "./preprocess-clock.js";
import { type Counted, publishManifest, summarise, sumOf } from "./publish.js";
import { writeQuarantine } from "./quarantine.js";
import type { SourceItem } from "./sample.js";
import type { DecidedGroup, Outcome } from "./shard-task.js";
import { ShardThread } from "./shard-thread.js";
import { SlabAllocator, takeResultSlab } from "./slab.js";
import { divideSources, findSources, readSource, type Source } from "./sources.js";

export interface PreprocessReport {
  readonly samples: number;
  readonly failed: number;
  /** Failures by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Files that are neither samples nor failures nor labels, by the reason that they are passed over for. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Samples that were decoded and encoded again, because their colours or format cannot be stored. */
  readonly converted: number;
  readonly shards: number;
  /** Bytes of the images read, and of the shards written. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly seconds: number;
  /** The speed over the samples that this process read. */
  readonly imagesPerSecond: number;
  /** True when an earlier run had finished the same work and nothing was left to do. */
  readonly alreadyDone: boolean;
  /**
   * Whether every rank has done its part. If not, the counts are those of this rank's part, and there is no manifest
   * yet.
   */
  readonly complete: boolean;
  /** Requests to storage services, and how many of them had to be made again. */
  readonly storage: StorageCounters;
  /** What the stages did meanwhile, from storage to output; of this rank. */
  readonly pipeline: PipelineCounters;
  readonly manifest: string;
}

/** Samples seen before a share of failures means anything. */
const minSamplesForShare = 1000;

/**
 * Reads every sample of the sources once and writes shards, sidecars, errors.jsonl and, last, the manifest. Resumes an
 * interrupted run of the same job; the result is the same, byte for byte, as without the interruption and for any
 * number of workers and ranks.
 *
 * Errors: NO_SOURCES, AMBIGUOUS_SOURCES, NO_SAMPLES, NO_LABELS, BAD_CLASSES, BAD_LABEL, BAD_LABELS, BAD_TAR,
 * TRUNCATED_TAR, TOO_MANY_ERRORS, OUTPUT_HOLDS_ANOTHER_DATASET, OUTPUT_IN_USE, OUTPUT_NOT_WRITABLE, INVALID_OPTION,
 * IO_ERROR; MISSING_SIDECAR from a merge that is too early. A sample that cannot be read is counted in the report
 * instead, unless `onBadSample` is "fail".
 *
 * @example
 * ```ts
 * import { preprocess } from "dctstream";
 *
 * const report = await preprocess({ sources: ["train-{000000..000146}.tar"], out: "shards/train", maxErrors: "1%" });
 * console.log(`${report.samples} samples, ${report.failed} failed: ${report.manifest}`);
 * ```
 */
export async function preprocess(options: PreprocessOptions): Promise<PreprocessReport> {
  const settings = resolveOptions(options);
  const before = storageCounters();
  const found = await findSources(options.sources);
  const labels = await settleLabels(options, found, settings.signal);
  const sources = Array.from({ length: options.passes ?? 1 }, () => found).flat();
  const ours = ownSources(sources, settings);
  const report = await withLock(claimOf(settings, ours), (signal) =>
    run({ ...settings, signal }, sources, ours, labels.rules, labels.fingerprint),
  );
  return { ...report, storage: countersSince(before) };
}

/** Indices of the sources that this rank reads. */
function ownSources(sources: readonly Source[], { rank, worldSize, merge }: Settings): ReadonlySet<number> {
  if (merge) return new Set();
  return new Set(divideSources(sources, worldSize)[rank]);
}

/** Ranks work in one folder, each on files of its own: every one claims its part. */
function claimOf({ out, rank, worldSize, merge, signal }: Settings, ours: ReadonlySet<number>): LockedWork {
  if (worldSize === 1 && !merge) return { folder: out, what: "preprocess", isOwn: isOutputFile, signal };
  const prefixes = [...ours].map(shardPrefix);
  return {
    folder: joinUrl(out, merge ? ".ranks/merge" : `.ranks/${rank}-of-${worldSize}`),
    writesTo: out,
    what: merge ? "merge" : `preprocess of rank ${rank}`,
    isOwn: (name) => prefixes.some((prefix) => name.startsWith(prefix)),
    signal,
  };
}

async function run(
  settings: Settings,
  sources: readonly Source[],
  ours: ReadonlySet<number>,
  rules: LabelRules,
  labels: string,
): Promise<Omit<PreprocessReport, "storage">> {
  const started = performance.now();
  const { out, codec, maxShardBytes, maxPixels, maxImageBytes, orient, resize } = settings;
  const job: Job = {
    options: { codec, maxShardBytes, maxPixels, maxImageBytes, orient, resize: resize ?? null, labels },
    sources: sources.map(({ url, byteLength, version }) => ({ url, byteLength, version })),
  };
  const state = await claimOutput(out, job, settings.overwrite);
  const seconds = () => (performance.now() - started) / 1000;
  const clock = new PreprocessClock(settings.workers, settings.recorder);
  settings.onCounters?.(() => clock.counters);
  const told = (counted: Counted, samplesRead: number, complete: boolean) => {
    return { ...report(counted, out, seconds(), samplesRead, complete), pipeline: clock.counters };
  };
  if (state.kind === "complete") return told(state.manifest, 0, true);
  const writing = new Run(settings, sources, ours, rules, clock);
  const own = await writing.writeAll();
  const all = ours.size === sources.length ? own : await finishedByAll(settings, sources);
  if (all === undefined) return told(summarise(own), writing.samplesRead, false);
  if (settings.quarantine !== undefined) {
    const failures = all.flatMap((sidecar) => sidecar.failures);
    await writeQuarantine(settings.quarantine, failures, sources, maxImageBytes, settings.signal);
  }
  const manifest = await publishManifest(out, job, sources, rules, all);
  return told(manifest, writing.samplesRead, true);
}

/** The sidecars of all sources in order; undefined when other ranks are still at work on some. MISSING_SIDECAR when `merge` was asked for. */
async function finishedByAll({ out, merge }: Settings, sources: readonly Source[]): Promise<SidecarBody[] | undefined> {
  const all: SidecarBody[] = [];
  for (const [index, source] of sources.entries()) {
    const parts = await readFinishedParts(out, index);
    if (parts.at(-1)?.endOfSource !== true) {
      if (!merge) return undefined;
      const message = `source ${index + 1} of ${sources.length} is not finished; run the rank that has it again, then merge`;
      throw new ToolkitError("MISSING_SIDECAR", message, { source: source.url });
    }
    all.push(...parts);
  }
  return all;
}

/** Items of one source whose images lie in one slab. */
interface ItemGroup {
  readonly source: number;
  readonly items: readonly SourceItem[];
}

/** Work in the order of the sources, each closed by its end. */
type Task = ItemGroup | { readonly endOf: number };

type DecodedTask = (DecidedGroup & { readonly source: number }) | { readonly endOf: number };

const nothingDecoded: DecodeAnswer = { errors: [], overflow: [], work: undefined };

class Run {
  samplesRead = 0;
  private readonly allocator = new SlabAllocator(new SharedBuffers());
  private readonly results = new SharedBuffers();
  /** What an earlier run left of the sources being written. */
  private readonly partsDone = new Map<number, readonly Sidecar[]>();
  private readonly classes: ClassRegister;
  private progress: PreprocessProgress;

  private readonly pool: ThreadPool;
  private readonly shards: ShardThread;

  constructor(
    private readonly settings: Settings,
    private readonly sources: readonly Source[],
    private readonly ours: ReadonlySet<number>,
    private readonly rules: LabelRules,
    private readonly clock: PreprocessClock,
  ) {
    this.classes = new ClassRegister(rules);
    const totalBytes = sumOf([...ours], (index) => (sources[index] as Source).byteLength);
    this.progress = { bytesRead: 0, totalBytes, samples: 0, failed: 0, source: undefined };
    const entry = new URL("./decode-entry.cjs", import.meta.url);
    this.pool = new ThreadPool({ entry, what: "decoding", threads: settings.workers });
    const { out: folder, codec, maxShardBytes } = settings;
    this.shards = new ShardThread({ folder, codec, maxShardBytes, storage: storageOptions() }, clock);
  }

  /** The sidecars of the sources that are this rank's, in order. */
  async writeAll(): Promise<SidecarBody[]> {
    const { settings } = this;
    const done: Promise<readonly SidecarBody[]>[] = [];
    let current: number | undefined;
    // What waits for the writing thread waits for as long as the service that it writes to.
    const giveUp = () => void this.shards.abort();
    settings.signal?.addEventListener("abort", giveUp, { once: true });
    try {
      const read = (signal: AbortSignal) =>
        watched(this.readTasks(done, signal), (asking) => this.clock.readsTask(asking));
      const tasks = mapOrdered(read, (task, both) => this.decode(task, both), {
        limit: settings.workers + 2,
        signal: settings.signal,
      });
      for await (const task of tasks) {
        if ("endOf" in task) {
          const finished = this.shards.finish();
          finished.catch(() => {}); // surfaces below, or with the next request
          done[task.endOf] = finished;
          current = undefined;
          continue;
        }
        if (current !== task.source) await this.shards.begin(task.source, this.partsDone.get(task.source) ?? []);
        current = task.source;
        this.clock.begin();
        this.noteClasses(task);
        this.count(task.outcomes);
        await this.shards.append(task, () => {
          this.clock.stored(task.outcomes.filter((outcome) => !("ignored" in outcome)).length);
          this.results.giveBack(task.slab);
        });
      }
      const sidecars = (await Promise.all(done.filter((each) => each !== undefined))).flat();
      this.checkShare(1);
      await this.shards.close();
      return sidecars;
    } catch (error) {
      await this.shards.abort();
      settings.signal?.throwIfAborted();
      throw error;
    } finally {
      settings.signal?.removeEventListener("abort", giveUp);
      await this.pool.close();
    }
  }

  /** The work that is left, source after source; what is finished goes to `done`. */
  private async *readTasks(done: Promise<readonly SidecarBody[]>[], signal: AbortSignal): AsyncGenerator<Task> {
    const { settings, rules } = this;
    let bytesBefore = 0;
    for (const [index, source] of this.sources.entries()) {
      if (!this.ours.has(index)) continue;
      const parts = await readFinishedParts(settings.out, index);
      for (const { classes } of parts) for (const entry of classes) this.classes.note(entry, source.url);
      this.advance({
        samples: sumOf(parts, (part) => part.shard?.samples ?? 0),
        failed: sumOf(parts, (part) => part.failures.length),
        source: source.url,
      });
      const last = parts.at(-1);
      if (last?.endOfSource === true) {
        done[index] = Promise.resolve(parts);
      } else {
        this.partsDone.set(index, parts);
        const before = bytesBefore;
        const items = readSource(source, {
          rules,
          maxEntryBytes: settings.maxImageBytes,
          allocate: this.allocator.allocate,
          from: last?.next ?? 0,
          onProgress: (position) => this.advance({ bytesRead: before + position }),
          onWait: (waiting) => this.clock.waitsForBytes(waiting),
          signal,
        });
        for await (const group of bySlab(items)) yield { source: index, items: group };
        yield { endOf: index };
      }
      bytesBefore += source.byteLength;
      this.advance({ bytesRead: bytesBefore });
    }
  }

  private async decode(task: Task, signal: AbortSignal): Promise<DecodedTask> {
    if ("endOf" in task) return task;
    const source = this.sources[task.source] as Source;
    const images = task.items.filter(isDecodable).map(({ image }) => image);
    const slab = takeResultSlab(this.results);
    const decodeTask: DecodeTask = { images, results: slab, settings: decodeSettings(this.settings) };
    const answer = images.length === 0 ? nothingDecoded : await this.runTask(decodeTask, signal);
    for (const { image } of task.items) if (image !== undefined) this.allocator.release(image);
    let next = 0;
    const outcomes = task.items.map((item): Outcome => {
      const index = isDecodable(item) ? next++ : -1;
      return outcomeOf(item, index, answer.errors[index], source);
    });
    return { source: task.source, outcomes, slab, overflow: answer.overflow };
  }

  private async runTask(task: DecodeTask, signal: AbortSignal): Promise<DecodeAnswer> {
    const { images } = task;
    this.clock.taskSent();
    let work: DecodeAnswer["work"];
    try {
      const answer = await this.pool.run<DecodeAnswer>(task, signal);
      work = answer.work;
      return answer;
    } finally {
      const bytes = sumOf(images, ({ length }) => length);
      this.clock.taskEnded(work, images.length, bytes);
    }
  }

  /** Notes the classes of a group; throws BAD_CLASSES as soon as two samples disagree on what a number means. */
  private noteClasses({ source, outcomes }: DecidedGroup & { readonly source: number }): void {
    const { url } = this.sources[source] as Source;
    for (const outcome of outcomes) if ("entry" in outcome) this.classes.note(outcome.entry, url, outcome.key);
  }

  /** Counts outcomes, and ends the run where the policy requires it. */
  private count(outcomes: readonly Outcome[]): void {
    const failures = outcomes.flatMap((outcome) => ("failure" in outcome ? [outcome.failure] : []));
    const ignored = outcomes.filter((outcome) => "ignored" in outcome).length;
    const good = outcomes.length - failures.length - ignored;
    this.samplesRead += good;
    this.advance({ samples: good, failed: failures.length });
    const [first] = failures;
    if (first === undefined) return;
    if (this.settings.onBadSample === "fail") throw fromWire({ ...first, code: first.code as ErrorCode });
    const { failed } = this.progress;
    const { count } = this.settings.errorLimit;
    if (failed > count) throw tooMany(`${failed} samples failed, at most ${count} allowed`, failures.at(-1));
    this.checkShare(minSamplesForShare, failures.at(-1));
  }

  private checkShare(minSamples: number, last?: Failure): void {
    const { failed, samples } = this.progress;
    const { share } = this.settings.errorLimit;
    if (failed + samples < minSamples || failed <= share * (failed + samples)) return;
    throw tooMany(`${failed} of ${failed + samples} samples failed, at most ${share * 100} % allowed`, last);
  }

  private advance(by: Partial<Omit<PreprocessProgress, "totalBytes">>): void {
    const { bytesRead, samples, failed, source, totalBytes } = this.progress;
    this.progress = {
      totalBytes,
      bytesRead: Math.max(bytesRead, by.bytesRead ?? 0),
      samples: samples + (by.samples ?? 0),
      failed: failed + (by.failed ?? 0),
      source: by.source ?? source,
    };
    this.settings.onProgress?.(this.progress);
  }
}

function tooMany(message: string, last: Failure | undefined): ToolkitError {
  const example = last === undefined ? "" : `; the last: ${last.code}: ${last.message}`;
  return new ToolkitError("TOO_MANY_ERRORS", message + example, { source: last?.source, key: last?.key });
}

function decodeSettings({ codec, maxPixels, decoder, orient, resize }: Settings): DecodeSettings {
  return { codec, maxPixels, decoder, orient, resize };
}

function report(
  manifest: Counted,
  out: string,
  seconds: number,
  samplesRead: number,
  complete: boolean,
): Omit<PreprocessReport, "storage" | "pipeline"> {
  const { samples, failed, errors, ignored = {}, converted, inputBytes } = manifest;
  return {
    samples,
    failed,
    errors,
    ignored,
    converted,
    shards: manifest.shards.length,
    inputBytes,
    outputBytes: sumOf(manifest.shards, (shard) => shard.byteLength),
    seconds: Number(seconds.toFixed(3)),
    imagesPerSecond: Math.round(samplesRead / seconds),
    alreadyDone: complete && samplesRead === 0,
    complete,
    manifest: joinUrl(out, manifestName),
  };
}
