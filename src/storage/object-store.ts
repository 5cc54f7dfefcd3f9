// What a store of objects can do. Transports live in rooms of their own; `store.ts` chooses one by URL.

export interface ObjectInfo {
  readonly url: string;
  readonly byteLength: number;
  /** What changes when the object's bytes do: an ETag, or size and modification time for files. */
  readonly version: string;
  /** "other", in lists only: what is there, but cannot be read. */
  readonly kind: "object" | "folder" | "other";
  /** Why what is listed cannot be read; of a folder, why nobody can look into it. */
  readonly problem?: string;
  /** True when it was reached by a link; of local files in lists only. */
  readonly isLink?: boolean;
  /** True when the server sends it in one piece only: reading a part of it costs everything before. */
  readonly sequential?: boolean;
}

/** Bytes `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface ListOptions {
  /** Lists only names that begin so. */
  readonly namePrefix?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamOptions {
  readonly start?: number;
  /** Whether only the beginning is wanted: nothing is read ahead. Default false. */
  readonly peek?: boolean;
  /** Chunks may be overwritten as soon as the next one is asked for: saves allocating each. Default false. */
  readonly reuseChunks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateOptions {
  /** Fail with OBJECT_EXISTS at the commit when there is such an object already; where the store supports that. */
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An object in the making: invisible under its name until `commit`, gone after `abort`. Both may be called once. */
export interface ObjectWriter {
  write(chunk: Uint8Array): Promise<void>;
  commit(): Promise<ObjectInfo>;
  abort(): Promise<void>;
}

/**
 * Held until `release`. `lost`, where a lock can be lost, aborts with the reason when somebody else has taken it over.
 */
export interface Lock {
  readonly lost: AbortSignal | undefined;
  release(): Promise<void>;
}

/**
 * A store whose objects can be read. Beside the codes named below every call may throw ACCESS_DENIED, NO_CREDENTIALS,
 * NO_SUCH_BUCKET, WRONG_REGION, ENDPOINT_UNREACHABLE and IO_ERROR, after the retries that the store's policy allows.
 */
export interface ReadableStore {
  /** Undefined when there is no such object. */
  stat(url: string, signal?: AbortSignal): Promise<ObjectInfo | undefined>;
  /**
   * Exactly the bytes of the range, into `target` where one is given. IO_ERROR when the object is shorter, NOT_FOUND,
   * OBJECT_CHANGED.
   */
  read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /** The bytes from `start` (default 0) to the end, all of one version. NOT_FOUND, OBJECT_CHANGED. */
  stream(url: string, options?: StreamOptions): AsyncIterable<Uint8Array>;
  /** Everything directly below a folder, in name order. */
  list(url: string, options?: ListOptions): Promise<ObjectInfo[]>;
  /** Ends all connections. The store opens new ones when it is used again. */
  close(): Promise<void>;
}

/** A store whose objects can be written, too. */
export interface ObjectStore extends ReadableStore {
  /** Begins an object. Throws OUTPUT_NOT_WRITABLE. */
  create(url: string, options?: CreateOptions): Promise<ObjectWriter>;
  /** An object, or a folder with nothing in it. No error when there is nothing to remove. */
  remove(url: string): Promise<void>;
  /**
   * Removes what writers of objects so named left half-written in `folder` when they died. Only for who knows that none
   * is at work.
   */
  sweep(folder: string, isName: (name: string) => boolean): Promise<void>;
  /**
   * Makes `folder` and claims it; undefined when another process has. A lock ends with its process, at once or after a
   * while. OUTPUT_NOT_WRITABLE.
   */
  lock(folder: string, signal?: AbortSignal): Promise<Lock | undefined>;
}
