// Labels -> what a step's loss is taken against: a distribution over the classes for every sample, times the sample's
// weight. Pure.
import type { LoadedBatch } from "../../pipeline/load/loaded-batch.js";

export interface TargetOptions {
  readonly classes: number;
  /** Share of a label that is spread over all classes (Szegedy et al. 2016, section 7). */
  readonly smoothing: number;
  /** The weight of one sample: 1 / the samples of the step makes the sum of losses their mean. */
  readonly weight: number;
}

export type LabelledBatch = Pick<LoadedBatch, "labels" | "mask" | "mixed" | "samples">;

/** Targets [samples, classes]. The row of a masked sample is zero. */
export function targetsOf(batch: LabelledBatch, { classes, smoothing, weight }: TargetOptions): Float32Array {
  const { labels, mask, mixed, samples } = batch;
  const targets = new Float32Array(samples * classes);
  for (let i = 0; i < samples; i++) {
    if (mask[i] === 0) continue;
    const row = targets.subarray(i * classes, (i + 1) * classes).fill((weight * smoothing) / classes);
    const place = (label: number, share: number) => {
      row[label] = (row[label] as number) + weight * (1 - smoothing) * share;
    };
    const second = mixed?.labels[i] ?? -1;
    const share = second < 0 ? 1 : (mixed?.shares[i] as number);
    place(labels[i] as number, share);
    if (share < 1) place(second, 1 - share);
  }
  return targets;
}

/** Samples that count. */
export function countOf({ mask, samples }: LabelledBatch): number {
  let count = 0;
  for (let i = 0; i < samples; i++) count += mask[i] as number;
  return count;
}
