// One run of preprocess, wired: sources -> samples -> decoding pool -> writing thread -> shards and sidecars.
import { mapOrdered } from "../../map-ordered.js";
import type { Sidecar, SidecarBody } from "../../shards/manifest.js";
import { storageOptions } from "../../storage/store.js";
import { SharedBuffers } from "../shared-buffers.js";
import { watched } from "../stage-clock.js";
import { ThreadPool } from "../thread-pool.js";
import { ClassRegister } from "./classes.js";
import type { DecodeAnswer, DecodeSettings, DecodeTask } from "./decode-task.js";
import { FailureLimit } from "./failures.js";
import type { LabelRules } from "./label-rules.js";
import type { PreprocessProgress, Settings } from "./options.js";
import { bySlab, isDecodable, outcomeOf } from "./outcomes.js";
import { readFinishedParts } from "./output.js";
import type { PreprocessClock } from "./preprocess-clock.js";
import { sumOf } from "./publish.js";
import type { SourceItem } from "./sample.js";
import type { DecidedGroup, Outcome } from "./shard-task.js";
import { ShardThread } from "./shard-thread.js";
import { SlabAllocator, takeResultSlab } from "./slab.js";
import { readSource, type Source } from "./sources.js";

/** Items of one source whose images lie in one slab. */
interface ItemGroup {
  readonly source: number;
  readonly items: readonly SourceItem[];
}

/** Work in the order of the sources, each closed by its end. */
type Task = ItemGroup | { readonly endOf: number };

type DecodedTask = (DecidedGroup & { readonly source: number }) | { readonly endOf: number };

const nothingDecoded: DecodeAnswer = { errors: [], overflow: [], work: undefined };

/** One run over the sources that are this rank's: reads, decodes and writes them. */
export class PreprocessRun {
  samplesRead = 0;
  private readonly allocator = new SlabAllocator(new SharedBuffers());
  private readonly results = new SharedBuffers();
  /** What an earlier run left of the sources being written. */
  private readonly partsDone = new Map<number, readonly Sidecar[]>();
  private readonly classes: ClassRegister;
  private readonly failureLimit: FailureLimit;
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
    this.failureLimit = new FailureLimit(settings);
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
      this.failureLimit.checkAll(this.progress);
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
    const decodable = task.items.filter(isDecodable);
    const images = decodable.map(({ image }) => image);
    const inSource = decodable.map((sample) => sample.inSource !== undefined);
    const slab = takeResultSlab(this.results);
    const decodeTask: DecodeTask = { images, inSource, results: slab, settings: decodeSettings(this.settings) };
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
    this.failureLimit.check(failures, this.progress);
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

function decodeSettings({ codec, maxPixels, decoder, orient, resize, form }: Settings): DecodeSettings {
  return { codec, maxPixels, decoder, orient, resize, form };
}
