// How the optimiser's settings move over a run. Pure.

export interface Recipe {
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly momentum: number;
  /** On kernels only, not on biases and batch normalisation. */
  readonly weightDecay: number;
  readonly steps: number;
}

/** SGD for ImageNet: 0.1 for a batch of 256, linear in the batch (Goyal et al. 2017), momentum 0.9, weight decay 1e-4. */
export function defaultRecipe(batchSize: number, steps: number, learningRate = (0.1 * batchSize) / 256): Recipe {
  return { learningRate, momentum: 0.9, weightDecay: 1e-4, steps };
}

/** Share of the run over which the rate rises from zero: the 5 of 90 epochs that ImageNet recipes use. */
const warmupShare = 5 / 90;

/** Linear warm-up, then half a cosine to zero. `step` counts from 0. */
export function learningRateAt(recipe: Recipe, step: number): number {
  const warmup = Math.max(1, Math.round(recipe.steps * warmupShare));
  if (step < warmup) return (recipe.learningRate * (step + 1)) / (warmup + 1);
  const progress = (step - warmup) / Math.max(1, recipe.steps - warmup);
  return recipe.learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}
