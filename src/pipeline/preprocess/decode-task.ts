// What passes between the pipeline and its decode workers: plain data, buffers moved instead of copied.
import type { WireError } from "../../errors.js";
import type { Codec, ComponentGeometry } from "../../native/index.js";

export interface DecodeTask {
  /** The files. */
  readonly images: readonly Uint8Array<ArrayBuffer>[];
  readonly codec: Codec;
  readonly maxPixels: number;
}

export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly components: readonly ComponentGeometry[];
  readonly quantTables: Uint16Array;
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly crc32c: number;
  readonly header: Uint8Array<ArrayBuffer>;
  readonly trailer: Uint8Array<ArrayBuffer>;
  readonly raw: Uint8Array<ArrayBuffer> | undefined;
  readonly imageCrc32c: number;
  readonly flags: number;
  readonly warnings: number;
  readonly frequencies: Float64Array;
}

/** One result per image, in the task's order. */
export type DecodeResult = readonly (DecodedImage | { readonly error: WireError })[];
