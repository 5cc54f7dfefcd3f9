// What passes between a thread that meets an image of another format and the process that decodes it.
import type { WireError } from "../../errors.js";
import type { PlainPixels } from "./colours.js";
import type { ForeignFormat } from "./format.js";
import type { DecodeLimits } from "./limits.js";

export interface ForeignTask {
  /** The whole file. */
  readonly bytes: Uint8Array;
  readonly format: ForeignFormat;
  readonly maxPixels: number;
  /** Turn the image as its orientation asks. */
  readonly upright: boolean;
}

/** What the process is sent. */
export interface LimitedTask {
  readonly task: ForeignTask;
  readonly limits: DecodeLimits;
}

export interface ForeignImage extends PlainPixels {
  /** EXIF's number, 1 to 8, of how the pixels are to be turned yet; 0 where the file has none, or it has been done. */
  readonly orientation: number;
}

/** What the process sends: that it is there, what it made of a file, why it made nothing. `last`: it takes no other. */
export type DecoderMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "image"; readonly image: ForeignImage; readonly last: boolean }
  | { readonly kind: "failure"; readonly error: WireError; readonly last: boolean };
