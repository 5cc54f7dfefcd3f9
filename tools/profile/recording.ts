// Everything that the stages of a pipeline did, kept for a trace, a timeline and percentiles.
import type { Recorder } from "../../src/pipeline/stage-clock.js";
import { quantilesOf } from "./quantile.js";

export interface Span {
  readonly stage: string;
  readonly name: string;
  readonly thread: number | undefined;
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly ended: number;
}

export interface Depth {
  readonly stage: string;
  readonly at: number;
  readonly items: number;
}

/** How long single pieces of work took, in milliseconds. */
export interface Percentiles {
  readonly what: string;
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** A row of a trace: a thread, or as many rows as pieces of work overlap. */
export interface Lane {
  readonly stage: string;
  readonly name: string;
  readonly spans: readonly Span[];
}

/** More is not kept: some tens of megabytes. */
const mostEvents = 400_000;

export class Recording implements Recorder {
  readonly spans: Span[] = [];
  readonly depths: Depth[] = [];
  /** Events that came when there was no room any more. */
  dropped = 0;

  span(stage: string, name: string, thread: number | undefined, began: number, ended: number): void {
    if (this.full) this.dropped++;
    else this.spans.push({ stage, name, thread, began, ended });
  }

  depth(stage: string, at: number, items: number): void {
    if (this.full) this.dropped++;
    else this.depths.push({ stage, at, items });
  }

  /** Begins anew: what came before was starting up. */
  clear(): void {
    this.spans.length = 0;
    this.depths.length = 0;
    this.dropped = 0;
  }

  percentiles(): Percentiles[] {
    const times = new Map<string, number[]>();
    for (const { stage, name, began, ended } of this.spans) {
      const what = stage === name ? stage : `${stage}: ${name}`;
      const list = times.get(what) ?? [];
      list.push(ended - began);
      times.set(what, list);
    }
    return [...times].map(([what, list]) => {
      const at = quantilesOf(list);
      return { what, count: list.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
    });
  }

  /**
   * The lanes of stages in the order that they first appear; work without a thread is spread over as many lanes as it
   * takes.
   */
  lanes(): Lane[] {
    const byStage = new Map<string, Map<string, Span[]>>();
    const ends = new Map<string, number[]>();
    for (const span of [...this.spans].sort((a, b) => a.began - b.began)) {
      const { stage, thread } = span;
      const lanes = byStage.get(stage) ?? new Map<string, Span[]>();
      byStage.set(stage, lanes);
      const name = thread === undefined ? `${stage} ${freeLane(ends, span) + 1}` : `${stage}, thread ${thread}`;
      const lane = lanes.get(name) ?? [];
      lanes.set(name, lane);
      lane.push(span);
    }
    return [...byStage].flatMap(([stage, lanes]) => {
      const only = lanes.size === 1;
      return [...lanes].map(([name, spans]) => ({ stage, name: only ? stage : name, spans }));
    });
  }

  /**
   * The recording as Chrome's trace viewer and Perfetto read it: a row per thread, counters for queues. Times in
   * microseconds.
   */
  toTrace(): string {
    const lanes = this.lanes();
    const start = Math.min(...lanes.map(({ spans }) => spans[0]?.began ?? Infinity), this.depths[0]?.at ?? Infinity);
    const microseconds = (ms: number) => Math.round(1000 * (ms - start));
    const events: string[] = [JSON.stringify({ ph: "M", pid: 1, name: "process_name", args: { name: "dctstream" } })];
    for (const [i, { name, spans }] of lanes.entries()) {
      const row = { pid: 1, tid: i + 1 };
      events.push(JSON.stringify({ ph: "M", ...row, name: "thread_name", args: { name } }));
      events.push(JSON.stringify({ ph: "M", ...row, name: "thread_sort_index", args: { sort_index: i + 1 } }));
      for (const span of spans) {
        const [ts, dur] = [microseconds(span.began), Math.round(1000 * (span.ended - span.began))];
        events.push(JSON.stringify({ ph: "X", ...row, name: span.name, cat: span.stage, ts, dur }));
      }
    }
    for (const { stage, at, items } of this.depths)
      events.push(JSON.stringify({ ph: "C", pid: 1, name: `queue: ${stage}`, ts: microseconds(at), args: { items } }));
    return `{"displayTimeUnit":"ms","otherData":{"droppedEvents":${this.dropped}},"traceEvents":[\n${events.join(",\n")}\n]}\n`;
  }

  private get full(): boolean {
    return this.spans.length + this.depths.length >= mostEvents;
  }
}

/** The first lane of the span's stage that is free when it begins. */
function freeLane(ends: Map<string, number[]>, { stage, began, ended }: Span): number {
  const taken = ends.get(stage) ?? [];
  ends.set(stage, taken);
  const free = taken.findIndex((end) => end <= began);
  const lane = free < 0 ? taken.length : free;
  taken[lane] = ended;
  return lane;
}
