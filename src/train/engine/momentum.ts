// The momentum update in tfjs's own operations: for backends that have no kernel for it.
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { assign } from "./assign.js";
import type { MomentumSettings } from "./engine.js";
import type { Tf } from "./tensorflow.js";

/** velocity = momentum velocity + gradient + decay weight; weight -= rate velocity. */
export function composedMomentum(
  tf: Tf,
  weight: Variable,
  velocity: Variable,
  gradient: Tensor,
  { rate, momentum, decay }: MomentumSettings,
): void {
  tf.tidy(() => {
    const decayed = decay === 0 ? gradient : tf.add(gradient, tf.mul(weight, decay));
    const next = tf.add(tf.mul(velocity, momentum), decayed);
    assign(velocity, next);
    assign(weight, tf.sub(weight, tf.mul(next, rate)));
  });
}
