// Batch normalisation over the samples of all ranks of a run, in tfjs's own operations: two sums over the ranks
// forwards, one backwards.
import type { Tensor } from "@tensorflow/tfjs";
import { assign } from "./assign.js";
import type { BatchNormOptions, BatchNormWeights } from "./fused-ops.js";
import type { Tf } from "./tensorflow.js";

/**
 * x [n, h, w, c]; `sumOverRanks` replaces values by their sums. As FusedOps.batchNorm, but for what mean and variance
 * are taken over.
 */
export function syncedBatchNorm(
  tf: Tf,
  x: Tensor,
  weights: BatchNormWeights,
  residual: Tensor | undefined,
  { epsilon, momentum, relu }: BatchNormOptions,
  sumOverRanks: (values: Float32Array) => void,
): Tensor {
  const { movingMean, movingVariance } = weights;
  const channels = x.shape.at(-1) as number;
  const axes = [0, 1, 2];
  /** Sums over all ranks of tensors [c], and of a number. */
  const reduce = (tensors: readonly Tensor[], count: number) => {
    const values = new Float32Array(tensors.length * channels + 1);
    for (const [i, tensor] of tensors.entries()) values.set(tensor.dataSync() as Float32Array, i * channels);
    values[tensors.length * channels] = count;
    sumOverRanks(values);
    const sums = tensors.map((_, i) => tf.tensor1d(values.slice(i * channels, (i + 1) * channels)));
    return { sums, count: values[tensors.length * channels] as number };
  };
  const operation = (...given: unknown[]) => {
    const [input, scale, offset, ...added] = given.slice(0, -1) as [Tensor, Tensor, Tensor, ...Tensor[]];
    const save = given.at(-1) as (tensors: Tensor[]) => void;
    const own = input.size / channels;
    const total = reduce([tf.sum(input, axes)], own);
    const mean = tf.div(total.sums[0] as Tensor, total.count);
    const centred = tf.sub(input, mean);
    const squares = reduce([tf.sum(tf.square(centred), axes)], own).sums[0] as Tensor;
    const inverse = tf.rsqrt(tf.add(tf.div(squares, total.count), epsilon));
    const normalized = tf.mul(centred, inverse);
    const scaled = tf.add(tf.mul(normalized, scale), offset);
    const joined = added[0] === undefined ? scaled : tf.add(scaled, added[0]);
    const y = relu ? tf.relu(joined) : joined;
    const blend = (moving: typeof movingMean, now: Tensor) =>
      assign(moving, tf.add(tf.mul(moving, momentum), tf.mul(now, 1 - momentum)));
    blend(movingMean, mean);
    blend(movingVariance, tf.div(squares, Math.max(1, total.count - 1)));
    save([y, normalized, scale, inverse]);
    const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[]) => {
      const [savedY, savedNormalized, savedScale, savedInverse] = saved as [Tensor, Tensor, Tensor, Tensor];
      const open = relu ? tf.mul(dy as Tensor, tf.step(savedY)) : (dy as Tensor).clone();
      const ofOffset = tf.sum(open, axes);
      const ofScale = tf.sum(tf.mul(open, savedNormalized), axes);
      const all = reduce([ofOffset, ofScale], own);
      const [offsets, scales] = all.sums.map((sum) => tf.div(sum, all.count)) as [Tensor, Tensor];
      const through = tf.sub(tf.sub(open, offsets), tf.mul(savedNormalized, scales));
      const ofInput = tf.mul(through, tf.mul(savedScale, savedInverse));
      return added.length === 0 ? [ofInput, ofScale, ofOffset] : [ofInput, ofScale, ofOffset, open];
    };
    return { value: y, gradFunc };
  };
  const operands = [x, weights.gamma, weights.beta, ...(residual === undefined ? [] : [residual])];
  return tf.customGrad(operation)(...operands);
}
