// A sample on its way from its source to the decoder.
import type { ErrorCode } from "../../error-codes.js";
import type { IgnoreReason } from "./entry-names.js";
import type { LabelResult, LabelRules } from "./label-rules.js";

/**
 * Where something lies: the entry's name as the source has it, and its byte offset there; a file of a folder has none.
 */
export interface Place {
  readonly entry: string;
  readonly offset: number | undefined;
}

/** Where a file lies in its source, for whoever reads it there again. */
export interface InSource {
  /** Its first byte, in the source or in an object of its own. */
  readonly offset: number;
  /** It is an object of its own, which its path below the source's URL names. */
  readonly isObject: boolean;
}

export interface RawSample extends Place {
  readonly key: string;
  /** The extension with its dot, as in the source. */
  readonly extension: string;
  /** The file's bytes in shared memory: a slab's, or its own. */
  readonly image: Uint8Array;
  readonly label: LabelResult;
  readonly json: string | undefined;
  /** Undefined where it cannot be read again. */
  readonly inSource: InSource | undefined;
  /** Where reading continues when everything before this sample is done: a position for the source's reader. */
  readonly position: number;
}

/** Something a source held that cannot become a sample; reported, never dropped silently. */
export interface SourceProblem extends Place {
  readonly problem: ErrorCode;
  readonly key: string;
  readonly message: string;
  readonly position: number;
  /** The bytes of the image that it was to be. */
  readonly image?: Uint8Array | undefined;
}

/** A file that is passed over by a rule, and counted. */
export interface IgnoredEntry {
  readonly ignored: IgnoreReason;
  readonly position: number;
  /** The bytes of an image that is passed over only now. */
  readonly image?: Uint8Array | undefined;
}

/** Items of one position belong together: reading continues before all of them or after. */
export type SourceItem = RawSample | SourceProblem | IgnoredEntry;

export function isSample(item: SourceItem): item is RawSample {
  return "label" in item;
}

export interface ReadSourceOptions {
  readonly rules: LabelRules;
  readonly maxEntryBytes: number;
  /** Memory for an image's bytes. */
  readonly allocate: (byteLength: number) => Uint8Array;
  /** An item's `position`: it and all after it are read. Default: all. */
  readonly from?: number;
  /** How far into the source reading has come, in bytes of the object. */
  readonly onProgress?: (position: number) => void;
  /** Whether bytes are waited for. */
  readonly onWait?: (waiting: boolean) => void;
  readonly signal?: AbortSignal | undefined;
}
