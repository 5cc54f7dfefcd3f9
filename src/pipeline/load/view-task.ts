// What passes between the loader and its view workers. Shared buffers, so nothing of size is copied.
import type { WireError } from "../../errors.js";
import type { BatchFailure, Codec, MixedPair, ViewForm } from "../../native/index.js";
import type { SourceFiles } from "../../shards/source-files.js";
import type { ViewWork } from "./load-clock.js";
import type { ViewOptions } from "./view.js";

/** A data set as workers know it. */
export interface WorkerSource {
  readonly indexBytes: Uint8Array<SharedArrayBuffer>;
  readonly offsets: Float64Array<SharedArrayBuffer>;
  readonly firstSamples: Float64Array<SharedArrayBuffer>;
  readonly files: SourceFiles | undefined;
  readonly folder: string;
  readonly shards: readonly { readonly name: string }[];
  readonly codec: Codec;
  /** Workers read its shards themselves; otherwise samples come in memory. */
  readonly readsFiles: boolean;
}

/** What every worker of a loader is started with. */
export interface WorkerSettings {
  readonly sources: readonly WorkerSource[];
  readonly view: ViewOptions;
  readonly form: ViewForm;
  readonly seed: number;
  readonly batchSize: number;
  /** Files that each worker may keep open. */
  readonly openFiles: number;
  /** A sample that fails is replaced by a neighbour of its task; otherwise its row is cleared. */
  readonly replace: boolean;
}

/**
 * Samples in memory: which of `buffers` each lies in, and where. They were checked when they were read; `damaged`
 * buffers are to be again.
 */
export interface SamplesInMemory {
  readonly buffers: readonly Uint8Array[];
  readonly codecs: readonly Codec[];
  readonly damaged: readonly boolean[];
  readonly buffer: Uint32Array;
  readonly offset: Uint32Array;
  readonly byteLength: Uint32Array;
  /** Of a file that stayed in its source, the place in it of the first byte that is there. */
  readonly firstByte: Uint32Array;
}

/** A part of a batch: consecutive rows of it. */
export interface ViewTask {
  readonly epoch: number;
  /** The source of every row, the sample's number in it, and the pass. */
  readonly source: Uint16Array;
  readonly sample: Uint32Array;
  readonly pass: Uint16Array;
  readonly memory: SamplesInMemory | undefined;
  readonly slot: SharedArrayBuffer;
  /** Where the task's first sample goes in the slot. */
  readonly firstRow: number;
  /** Two rows of the batch. */
  readonly pairs: readonly MixedPair[];
}

/**
 * Samples that failed, numbered within their task. An error that concerns no sample alone is data too: a thrown one
 * would lose its code.
 */
export type ViewAnswer = (
  | { readonly failures?: readonly BatchFailure[] | undefined }
  | { readonly error: WireError }
) & {
  /** When the thread worked on it; undefined where it did not come to an answer. */
  readonly work?: ViewWork | undefined;
};

/** Samples, side by side, to be brought into their expanded form. */
export interface ExpandTask {
  readonly source: number;
  readonly firstSample: number;
  readonly bytes: Uint8Array;
  readonly lengths: readonly number[];
}

export type ExpandAnswer =
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly lengths: readonly number[] }
  | { readonly error: WireError };
