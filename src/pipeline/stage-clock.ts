// How the stages of a pipeline spend their time, counted always: a few additions for a task of many samples. Stages
// note when they worked; what is left of their threads' time is waiting, for input while they starve and for room for
// their output otherwise.
import { threadId } from "node:worker_threads";
import { threadCpuMs } from "../native/index.js";

/** What a stage's threads did, in sums whose differences can be taken; times in milliseconds. */
export interface StageCounters {
  readonly threads: number;
  /** Busy time of all threads of the stage together, and the part of it in which the stage starved. */
  readonly busyMs: number;
  readonly busyWhileStarvingMs: number;
  /** The part of the busy time in which its threads had a core, as far as they can know. */
  readonly cpuMs: number;
  /** Time in which a thread without work would have waited for input. */
  readonly starvingMs: number;
  /** Tasks or reads. */
  readonly pieces: number;
  readonly samples: number;
  readonly bytes: number;
  /** How long so many items waited in front of it; the last entry: that many or more. Empty where nothing can wait. */
  readonly queueMs: readonly number[];
  /** What the busy time was spent on, where the stage knows. */
  readonly partsMs: Readonly<Record<string, number>>;
}

/** All stages of a pipeline, in the order that data flows through them. */
export interface PipelineCounters {
  readonly elapsedMs: number;
  readonly stages: Readonly<Record<string, StageCounters>>;
}

/** Shares of the time of all threads of a stage; they add up to 1. */
export interface StageShares {
  readonly busy: number;
  readonly waitForInput: number;
  readonly waitForOutput: number;
}

/** Gets everything that stages do, for a trace. Times in milliseconds as `epochMs` gives them. */
export interface Recorder {
  /** Work, or a wait, of one of a stage's threads; `thread` is undefined where what is under way overlaps. */
  span(stage: string, name: string, thread: number | undefined, began: number, ended: number): void;
  /** Items that wait in front of a stage, from now on. */
  depth(stage: string, at: number, items: number): void;
}

/** Work that a thread reports. */
export interface Work {
  /** The thread that did it, and when, as `epochMs` gives the time. */
  readonly thread: number;
  readonly began: number;
  readonly ended: number;
  /** Milliseconds of it in which the thread had a core; undefined: all of them. */
  readonly cpuMs?: number | undefined;
}

/** Sums that are kept elsewhere. */
interface Tally {
  readonly busyMs: number;
  readonly bytes?: number;
}

/** The depths that are counted separately. */
const depths = 65;

/** Milliseconds since 1970, to a microsecond, and the same in all threads. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Begins to time work of the calling thread; what it returns ends it. */
export function timeWork(): () => Required<Work> {
  const [began, cpu] = [epochMs(), threadCpuMs()];
  return () => ({ thread: threadId, began, ended: epochMs(), cpuMs: threadCpuMs() - cpu });
}

/** The shares of a stage's time in [0, 1], which add up to 1; `elapsedMs` is the time that the counters span. */
export function stageShares(stage: StageCounters, elapsedMs: number): StageShares {
  const { threads, busyMs, busyWhileStarvingMs, starvingMs } = stage;
  const all = threads * elapsedMs;
  if (all <= 0) return { busy: 0, waitForInput: 1, waitForOutput: 0 };
  // Work is counted when it ends: what straddles the ends of a measurement may exceed it.
  const busy = Math.min(1, busyMs / all);
  const waitForInput = Math.min(1 - busy, Math.max(0, (threads * starvingMs - busyWhileStarvingMs) / all));
  return { busy, waitForInput, waitForOutput: 1 - busy - waitForInput };
}

/** What came between two moments. */
export function countersBetween(before: PipelineCounters, after: PipelineCounters): PipelineCounters {
  return combine(after, before, -1);
}

/** What came in two stretches of time. */
export function addCounters(one: PipelineCounters, other: PipelineCounters): PipelineCounters {
  return combine(one, other, 1);
}

function combine(one: PipelineCounters, other: PipelineCounters, sign: 1 | -1): PipelineCounters {
  const stages = Object.entries(one.stages).map(([name, a]) => {
    const b = other.stages[name];
    if (b === undefined) return [name, a] as const;
    const counters: StageCounters = {
      threads: a.threads,
      busyMs: a.busyMs + sign * b.busyMs,
      busyWhileStarvingMs: a.busyWhileStarvingMs + sign * b.busyWhileStarvingMs,
      cpuMs: a.cpuMs + sign * b.cpuMs,
      starvingMs: a.starvingMs + sign * b.starvingMs,
      pieces: a.pieces + sign * b.pieces,
      samples: a.samples + sign * b.samples,
      bytes: a.bytes + sign * b.bytes,
      queueMs: a.queueMs.map((ms, i) => ms + sign * (b.queueMs[i] ?? 0)),
      partsMs: Object.fromEntries(Object.entries(a.partsMs).map(([k, ms]) => [k, ms + sign * (b.partsMs[k] ?? 0)])),
    };
    return [name, counters] as const;
  });
  return { elapsedMs: one.elapsedMs + sign * other.elapsedMs, stages: Object.fromEntries(stages) };
}

/**
 * The time that a pipeline's stages share: it begins with the first result, so that starting up is nobody's waiting.
 */
export class PipelineClock {
  private begun = Number.POSITIVE_INFINITY;
  private readonly stages = new Map<string, StageClock>();

  constructor(
    private readonly recorder?: Recorder | undefined,
    readonly now: () => number = epochMs,
  ) {}

  /** Stages are added in the order of the data's way. */
  stage(name: string, threads: number): StageClock {
    const stage = new StageClock(name, threads, this.now, this.recorder);
    this.stages.set(name, stage);
    return stage;
  }

  /** Time counts from the first call on. */
  begin(): void {
    if (this.begun !== Number.POSITIVE_INFINITY) return;
    this.begun = this.now();
    for (const stage of this.stages.values()) stage.begin(this.begun);
  }

  get counters(): PipelineCounters {
    const now = this.now();
    const stages = [...this.stages].map(([name, stage]) => [name, stage.countersAt(now)] as const);
    return { elapsedMs: Math.max(0, now - this.begun), stages: Object.fromEntries(stages) };
  }
}

export class StageClock {
  private begun = Number.POSITIVE_INFINITY;
  private busyMs = 0;
  private busyWhileStarvingMs = 0;
  private cpuMs = 0;
  private pieces = 0;
  private samples = 0;
  private bytes = 0;
  private readonly parts: Record<string, number> = {};
  /** When it starved lately, oldest first; the last may continue. Work may be reported late. */
  private hunger: { readonly from: number; to: number }[] = [];
  private starvedMs = 0;
  private readonly queue: number[] = [];
  private depth: number | undefined;
  private depthSince = 0;
  private tasks = 0;
  private active = 0;
  private activeSince = 0;
  private runningSince: number | undefined;
  private tally: (() => Tally) | undefined;
  private tallyBefore: Tally = { busyMs: 0 };

  constructor(
    private readonly name: string,
    private readonly threads: number,
    private readonly now: () => number,
    private readonly recorder: Recorder | undefined,
  ) {}

  begin(at: number): void {
    this.begun = at;
    if (this.tally !== undefined) this.tallyBefore = this.tally();
  }

  /**
   * A thread's work, which may lie a while back. `busyMs` is the part of it that was not waiting; all of it when left
   * out.
   */
  worked({ thread, began, ended, cpuMs }: Work, samples = 0, bytes = 0, busyMs = ended - began): void {
    this.pieces++;
    this.passed(samples, bytes);
    this.recorder?.span(this.name, this.name, thread, began, ended);
    const share = ended > began ? busyMs / (ended - began) : 0;
    const from = Math.max(began, this.begun);
    if (from >= ended) return;
    this.busyMs += share * (ended - from);
    this.cpuMs += (Math.min(cpuMs ?? busyMs, busyMs) * (ended - from)) / (ended - began);
    for (let i = this.hunger.length - 1; i >= 0; i--) {
      const { from: start, to } = this.hunger[i] as (typeof this.hunger)[number];
      if (to <= from) break;
      this.busyWhileStarvingMs += share * Math.max(0, Math.min(to, ended) - Math.max(start, from));
    }
  }

  /** Counts what went through without a word of how long it took. */
  passed(samples: number, bytes: number): void {
    this.samples += samples;
    this.bytes += bytes;
  }

  /** What a part of its work took. */
  spent(part: string, ms: number): void {
    this.parts[part] = (this.parts[part] ?? 0) + ms;
  }

  /**
   * Notes that work begins which is only seen to begin and end, many pieces at a time: the stage is busy while there is
   * any. Returns when it began.
   */
  began(): number {
    const now = this.now();
    if (this.active++ === 0) this.activeSince = now;
    return now;
  }

  /** The end of what began at `began`. */
  ended(began: number, samples = 0, bytes = 0): void {
    const now = this.now();
    this.recorder?.span(this.name, this.name, undefined, began, now);
    this.pieces++;
    this.passed(samples, bytes);
    if (--this.active === 0) this.busyMs += Math.max(0, now - Math.max(this.activeSince, this.begun));
  }

  /** The time since which it works, which `worked` will report when it ends; undefined: it does not. */
  runs(since: number | undefined): void {
    this.runningSince = since;
  }

  /**
   * Takes its busy time from who counts it elsewhere, and the bytes that go through it, where they are counted there
   * too.
   */
  follows(tally: () => Tally): void {
    this.tally = tally;
    this.tallyBefore = tally();
  }

  /** Whether a thread without work would wait for input from now on; for output otherwise. */
  starves(starving: boolean): void {
    const now = this.now();
    const last = this.hunger.at(-1);
    if (starving === (last?.to === Number.POSITIVE_INFINITY)) return;
    if (starving) this.hunger.push({ from: now, to: Number.POSITIVE_INFINITY });
    else if (last !== undefined) {
      last.to = now;
      this.starvedMs += Math.max(0, now - Math.max(last.from, this.begun));
      // Work is reported within a few tasks of its end.
      if (this.hunger.length > 4096) this.hunger = this.hunger.slice(-1024);
    }
  }

  /** A task is on its way to a thread; those that find none wait in front of it. */
  sent(): void {
    this.queued(Math.max(0, ++this.tasks - this.threads));
  }

  /** A task has come back, with what was done for it; undefined where the thread did not come to an end with it. */
  returned(work: Work | undefined, samples: number, bytes: number): void {
    this.queued(Math.max(0, --this.tasks - this.threads));
    if (work !== undefined) this.worked(work, samples, bytes);
  }

  /** How many items wait in front of it from now on. */
  queued(items: number): void {
    const now = this.now();
    this.addDepth(now);
    this.depth = items;
    this.recorder?.depth(this.name, now, items);
  }

  countersAt(now: number): StageCounters {
    const { threads, busyMs, busyWhileStarvingMs, cpuMs, pieces, samples, bytes } = this;
    this.addDepth(now);
    const hungry = this.hunger.at(-1);
    const goesOn = hungry?.to === Number.POSITIVE_INFINITY ? Math.max(0, now - Math.max(hungry.from, this.begun)) : 0;
    const since = this.active > 0 ? this.activeSince : (this.runningSince ?? now);
    const running = Math.max(0, now - Math.max(since, this.begun));
    const elsewhere = this.begun <= now ? this.tally?.() : undefined;
    const { busyMs: before, bytes: bytesBefore = 0 } = this.tallyBefore;
    return {
      threads,
      busyMs: elsewhere === undefined ? busyMs + running : elsewhere.busyMs - before,
      busyWhileStarvingMs,
      cpuMs,
      starvingMs: this.starvedMs + goesOn,
      pieces,
      samples,
      bytes: elsewhere?.bytes === undefined ? bytes : elsewhere.bytes - bytesBefore,
      queueMs: Array.from(this.queue, (ms) => ms ?? 0),
      partsMs: { ...this.parts },
    };
  }

  private addDepth(now: number): void {
    const passed = now - Math.max(this.depthSince, this.begun);
    this.depthSince = now;
    if (this.depth === undefined || passed <= 0) return;
    const at = Math.min(this.depth, depths - 1);
    this.queue[at] = (this.queue[at] ?? 0) + passed;
  }
}

/** Passes items on; `waits` is called when the next one is asked for and when it is there. */
export async function* watched<T>(
  items: AsyncIterable<T> | Iterable<T>,
  waits: (asking: boolean) => void,
): AsyncGenerator<T> {
  waits(true);
  try {
    for await (const item of items) {
      waits(false);
      yield item;
      waits(true);
    }
  } finally {
    waits(false);
  }
}
