// How fast a run goes and how much of its time it waits for input. Validation and checkpoints stop the clock.
import type { PipelineCounters } from "../../pipeline/stage-clock.js";

/** What the trainer's stage is called in counters, traces and metrics. */
export const stepStage = "step";

export class Meter {
  private samples = 0;

  /** `input` are the counters of the stages, from storage to steps. */
  constructor(private readonly input: () => PipelineCounters) {}

  count(samples: number): void {
    this.samples += samples;
  }

  /** So far, while steps were made or waited for. */
  get speed(): { readonly seconds: number; readonly imagesPerSecond: number; readonly stallFraction: number } {
    const { busyMs = 0, starvingMs = 0 } = this.input().stages[stepStage] ?? {};
    const ms = busyMs + starvingMs;
    if (ms <= 0) return { seconds: 0, imagesPerSecond: 0, stallFraction: 0 };
    return { seconds: ms / 1000, imagesPerSecond: (1000 * this.samples) / ms, stallFraction: starvingMs / ms };
  }
}
