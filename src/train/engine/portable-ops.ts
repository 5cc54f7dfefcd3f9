// Operations whose gradients tfjs composes of so many steps that training crawls (layer normalisation's of tens of
// thousands of slices), written out in a few of its operations: for any backend.
import type { Tensor } from "@tensorflow/tfjs";
import type { Tf } from "./tensorflow.js";

type Save = (tensors: Tensor[]) => void;

/** Normalises the last axis: Ba, Kiros and Hinton 2016. gamma and beta [channels]. */
export function layerNorm(tf: Tf, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor {
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  return tf.customGrad((input, scale, offset, save) => {
    const centred = tf.sub(input as Tensor, tf.mean(input as Tensor, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
    const unit = tf.mul(centred, inverse);
    (save as Save)([unit, inverse, scale as Tensor]);
    const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) => {
      const [units, inverses, gains] = saved as [Tensor, Tensor, Tensor];
      const along = tf.mul(dy as Tensor, units);
      const dUnit = tf.mul(dy as Tensor, gains);
      const projected = tf.mul(units, tf.mean(tf.mul(dUnit, units), -1, true));
      const dx = tf.mul(inverses, tf.sub(tf.sub(dUnit, tf.mean(dUnit, -1, true)), projected));
      return [dx, tf.sum(along, axes), tf.sum(dy as Tensor, axes)];
    };
    return { value: tf.add(tf.mul(unit, scale as Tensor), offset as Tensor), gradFunc };
  })(x, gamma, beta);
}

/**
 * x (1 + erf(x / sqrt 2)) / 2: Hendrycks and Gimpel 2016. Its slope is the normal distribution's function, plus x times
 * its density.
 */
export function gelu(tf: Tf, x: Tensor): Tensor {
  return tf.customGrad((input, save) => {
    const share = tf.mul(tf.add(tf.erf(tf.mul(input as Tensor, Math.SQRT1_2)), 1), 0.5);
    (save as Save)([input as Tensor, share]);
    const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) => {
      const [given, shares] = saved as [Tensor, Tensor];
      const density = tf.mul(tf.exp(tf.mul(tf.square(given), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy as Tensor, tf.add(shares, tf.mul(given, density)));
    };
    return { value: tf.mul(input as Tensor, share), gradFunc };
  })(x);
}
