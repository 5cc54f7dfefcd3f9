// The memory of a batch: one shared buffer that workers fill and the trainer reads without copying.
import type { RgbScaling } from "../../native/index.js";
import type { ViewOptions } from "./view.js";

/** ImageNet's channel means and deviations, in 0..255: what pixel networks are fed since AlexNet's successors. */
export const imagenetScaling: RgbScaling = {
  scale: [1 / 58.395, 1 / 57.12, 1 / 57.375],
  bias: [-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375],
};

/** Views of a slot, sized for `samples` of `batchSize`. */
export type BatchArrays =
  | {
      readonly kind: "dct";
      readonly y: Float32Array;
      readonly cb: Float32Array;
      readonly cr: Float32Array;
      readonly labels: Int32Array;
    }
  | { readonly kind: "rgb"; readonly rgb: Float32Array; readonly labels: Int32Array };

/** Tensor libraries take 64-byte aligned memory as it is and copy everything else. */
const alignment = 64;
const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;

/** float32 values per sample and plane: y, cb, cr or rgb. */
function planeSizes({ kind, size }: ViewOptions): number[] {
  return kind === "dct" ? [size * size, (size * size) / 4, (size * size) / 4] : [size * size * 3];
}

/** Bytes of the shared buffer that holds a batch. */
export function slotBytes(view: ViewOptions, batchSize: number): number {
  const planes = planeSizes(view).reduce((sum, values) => sum + aligned(values * batchSize * 4), 0);
  return planes + aligned(batchSize * 4);
}

/** The first `samples` samples of every plane of a slot. */
export function slotArrays(
  slot: SharedArrayBuffer,
  view: ViewOptions,
  batchSize: number,
  samples: number,
): BatchArrays {
  let offset = 0;
  const take = (values: number) => {
    const plane = new Float32Array(slot, offset, values * samples);
    offset += aligned(values * batchSize * 4);
    return plane;
  };
  const [first, cb, cr] = planeSizes(view).map(take) as [Float32Array, Float32Array, Float32Array];
  const labels = new Int32Array(slot, offset, samples);
  return view.kind === "dct" ? { kind: "dct", y: first, cb, cr, labels } : { kind: "rgb", rgb: first, labels };
}

/** The part of one sample in a plane of `samples` samples. */
export function sampleOf(plane: Float32Array, samples: number, index: number): Float32Array {
  const size = plane.length / samples;
  return plane.subarray(index * size, (index + 1) * size);
}
