// A network's guesses for the samples of a data set, counted by class. Its size follows the number of samples, never
// the square of the classes.
import type { ClassList } from "../shards/class-list.js";
import type { Collective } from "./collective/collective.js";
import type { EvaluateReport } from "./report.js";

/** Numbers that ranks add up at a time, a multiple of three. */
const maxValuesSent = 3 << 18;

/** Sums over the samples seen so far. */
export class Tally {
  samples = 0;
  loss = 0;
  private top5 = 0;
  private readonly confusion = new Map<number, number>();

  constructor(
    private readonly classes: number,
    private readonly shown: ClassList,
  ) {}

  add(labels: Int32Array, ranked: Int32Array, perSample: number, batchLoss: number): void {
    this.loss += batchLoss;
    for (const [i, label] of labels.entries()) {
      const guesses = ranked.subarray(i * perSample, (i + 1) * perSample);
      const cell = label * this.classes + (guesses[0] as number);
      this.confusion.set(cell, (this.confusion.get(cell) ?? 0) + 1);
      if (guesses.includes(label)) this.top5++;
      this.samples++;
    }
  }

  /** Adds up what the ranks have seen. */
  async sumOver({ rank, size, sum }: Collective): Promise<void> {
    if (size === 1) return;
    const totals = Float32Array.of(this.samples, this.loss, this.top5);
    await sum(totals);
    [this.samples, this.loss, this.top5] = totals as unknown as [number, number, number];
    // Square in the number of classes would be too much to send: only what there is, rank after rank.
    const counts = new Float32Array(size);
    counts[rank] = this.confusion.size;
    await sum(counts);
    const own = [...this.confusion].flatMap(([cell, count]) => [...this.classesOf(cell), count]);
    for (const [from, cells] of counts.entries()) {
      for (let start = 0; start < 3 * cells; start += maxValuesSent) {
        const part = new Float32Array(Math.min(maxValuesSent, 3 * cells - start));
        if (from === rank) part.set(own.slice(start, start + part.length));
        await sum(part);
        if (from !== rank) this.addCells(part);
      }
    }
  }

  private addCells(cells: Float32Array): void {
    for (let i = 0; i < cells.length; i += 3) {
      const [label, predicted, count] = cells.subarray(i, i + 3) as unknown as [number, number, number];
      const cell = label * this.classes + predicted;
      this.confusion.set(cell, (this.confusion.get(cell) ?? 0) + count);
    }
  }

  private classesOf(cell: number): [label: number, predicted: number] {
    return [Math.floor(cell / this.classes), cell % this.classes];
  }

  summarise(): Pick<EvaluateReport, "top1" | "top5" | "perClass" | "confusion"> {
    const cells = [...this.confusion].map(([cell, count]) => {
      const [label, predicted] = this.classesOf(cell);
      return { label, predicted, count };
    });
    const samples = new Map<number, number>();
    for (const { label, count } of cells) samples.set(label, (samples.get(label) ?? 0) + count);
    const perClass = [...samples]
      .sort(([a], [b]) => a - b)
      .map(([index, samples]) => {
        const correct = this.confusion.get(index * this.classes + index) ?? 0;
        const entry = this.shown.at(index);
        return { index, name: entry?.name ?? entry?.synset ?? String(index), samples, top1: correct / samples };
      });
    const correct = cells
      .filter(({ label, predicted }) => label === predicted)
      .reduce((sum, { count }) => sum + count, 0);
    const confusion = cells.filter(({ label, predicted }) => label !== predicted).sort((a, b) => b.count - a.count);
    return { top1: correct / this.samples, top5: this.top5 / this.samples, perClass, confusion };
  }
}
