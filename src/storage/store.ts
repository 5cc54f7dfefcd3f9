// The choice of a store by URL.
import { ToolkitError } from "../errors.js";
import { FileStore } from "./disk/store.js";
import { type HttpOptions, HttpStore } from "./http/store.js";
import type { ObjectStore, ReadableStore } from "./object-store.js";
import type { S3Options } from "./s3/client.js";
import { S3Store } from "./s3/store.js";
import { type Scheme, schemeOf, schemes } from "./url.js";

export interface StorageOptions {
  readonly s3?: S3Options;
  readonly http?: HttpOptions;
  /**
   * A manifest may name files outside its folder: by absolute paths, URLs, or a way up. Only for manifests of one's
   * own. Default false.
   */
  readonly allowOutside?: boolean;
}

type Stores = Readonly<Record<Scheme, ReadableStore | ObjectStore>>;

function makeStores({ s3, http }: StorageOptions): Stores {
  const web = new HttpStore(http);
  return { file: new FileStore(), s3: new S3Store(s3), http: web, https: web };
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
  await Promise.all(Object.values(stores).map((store) => store.close()));
}

const isWritable = (store: ReadableStore): store is ObjectStore => "create" in store;

/** The store that a URL belongs to: plain paths, file://, s3://, http:// and https://. UNSUPPORTED_URL otherwise. */
export function openStore(url: string): ReadableStore {
  const given = schemeOf(url) ?? "file";
  const scheme = schemes.find((known) => known === given);
  if (scheme !== undefined) return stores[scheme];
  const known = schemes.map((name) => `${name}://`).join(", ");
  throw new ToolkitError("UNSUPPORTED_URL", `expected a path or a URL of ${known}, found ${given}://`);
}

/** The store for a URL that is written to. Throws OUTPUT_NOT_WRITABLE for http:// and https://. */
export function openWritable(url: string): ObjectStore {
  const store = openStore(url);
  if (isWritable(store)) return store;
  throw new ToolkitError("OUTPUT_NOT_WRITABLE", `${schemeOf(url)}:// can be read only`, { source: url });
}
