// The choice of a store by URL.
import { ToolkitError } from "../errors.js";
import { FileStore } from "./disk/store.js";
import { type HttpOptions, HttpStore } from "./http/store.js";
import type { ObjectStore, ReadableStore } from "./object-store.js";
import type { S3Options } from "./s3/client.js";
import { S3Store } from "./s3/store.js";
import { schemeOf } from "./url.js";

export interface StorageOptions {
  readonly s3?: S3Options;
  readonly http?: HttpOptions;
  /**
   * A manifest may name files outside its folder: by absolute paths, URLs, or a way up. Only for manifests of one's
   * own. Default false.
   */
  readonly allowOutside?: boolean;
}

interface Stores {
  /** All stores by scheme, and those of them that can be written. */
  readonly readable: ReadonlyMap<string, ReadableStore>;
  readonly writable: ReadonlyMap<string, ObjectStore>;
}

function makeStores({ s3, http }: StorageOptions): Stores {
  const writable = new Map<string, ObjectStore>([
    ["file", new FileStore()],
    ["s3", new S3Store(s3)],
  ]);
  const web = new HttpStore(http);
  return { writable, readable: new Map<string, ReadableStore>([...writable, ["http", web], ["https", web]]) };
}

// One set per thread: connections, credentials and what is known of a service's load are shared by all who use it.
let options: StorageOptions = {};
let stores = makeStores(options);

/**
 * How the stores of this thread reach their services, from now on. Objects being read or written keep what they began
 * with.
 */
export function configureStorage(wanted: StorageOptions): void {
  options = wanted;
  stores = makeStores(wanted);
}

/** What configureStorage was given last: for handing on to threads. */
export function storageOptions(): StorageOptions {
  return options;
}

/** Ends this thread's connections to all services. */
export async function closeStorage(): Promise<void> {
  await Promise.all([...stores.readable.values()].map((store) => store.close()));
}

const schemeIn = (url: string) => schemeOf(url) ?? "file";

/** The store that a URL belongs to: plain paths, file://, s3://, http:// and https://. UNSUPPORTED_URL otherwise. */
export function openStore(url: string): ReadableStore {
  const store = stores.readable.get(schemeIn(url));
  if (store !== undefined) return store;
  const message = `expected a path or a file://, s3:// or https:// URL, found ${schemeIn(url)}://`;
  throw new ToolkitError("UNSUPPORTED_URL", message);
}

/** The store for a URL that is written to. Throws OUTPUT_NOT_WRITABLE for http:// and https://. */
export function openWritable(url: string): ObjectStore {
  const store = stores.writable.get(schemeIn(url));
  if (store !== undefined) return store;
  openStore(url); // what no store knows is another error
  throw new ToolkitError("OUTPUT_NOT_WRITABLE", "http:// and https:// can be read only", { source: url });
}
