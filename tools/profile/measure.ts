// A stretch of a pipeline's run: what its stages counted, and what the processor's cores did meanwhile.
import { availableParallelism, cpus } from "node:os";
import { countersBetween, type PipelineCounters } from "../../src/pipeline/stage-clock.js";
import type { Cores } from "./stage.js";

export interface Measured {
  readonly counters: PipelineCounters;
  /** Microseconds of this process. */
  readonly cpuMicroseconds: number;
  /** Share of all cores that were busy, with any work. */
  readonly coresBusy: number;
}

/** Starts to measure; what it returns gives what came since. */
export function startMeasuring(counters: () => PipelineCounters): () => Measured {
  const before = { counters: counters(), cpu: process.cpuUsage(), cores: coreTimes() };
  return () => {
    const { user, system } = process.cpuUsage(before.cpu);
    const after = coreTimes();
    const all = after.all - before.cores.all;
    return {
      counters: countersBetween(before.counters, counters()),
      cpuMicroseconds: user + system,
      coresBusy: all > 0 ? 1 - (after.idle - before.cores.idle) / all : 0,
    };
  };
}

/** Images a second that went through a stage. */
export function throughputOf({ elapsedMs, stages }: PipelineCounters, stage: string): number {
  return (1000 * (stages[stage]?.samples ?? 0)) / elapsedMs;
}

function coreTimes(): { readonly all: number; readonly idle: number } {
  let [all, idle] = [0, 0];
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { all, idle };
}

export function coresOf({ counters, cpuMicroseconds, coresBusy }: Measured, samples: number): Cores {
  const count = availableParallelism();
  const own = Math.min(1, cpuMicroseconds / 1000 / (count * counters.elapsedMs));
  return {
    count,
    own,
    // Of a part of the machine, other programs' use of the rest is none of ours.
    busy: Math.max(own, count === cpus().length ? coresBusy : own),
    msPerImage: samples > 0 ? cpuMicroseconds / 1000 / samples : 0,
  };
}
