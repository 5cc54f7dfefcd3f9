// What passes between a thread that has image files and the workers that make views of them.
import type { WireError } from "../../errors.js";
import type { ViewForm } from "../../native/index.js";
import type { ViewOptions } from "../load/view.js";

export interface DirectTask {
  /** Whole files. */
  readonly images: readonly Uint8Array[];
  /** Where the views go, from which row on, and of how many. */
  readonly slot: SharedArrayBuffer;
  readonly firstRow: number;
  readonly rows: number;
  readonly view: ViewOptions;
  readonly form: ViewForm;
  readonly maxPixels: number;
}

/** The reason why there is no view, per image; undefined where there is one. */
export type DirectAnswer = readonly (WireError | undefined)[];
