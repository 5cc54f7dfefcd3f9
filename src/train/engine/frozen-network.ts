// A network for inference alone.
import type { Tensor } from "@tensorflow/tfjs";

export interface FrozenNetwork {
  /** One batch: inputs in the model's order, of any batch size. The caller disposes the result. */
  predict(inputs: readonly Tensor[]): Tensor;
  /** Frees what the network holds beside the model it was made of. */
  dispose(): void;
}
