// What passes between the pipeline and its decode workers: images in one slab, results in another.
import type { WireError } from "../../errors.js";
import type { Codec, DecoderChoice, ResizeOptions } from "../../native/index.js";
import type { Work } from "../stage-clock.js";

/** Whether a data set holds coefficients, or says how to decode the files where they are. */
export type DatasetForm = "coefficients" | "index";

/** What is made of every image. */
export interface DecodeSettings {
  readonly codec: Codec;
  readonly maxPixels: number;
  readonly decoder: DecoderChoice;
  /** Whether images are turned upright by their EXIF orientation. */
  readonly orient: "ignore" | "apply";
  readonly resize: ResizeOptions | undefined;
  /** What is kept of a file: its coefficients, or, where it can be entered, how to decode it where it is. */
  readonly form: DatasetForm;
}

export interface DecodeTask {
  /** The files, in shared memory. */
  readonly images: readonly Uint8Array[];
  /** Which of them can be read again in their source. */
  readonly inSource: readonly boolean[];
  /** Where the results go: a ResultSlab. */
  readonly results: SharedArrayBuffer;
  readonly settings: DecodeSettings;
}

export interface DecodeAnswer {
  /** The reason why an image could not be decoded, per image. */
  readonly errors: readonly (WireError | undefined)[];
  /** The bytes that the slab had no room for, per image. */
  readonly overflow: (ArrayBuffer | undefined)[];
  /** When the thread worked on it; undefined where there was nothing to do. */
  readonly work: Work | undefined;
}
