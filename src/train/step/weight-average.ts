// An exponential moving average of a network's weights: steadier than the weights themselves, and often better (Polyak
// and Juditsky 1992).
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { assign } from "../engine/assign.js";
import type { Tf } from "../engine/tensorflow.js";

export class WeightAverage {
  /** One for every weight, in their order. */
  readonly averages: readonly Variable[];

  constructor(
    private readonly tf: Tf,
    private readonly weights: readonly Variable[],
    private readonly decay: number,
  ) {
    this.averages = weights.map((weight) => tf.tidy(() => tf.variable(tf.mul(weight, 1), false)));
  }

  /**
   * Takes the weights of the step just made into account, `step` counted from 1. The first ones count for more than the
   * decay alone would give.
   */
  update(step: number): void {
    const decay = Math.min(this.decay, (1 + step) / (10 + step));
    const { tf } = this;
    for (const [i, weight] of this.weights.entries()) {
      const average = this.averages[i] as Variable;
      tf.tidy(() => assign(average, tf.add(tf.mul(average, decay), tf.mul(weight, 1 - decay))));
    }
  }

  /** Runs `work` with the averages instead of the weights. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const { tf } = this;
    // Copies, not clones: updates in place would change what a clone holds.
    const held = this.weights.map((weight) => tf.tidy(() => tf.mul(weight, 1)));
    this.place(this.averages);
    try {
      return await work();
    } finally {
      this.place(held);
      tf.dispose(held);
    }
  }

  dispose(): void {
    for (const average of this.averages) average.dispose();
  }

  private place(values: readonly Tensor[]): void {
    const { tf } = this;
    for (const [i, weight] of this.weights.entries()) tf.tidy(() => assign(weight, tf.mul(values[i] as Tensor, 1)));
  }
}
