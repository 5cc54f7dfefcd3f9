// How the optimiser's settings move over a run. Pure.

export const schedules = ["step", "cosine"] as const;
export type Schedule = (typeof schedules)[number];

export interface Recipe {
  /** Peak learning rate, for the whole batch of a step. */
  readonly learningRate: number;
  /** "step": a tenth at each milestone; "cosine": half a cosine to zero. */
  readonly schedule: Schedule;
  /** Steps of the whole run, and those at its beginning in which the rate rises to its peak. */
  readonly steps: number;
  readonly warmupSteps: number;
  readonly momentum: number;
  /** Weight decay on kernels only, not on biases and normalisation. */
  readonly weightDecay: number;
  /** Gradients whose norm over all weights is larger are scaled down to it. Undefined: not. */
  readonly clipNorm: number | undefined;
}

/**
 * What the shares below are shares of: the 90 epochs of the usual ImageNet run, with 5 of warm-up and drops after 30,
 * 60 and 80.
 */
const usualEpochs = 90;
const usualWarmup = 5;
const milestones = [30, 60, 80].map((epoch) => epoch / usualEpochs);

/** 0.1 for a batch of 256, linear in the batch (Goyal et al. 2017, section 2.1). */
export function scaledLearningRate(batchSize: number): number {
  return (0.1 * batchSize) / 256;
}

/** The usual warm-up, in a run of `epochs`. */
export function usualWarmupEpochs(epochs: number): number {
  return (usualWarmup * epochs) / usualEpochs;
}

/**
 * The rate of a step, counted from 0. It rises linearly in the warm-up and reaches its peak with the first step after
 * it.
 */
export function learningRateAt(recipe: Recipe, step: number): number {
  const { learningRate, schedule, steps, warmupSteps } = recipe;
  if (step < warmupSteps) return (learningRate * (step + 1)) / (warmupSteps + 1);
  if (schedule === "step") {
    const drops = milestones.filter((share) => step >= Math.round(share * steps)).length;
    return learningRate / 10 ** drops;
  }
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}

/** Sides of progressive views are multiples of this, as all networks need. */
const sideUnit = 32;
/** Share of the epochs at whose end the views have their full size. */
const growthShare = 0.8;

/**
 * Side of an epoch's training views that grow from `first` to `last` pixels (progressive resizing, as FFCV's and
 * fast.ai's recipes do).
 */
export function progressiveSize(first: number, last: number, epoch: number, epochs: number): number {
  const grown = Math.min(1, epoch / Math.max(1, growthShare * epochs - 1));
  return Math.min(last, sideUnit * Math.round((first + (last - first) * grown) / sideUnit));
}
