// A network for inference alone.
import type { Tensor } from "@tensorflow/tfjs";

/**
 * "bfloat16" has float32's range with 8 bits of mantissa: logits differ in the third digit; several times faster where
 * the processor has it.
 */
export const precisions = ["float32", "bfloat16"] as const;
export type Precision = (typeof precisions)[number];

export interface FreezeOptions {
  /** What convolutions and dense layers compute in. Default "float32". */
  readonly precision?: Precision | undefined;
}

/** A network for inference alone, in the form that its engine computes fastest. */
export interface FrozenNetwork {
  /** One batch: inputs in the model's order, of any batch size. The caller disposes the result. */
  predict(inputs: readonly Tensor[]): Tensor;
  /** Frees what the network holds beside the model it was made of. */
  dispose(): void;
}
