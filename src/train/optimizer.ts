// SGD with momentum and weight decay, as the residual networks were trained: v = m v + g + wd w, w = w - lr v.
import type { NamedTensorMap, Tensor, Variable } from "@tensorflow/tfjs-node-gpu";
import type { Tf } from "./engine/tensorflow.js";
import type { Recipe } from "./recipe.js";

export class MomentumSgd {
  private readonly velocity = new Map<string, Variable>();

  constructor(
    private readonly tf: Tf,
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
    const { tf, recipe } = this;
    let velocity = this.velocity.get(variable.name);
    if (velocity === undefined) {
      velocity = tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
      this.velocity.set(variable.name, velocity);
    }
    const current = velocity;
    tf.tidy(() => {
      const decayed = variable.rank > 1 ? gradient.add(variable.mul(recipe.weightDecay)) : gradient;
      const next = current.mul(recipe.momentum).add(decayed);
      current.assign(next as never); // tfjs's types ask for the variable's own rank
      variable.assign(variable.sub(next.mul(learningRate)) as never);
    });
  }
}
