// What passes between the loader and its view workers. Shared buffers, so nothing of size is copied.
import type { WireError } from "../../errors.js";
import type { Codec } from "../../native/index.js";
import type { ViewOptions } from "./view.js";

/** A record batch in shared memory; workers keep it parsed while its group is in use. */
export interface SharedBatch {
  /** Number of its group, rising over all epochs of a loader; older groups' batches are dropped by the workers. */
  readonly group: number;
  readonly url: string;
  readonly shard: number;
  readonly batch: number;
  readonly codec: Codec;
  /** Over shared memory. */
  readonly bytes: Uint8Array;
}

export interface ViewTask {
  readonly batches: readonly SharedBatch[];
  /** Per sample: index into `batches`, and the row in it. */
  readonly samples: Int32Array;
  readonly view: ViewOptions;
  readonly seed: number;
  readonly epoch: number;
  readonly slot: SharedArrayBuffer;
  readonly batchSize: number;
  /** Where the task's first sample goes in the slot. */
  readonly firstIndex: number;
}

/** A batch to turn into its expanded form. */
export interface ExpandTask {
  readonly expand: Pick<SharedBatch, "url" | "codec" | "bytes">;
}

/** Errors are data, because a thrown one would lose its code between threads. */
export type ExpandAnswer = { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly error: WireError };
