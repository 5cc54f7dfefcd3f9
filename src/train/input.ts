// The view of an image that a network is fed: what training, evaluation and prediction agree on.
import type { Frequencies } from "../pipeline/load/frequencies.js";
import type { Normalization, ViewOptions } from "../pipeline/load/view.js";
import type { NetworkDefinition } from "./networks/definitions.js";

export interface NetworkInput {
  readonly input: NetworkDefinition["input"];
  /** Side in pixels. */
  readonly inputSize: number;
  readonly frequencies?: Frequencies | undefined;
  /**
   * The normalisation of pixels: (value - mean) / std per channel. Left out: ImageNet's statistics for RGB,
   * coefficients as they are.
   */
  readonly normalize?: Normalization | undefined;
}

/**
 * What a network of this definition takes. YCbCr pixels are shifted by 128, as JPEG does, and scaled to about one; not
 * scaled where the DCT is the first layer, so that it gives the very coefficients a JPEG holds.
 */
export function networkInput(
  { input, stem }: NetworkDefinition,
  inputSize: number,
  frequencies: Frequencies | undefined,
): NetworkInput {
  if (input !== "ycbcr") return { input, inputSize, frequencies };
  const scale = stem === "pixels" ? 64 : 1;
  return { input, inputSize, normalize: { mean: [128, 128, 128], std: [scale, scale, scale] } };
}

export function viewOf(network: NetworkInput, augment: ViewOptions["augment"]): ViewOptions {
  const { input, inputSize, frequencies, normalize } = network;
  return { kind: input, size: inputSize, augment, frequencies, normalize };
}
