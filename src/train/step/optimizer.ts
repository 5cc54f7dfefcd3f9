// SGD with momentum and weight decay, as the residual networks were trained: v = m v + g + wd w, w = w - lr v.
import type { Tensor, Variable } from "@tensorflow/tfjs";
import type { Engine } from "../engine/engine.js";
import type { Recipe } from "./recipe.js";

export class MomentumSgd {
  /** One for every weight, in their order. */
  readonly velocities: readonly Variable[];

  constructor(
    private readonly engine: Engine,
    private readonly recipe: Pick<Recipe, "momentum" | "weightDecay">,
    private readonly weights: readonly Variable[],
  ) {
    const { tf } = engine;
    this.velocities = weights.map((weight) => tf.tidy(() => tf.variable(tf.zerosLike(weight), false)));
  }

  /** One update of every weight; `gradients` are in their order, and the caller's to dispose. */
  apply(gradients: readonly Tensor[], rate: number): void {
    const { momentum, weightDecay } = this.recipe;
    for (const [i, weight] of this.weights.entries()) {
      const decay = weight.rank > 1 ? weightDecay : 0; // biases and normalisation are not decayed
      const velocity = this.velocities[i] as Variable;
      this.engine.updateMomentum(weight, velocity, gradients[i] as Tensor, { rate, momentum, decay });
    }
  }

  dispose(): void {
    for (const velocity of this.velocities) velocity.dispose();
  }
}
