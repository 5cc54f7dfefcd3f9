// A loaded batch -> tensors over the same memory. They must be disposed before the batch is released.
import type { Tensor } from "@tensorflow/tfjs-node-gpu";
import type { LoadedBatch } from "../pipeline/load/loader.js";
import type { Tf } from "./engine/tensorflow.js";

export interface BatchTensors {
  /** In the order of the network's inputs: rgb [n, s, s, 3], or y [n, s/8, s/8, 64], cb and cr [n, s/16, s/16, 64]. */
  readonly inputs: Tensor[];
  /** [n], int32. */
  readonly labels: Tensor;
  dispose(): void;
}

export function toTensors(tf: Tf, batch: LoadedBatch, inputSize: number): BatchTensors {
  const { arrays, samples } = batch;
  const luma = inputSize / 8;
  const inputs =
    arrays.kind === "rgb"
      ? [tf.tensor4d(arrays.rgb, [samples, inputSize, inputSize, 3])]
      : [
          tf.tensor4d(arrays.y, [samples, luma, luma, 64]),
          tf.tensor4d(arrays.cb, [samples, luma / 2, luma / 2, 64]),
          tf.tensor4d(arrays.cr, [samples, luma / 2, luma / 2, 64]),
        ];
  const labels = tf.tensor1d(arrays.labels, "int32");
  return { inputs, labels, dispose: () => tf.dispose([...inputs, labels]) };
}
