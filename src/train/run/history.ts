// What happened in a run, as lines of JSON: steps (thinned out in long runs) and epochs.
import type { EpochReport, StepReport } from "../report.js";

export type StepLine = Pick<StepReport, "step" | "epoch" | "loss" | "top1" | "learningRate" | "imagesPerSecond"> & {
  readonly kind: "step";
};
export type EpochLine = EpochReport & { readonly kind: "epoch" };
type Line = StepLine | EpochLine;

/** The lines of a history.jsonl. */
export function parseHistory(text: string): Line[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** About as many steps of a run are kept. */
const keptSteps = 10_000;

export class History {
  private constructor(
    private readonly lines: Line[],
    private readonly every: number,
  ) {}

  static begin(steps: number): History {
    return new History([], Math.max(1, Math.ceil(steps / keptSteps)));
  }

  /** What an earlier process wrote, as far as the step that the run continues after. */
  static resume(text: string, steps: number, step: number): History {
    const history = History.begin(steps);
    history.lines.push(...parseHistory(text).filter((line) => line.step <= step));
    return history;
  }

  /** Whether a step is one of those that are kept. */
  keeps(step: number): boolean {
    return step === 1 || step % this.every === 0;
  }

  addStep({ step, epoch, loss, top1, learningRate, imagesPerSecond }: StepReport): void {
    if (this.keeps(step)) this.lines.push({ kind: "step", step, epoch, loss, top1, learningRate, imagesPerSecond });
  }

  addEpoch(report: EpochReport): void {
    this.lines.push({ kind: "epoch", ...report });
  }

  /** The losses of the steps that are kept, oldest first. */
  get losses(): number[] {
    return this.lines.flatMap((line) => (line.kind === "step" ? [line.loss] : []));
  }

  get lastEpoch(): EpochReport | undefined {
    return this.lines.findLast((line) => line.kind === "epoch");
  }

  toText(): string {
    return this.lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  }
}
