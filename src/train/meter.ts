// How fast a run goes and how much of its time it waits for input. Validation and checkpoints stop the clock.
import type { PipelineCounters } from "../pipeline/stage-clock.js";

/** What the trainer's stage is called in counters, traces and metrics. */
export const stepStage = "step";

export class Meter {
  private samples = 0;
  private pausedMs = 0;
  private pausedAt: number | undefined;

  /** `input` are the counters of what feeds the steps. */
  constructor(private readonly input: () => PipelineCounters) {}

  go(): void {
    this.pausedMs = this.paused;
    this.pausedAt = undefined;
  }

  pause(): void {
    this.pausedAt ??= performance.now();
  }

  count(samples: number): void {
    this.samples += samples;
  }

  /** So far; `seconds` without pauses. */
  get speed(): { readonly seconds: number; readonly imagesPerSecond: number; readonly stallFraction: number } {
    const { elapsedMs, stages } = this.input();
    const ms = elapsedMs - this.paused;
    if (ms <= 0) return { seconds: 0, imagesPerSecond: 0, stallFraction: 0 };
    const stallFraction = (stages[stepStage]?.starvingMs ?? 0) / ms;
    return { seconds: ms / 1000, imagesPerSecond: (1000 * this.samples) / ms, stallFraction };
  }

  private get paused(): number {
    return this.pausedMs + (this.pausedAt === undefined ? 0 : performance.now() - this.pausedAt);
  }
}
