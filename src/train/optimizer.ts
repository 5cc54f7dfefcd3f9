// SGD with momentum and weight decay, as the residual networks were trained: v = m v + g + wd w, w = w - lr v.
import type { NamedTensorMap, Tensor, Variable } from "@tensorflow/tfjs";
import type { Engine } from "./engine/engine.js";
import type { Recipe } from "./recipe.js";

export class MomentumSgd {
  private readonly velocity = new Map<string, Variable>();

  constructor(
    private readonly engine: Engine,
    private readonly recipe: Recipe,
  ) {}

  /** One update of every variable that has a gradient; the gradients are the caller's to dispose. */
  apply(variables: readonly Variable[], gradients: NamedTensorMap, learningRate: number): void {
    for (const variable of variables) {
      const gradient = gradients[variable.name];
      if (gradient !== undefined) this.update(variable, gradient, learningRate);
    }
  }

  dispose(): void {
    for (const velocity of this.velocity.values()) velocity.dispose();
    this.velocity.clear();
  }

  private update(variable: Variable, gradient: Tensor, learningRate: number): void {
    const { engine, recipe } = this;
    let velocity = this.velocity.get(variable.name);
    if (velocity === undefined) {
      const { tf } = engine;
      velocity = tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
      this.velocity.set(variable.name, velocity);
    }
    const decay = variable.rank > 1 ? recipe.weightDecay : 0; // biases and batch normalisation are not decayed
    engine.updateMomentum(variable, velocity, gradient, { rate: learningRate, momentum: recipe.momentum, decay });
  }
}
