// The calls of a store for one URL, which is then named once: `at(url).read(range)`.
import type {
  ByteRange,
  CreateOptions,
  ListOptions,
  Lock,
  ObjectInfo,
  ObjectStore,
  ObjectWriter,
  ReadableStore,
  StreamOptions,
} from "./object-store.js";
import { openStore, openWritable } from "./store.js";

/** What can be read at a URL. See ReadableStore for each call. */
class ReadableAt {
  constructor(
    protected readonly store: ReadableStore,
    protected readonly url: string,
  ) {}

  stat(signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.store.stat(this.url, signal);
  }

  read(range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.store.read(this.url, range, target, signal);
  }

  stream(options?: StreamOptions): AsyncIterable<Uint8Array> {
    return this.store.stream(this.url, options);
  }

  list(options?: ListOptions): Promise<ObjectInfo[]> {
    return this.store.list(this.url, options);
  }
}

/** What can be written at a URL. See ObjectStore for each call. */
class WritableAt extends ReadableAt {
  constructor(
    protected override readonly store: ObjectStore,
    url: string,
  ) {
    super(store, url);
  }

  create(options?: CreateOptions): Promise<ObjectWriter> {
    return this.store.create(this.url, options);
  }

  remove(): Promise<void> {
    return this.store.remove(this.url);
  }

  sweep(isName: (name: string) => boolean): Promise<void> {
    return this.store.sweep(this.url, isName);
  }

  lock(signal?: AbortSignal): Promise<Lock | undefined> {
    return this.store.lock(this.url, signal);
  }
}

/** What is at a URL, to be read. UNSUPPORTED_URL. */
export function at(url: string): ReadableAt {
  return new ReadableAt(openStore(url), url);
}

/** What is or will be at a URL, to be written. UNSUPPORTED_URL, OUTPUT_NOT_WRITABLE. */
export function writableAt(url: string): WritableAt {
  return new WritableAt(openWritable(url), url);
}
