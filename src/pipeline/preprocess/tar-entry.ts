// What reading a tar gives, and what it is asked for.

/** What a source holds at one location; `name` and `offset` are where. */
export interface TarEntry {
  /** Inside a tar in the tar: the inner tar's name, a slash, the entry's name. */
  readonly name: string;
  /** The name as file systems read it, below the names of the inner tars without their .tar: what keys are made of. */
  readonly path: string;
  /** The name of the tar in the tar that it is in. */
  readonly archive: string | undefined;
  /**
   * Where its first header begins, in bytes of the (decompressed) source; of a damaged tar in the tar where the damage
   * is.
   */
  readonly offset: number;
  readonly dataOffset: number;
  readonly byteLength: number;
  readonly kind: "file" | "link" | "special";
  /** Undefined when it was passed over, or has none: see `problem`. */
  readonly bytes: Uint8Array | undefined;
  readonly problem?: {
    readonly code: "ENTRY_TOO_LARGE" | "UNSUPPORTED_ENTRY" | TarDamage;
    readonly message: string;
  };
}

export type TarDamage = "BAD_TAR" | "TRUNCATED_TAR";

export interface TarOptions {
  /** Larger entries are skipped and reported. */
  readonly maxEntryBytes: number;
  /** Whether an entry of that name is wanted; others are passed over. */
  readonly wants: (name: string) => boolean;
  /**
   * Whether an entry whose name is not wanted is so for its first bytes, `headBytes` of them at most. Default: none is.
   */
  readonly wantsHead?: (name: string, head: Uint8Array) => boolean;
  /** Whether entries that are passed over are reported, without bytes. Default false. */
  readonly tellsPassed?: boolean;
  /** Memory for an entry's bytes. Default: a buffer of its own. */
  readonly allocate?: (byteLength: number, name: string) => Uint8Array;
  /** Entries that begin before this offset are passed over, not reported. Default 0. */
  readonly from?: number;
  /** Receives the path of each file before `from`; not of those in tars that end before it. */
  readonly onSkipped?: (path: string) => void;
}
