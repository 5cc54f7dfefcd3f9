// A loaded batch -> tensors over the same memory. They must be disposed before the batch is released.
import type { LayersModel, Tensor } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import type { LoadedBatch } from "../../pipeline/load/loaded-batch.js";
import type { Tf } from "../engine/tensorflow.js";

/** What a network is fed. */
export type BatchInput = Pick<LoadedBatch, "arrays" | "samples">;

export interface BatchTensors {
  /** See inputTensors. */
  readonly inputs: Tensor[];
  /** Labels [n], int32. */
  readonly labels: Tensor;
  dispose(): void;
}

/**
 * The input tensors in the order of the network's inputs: rgb or ycbcr [n, s, s, 3], or y [n, s/8, s/8, 64], cb and cr
 * [n, s/16, s/16, 64]. Rows that are padding, and arrays that the model does not take, are left out.
 */
export function inputTensors(tf: Tf, { arrays, samples }: BatchInput, model: LayersModel): Tensor[] {
  return model.inputNames.map((name) => {
    const array = arrays.find((candidate) => candidate.name === name);
    if (array === undefined) throw new ToolkitError("INTERNAL", `the view holds no array for the input ${name}`);
    const [rows = 1, ...rest] = array.shape;
    const values = array.data.subarray(0, (array.data.length / rows) * samples);
    return tf.tensor(values as Float32Array, [samples, ...rest], "float32");
  });
}

export function toTensors(tf: Tf, batch: BatchInput & Pick<LoadedBatch, "labels">, model: LayersModel): BatchTensors {
  const inputs = inputTensors(tf, batch, model);
  const labels = tf.tensor1d(batch.labels.subarray(0, batch.samples), "int32");
  return { inputs, labels, dispose: () => tf.dispose([...inputs, labels]) };
}
