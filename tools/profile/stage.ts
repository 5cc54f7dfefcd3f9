// What a profile contains, and the stages of it.
import { type PipelineCounters, type StageCounters, stageShares } from "../../src/pipeline/stage-clock.js";
import type { Percentiles } from "./recording.js";

/** The most that this machine allows a stage, measured in the same run, and what was measured. */
export interface Limit {
  readonly imagesPerSecond: number;
  readonly what: string;
}

export interface Stage {
  readonly name: string;
  /** Threads that do it; 1 for what the calling thread does, or waits for. */
  readonly threads: number;
  /** That went through it. */
  readonly imagesPerSecond: number;
  /**
   * What it could do with nothing before and after it in the way: measured where it could be, from its busy share
   * elsewhere.
   */
  readonly imagesPerSecondAlone: number | undefined;
  /** Shares of the time of all its threads; the three add up to 1. */
  readonly busy: number;
  readonly waitForInput: number;
  readonly waitForOutput: number;
  /** The part of the busy share in which its threads had a core; 0 where others do its work. */
  readonly onCore: number;
  /** Items that wait in front of it; undefined where none can. */
  readonly queueDepth: { readonly mean: number; readonly p90: number } | undefined;
  readonly bytesPerSecond: number;
  /** Shares of its busy time, by what it was spent on; empty where that is not known. */
  readonly parts: Readonly<Record<string, number>>;
  readonly limit: (Limit & { readonly reached: number }) | undefined;
}

/** The processor's cores meanwhile. */
export interface Cores {
  readonly count: number;
  /** Shares of all of them: this process, and all programs. */
  readonly own: number;
  readonly busy: number;
  /** Time of this process per image. */
  readonly msPerImage: number;
}

export interface Recommendation {
  /** What to change. */
  readonly change: string;
  readonly imagesPerSecond: number;
  /** Share more than now. */
  readonly gain: number;
  /** What limits then, and at how much. */
  readonly until: { readonly what: string; readonly imagesPerSecond: number } | undefined;
}

/** A run with other settings, as it was predicted and as it was. */
export interface SweepRun {
  readonly settings: Readonly<Record<string, string>>;
  readonly predicted: number;
  readonly measured: number;
}

export interface Profile {
  readonly what: "preprocess" | "read" | "train" | "network";
  readonly imagesPerSecond: number;
  readonly seconds: number;
  readonly stages: readonly Stage[];
  /** What holds all of it up: a stage by its name, or "cores". */
  readonly bottleneck: string;
  /** One sentence, with numbers. */
  readonly verdict: string;
  readonly cores: Cores;
  readonly limits: Readonly<Record<string, number>>;
  /** Share more images a second that input without any wait would bring, and that a device without any work would. */
  readonly headroom: { readonly fasterInput: number; readonly fasterDevice: number } | undefined;
  readonly recommendations: readonly Recommendation[];
  readonly percentiles: readonly Percentiles[];
  readonly sweep?: readonly SweepRun[];
}

/** What is known of a stage besides what it counted. */
export interface StageFacts {
  readonly alone?: number | undefined;
  readonly limit?: Limit | undefined;
}

/** The stages of a pipeline that so many images a second went through. */
export function stagesOf(
  counters: PipelineCounters,
  imagesPerSecond: number,
  facts: Readonly<Record<string, StageFacts>>,
): Stage[] {
  const { elapsedMs, stages } = counters;
  return Object.entries(stages).map(([name, stage]) => {
    const shares = stageShares(stage, elapsedMs);
    const { alone = shares.busy > 0 ? imagesPerSecond / shares.busy : undefined, limit } = facts[name] ?? {};
    return {
      name,
      threads: stage.threads,
      imagesPerSecond: (1000 * stage.samples) / elapsedMs,
      imagesPerSecondAlone: alone,
      ...shares,
      onCore: Math.min(shares.busy, stage.cpuMs / (stage.threads * elapsedMs)),
      queueDepth: depthOf(stage.queueMs),
      bytesPerSecond: (1000 * stage.bytes) / elapsedMs,
      parts: partsOf(stage),
      limit: limit && { ...limit, reached: imagesPerSecond / limit.imagesPerSecond },
    };
  });
}

function partsOf({ partsMs }: StageCounters): Stage["parts"] {
  const all = Object.values(partsMs).reduce((sum, ms) => sum + ms, 0);
  return Object.fromEntries(Object.entries(partsMs).map(([part, ms]) => [part, all > 0 ? ms / all : 0]));
}

/** Over time, not over items. */
function depthOf(queueMs: readonly number[]): Stage["queueDepth"] {
  const all = queueMs.reduce((sum, ms) => sum + ms, 0);
  if (all <= 0) return undefined;
  const mean = queueMs.reduce((sum, ms, depth) => sum + ms * depth, 0) / all;
  let passed = 0;
  const p90 = queueMs.findIndex((ms) => {
    passed += ms;
    return passed >= 0.9 * all;
  });
  return { mean, p90 };
}
