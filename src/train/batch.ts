// A loaded batch -> tensors over the same memory. They must be disposed before the batch is released.
import type { Tensor } from "@tensorflow/tfjs-node-gpu";
import type { LoadedBatch } from "../pipeline/load/loader.js";
import type { NamedArray } from "../pipeline/load/slot.js";
import type { Tf } from "./engine/tensorflow.js";

export interface BatchTensors {
  /** In the order of the network's inputs: rgb [n, s, s, 3], or y [n, s/8, s/8, 64], cb and cr [n, s/16, s/16, 64]. */
  readonly inputs: Tensor[];
  /** [n], int32. */
  readonly labels: Tensor;
  dispose(): void;
}

/** Without the places that are padding. */
export function toTensors(tf: Tf, batch: LoadedBatch): BatchTensors {
  const { arrays, samples } = batch;
  const inputs = arrays.map(({ data, shape }: NamedArray) => {
    const [places = 1, ...rest] = shape;
    const values = data.subarray(0, (data.length / places) * samples);
    return tf.tensor(values as Float32Array, [samples, ...rest], "float32");
  });
  const labels = tf.tensor1d(batch.labels.subarray(0, samples), "int32");
  return { inputs, labels, dispose: () => tf.dispose([...inputs, labels]) };
}
