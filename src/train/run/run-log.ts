// What is noted of a run while it lasts, and reported: steps, epochs, speed. Rank 0 reports; the others only count.
import type { PipelineCounters } from "../../pipeline/stage-clock.js";
import type { TrainSettings } from "../options.js";
import type { EpochReport, StepReport, TrainReport } from "../report.js";
import type { CheckpointInfo } from "../saved/checkpoint.js";
import type { StepResult } from "../step/step.js";
import { History } from "./history.js";
import { Meter } from "./meter.js";
import type { TensorBoard } from "./tensorboard.js";

/** Over the steps of an epoch so far. */
export type EpochSums = Readonly<NonNullable<CheckpointInfo["training"]>["epochSums"]>;

const noSums: EpochSums = { loss: 0, correct: 0, samples: 0 };

export interface RunLogParts {
  readonly settings: TrainSettings;
  /** The steps of the whole run, and the one that it continues after. */
  readonly steps: number;
  readonly resumedAt: number;
  /** What an earlier process left: its history, and the epoch's sums by then. */
  readonly earlier: { readonly history: string; readonly sums: EpochSums } | undefined;
  readonly board: TensorBoard | undefined;
  readonly tells: boolean;
  /** Counters of what feeds the steps. */
  readonly input: () => PipelineCounters;
}

/** The result of a validation. */
export type Score = Pick<EpochReport, "valTop1" | "valTop5" | "valLoss">;

export class RunLog {
  readonly meter: Meter;
  private readonly history: History;
  /** Alive after the first and the latest step. */
  private tensors: TrainReport["tensors"] | undefined;
  private sums: EpochSums;
  private epochBegan = performance.now();

  constructor(private readonly parts: RunLogParts) {
    const { earlier, steps, resumedAt, input } = parts;
    this.meter = new Meter(input);
    this.history = earlier === undefined ? History.begin(steps) : History.resume(earlier.history, steps, resumedAt);
    this.sums = earlier?.sums ?? noSums;
  }

  /** Sums over the epoch at hand. */
  get epochSums(): EpochSums {
    return this.sums;
  }

  get historyText(): string {
    return this.history.toText();
  }

  /** `step` counts from 1. */
  addStep(step: number, epoch: number, tensors: number, result: StepResult): void {
    const { settings, steps, resumedAt, board, tells } = this.parts;
    const { loss, top1, samples, learningRate, gradientNorm } = result;
    this.meter.count(samples);
    this.tensors = { afterFirstStep: this.tensors?.afterFirstStep ?? tensors, afterLastStep: tensors };
    this.sums = {
      loss: this.sums.loss + loss * samples,
      correct: this.sums.correct + top1 * samples,
      samples: this.sums.samples + samples,
    };
    if (!tells) return;
    const { imagesPerSecond, stallFraction: inputStallFraction, seconds } = this.meter.speed;
    const secondsLeft = ((steps - step) * seconds) / (step - resumedAt);
    const { epochs } = settings;
    const speed = { imagesPerSecond, inputStallFraction, secondsLeft };
    const report: StepReport = {
      step,
      steps,
      epoch,
      epochs,
      loss,
      top1,
      learningRate,
      gradientNorm,
      ...speed,
      tensors,
    };
    this.history.addStep(report);
    if (this.history.keeps(step)) board?.step(report);
    settings.onStep?.(report);
  }

  /** Ends an epoch, or a run in the middle of one; `epoch` counts from 1. */
  addEpoch(step: number, epoch: number, score: Score): void {
    const { settings, board, tells } = this.parts;
    const { loss, correct, samples } = this.sums;
    this.sums = noSums;
    const [began, now] = [this.epochBegan, performance.now()];
    this.epochBegan = now;
    if (!tells) return;
    const { epochs } = settings;
    const means = { loss: loss / samples, top1: correct / samples };
    const report: EpochReport = {
      epoch,
      epochs,
      step,
      ...means,
      ...score,
      seconds: Math.round((now - began) / 100) / 10,
    };
    this.history.addEpoch(report);
    board?.epoch(report);
    settings.onEpoch?.(report);
  }

  /** What a run reports of this at its end. */
  summarise() {
    const { losses, lastEpoch } = this.history;
    const { imagesPerSecond, stallFraction } = this.meter.speed;
    const tail = losses.slice(-Math.max(1, Math.round(losses.length / 10)));
    return {
      firstLoss: losses[0] as number,
      loss: tail.reduce((sum, loss) => sum + loss, 0) / tail.length,
      valTop1: lastEpoch?.valTop1,
      valTop5: lastEpoch?.valTop5,
      valLoss: lastEpoch?.valLoss,
      imagesPerSecond: Math.round(10 * imagesPerSecond) / 10,
      inputStallFraction: Math.round(1e4 * stallFraction) / 1e4,
      tensors: this.tensors ?? { afterFirstStep: 0, afterLastStep: 0 },
    };
  }

  flush(): void {
    this.parts.board?.flush();
  }
}
