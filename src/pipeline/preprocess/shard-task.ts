// What passes between the pipeline and the thread that writes shards: the slab with the decoded images, and what
// belongs to each.
import type { WireError } from "../../errors.js";
import type { Codec } from "../../native/index.js";
import type { ClassEntry, Failure, Sidecar, SidecarBody } from "../../shards/manifest.js";
import type { StorageCounters } from "../../storage/counters.js";
import type { StorageActivity } from "../../storage/remote/activity.js";
import type { StorageOptions } from "../../storage/store.js";
import type { Work } from "../stage-clock.js";
import type { IgnoreReason } from "./entry-names.js";
import type { InSource } from "./sample.js";

/**
 * One item of a source, decided: an image to store, a failure to note, or a file that is only counted. `position` is
 * where it begins in its source.
 */
export type Outcome = { readonly position: number; readonly imageBytes: number } & (
  | {
      /** Its index in the slab. */
      readonly index: number;
      readonly key: string;
      readonly extension: string;
      readonly json: string | undefined;
      readonly entry: ClassEntry;
      /** Where its file can be read again. */
      readonly inSource: InSource | undefined;
    }
  | { readonly failure: Failure }
  | { readonly ignored: IgnoreReason }
);

/** A group of a source's items, in order. */
export interface DecidedGroup {
  readonly outcomes: readonly Outcome[];
  readonly slab: SharedArrayBuffer;
  readonly overflow: (ArrayBuffer | undefined)[];
}

export interface ShardSettings {
  readonly folder: string;
  readonly codec: Codec;
  readonly maxShardBytes: number;
  /** How the thread reaches the folder. */
  readonly storage: StorageOptions;
}

/** What is sent to the thread, which handles requests in order. */
export type ShardRequest =
  | { readonly kind: "begin"; readonly source: number; readonly done: readonly Sidecar[] }
  | { readonly kind: "append"; readonly group: DecidedGroup }
  | { readonly kind: "end" }
  | { readonly kind: "abort" }
  /** The last: ends the thread's connections. */
  | { readonly kind: "close" };

export interface NumberedRequest {
  readonly id: number;
  readonly request: ShardRequest;
}

/** What the thread did for a request, and what its stores did so far. */
export interface ShardWork extends Work {
  /** Busy time since the answer before, without what was waited for. */
  readonly busyMs: number;
  readonly activity: StorageActivity;
}

/**
 * What the thread sends, one answer for every request; "end" is answered with the source's sidecars when they are on
 * disk, maybe after later requests, "close" with what the thread's stores did.
 */
export type ShardAnswer = { readonly id: number; readonly done?: ShardWork } & (
  | { readonly error: WireError }
  | { readonly sidecars?: readonly SidecarBody[]; readonly counters?: StorageCounters }
);
