// The one interface over places that hold objects, and the choice of a store by URL. Transports live in files of their own.
import { ToolkitError } from "../errors.js";
import { FileStore } from "./file.js";
import { type HttpOptions, HttpStore } from "./http.js";
import { S3Store } from "./s3.js";
import type { S3Options } from "./s3-client.js";

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
  /** Only names that begin so. */
  readonly namePrefix?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamOptions {
  readonly start?: number;
  /** Only the beginning is wanted: nothing is read ahead. Default false. */
  readonly peek?: boolean;
  /** Chunks may be overwritten as soon as the next one is asked for: saves allocating each. Default false. */
  readonly reuseChunks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateOptions {
  /** Fail with OBJECT_EXISTS at the commit when there is such an object already; where the store can tell. */
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An object in the making: invisible under its name until `commit`, gone after `abort`. Both may be called once. */
export interface ObjectWriter {
  write(chunk: Uint8Array): Promise<void>;
  commit(): Promise<ObjectInfo>;
  abort(): Promise<void>;
}

/** Held until `release`. `lost`, where a lock can be lost, aborts with the reason when somebody else has taken it over. */
export interface Lock {
  readonly lost: AbortSignal | undefined;
  release(): Promise<void>;
}

/**
 * A place that holds objects. Beside the codes named below every call may throw ACCESS_DENIED, NO_CREDENTIALS, NO_SUCH_BUCKET, WRONG_REGION,
 * ENDPOINT_UNREACHABLE and IO_ERROR, after the retries that the store's policy allows.
 */
export interface ObjectStore {
  /** Undefined when there is no such object. */
  stat(url: string, signal?: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Exactly the bytes of the range, into `target` where one is given. IO_ERROR when the object is shorter, NOT_FOUND, OBJECT_CHANGED. */
  read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /** The bytes from `start` (default 0) to the end, all of one version. NOT_FOUND, OBJECT_CHANGED. */
  stream(url: string, options?: StreamOptions): AsyncIterable<Uint8Array>;
  /** Everything directly below a folder, in name order. */
  list(url: string, options?: ListOptions): Promise<ObjectInfo[]>;
  /** OUTPUT_NOT_WRITABLE. */
  create(url: string, options?: CreateOptions): Promise<ObjectWriter>;
  /** An object, or a folder with nothing in it. No error when there is nothing to remove. */
  remove(url: string): Promise<void>;
  /** Removes what writers of objects so named left half-written in `folder` when they died. Only for who knows that none is at work. */
  sweep(folder: string, isName: (name: string) => boolean): Promise<void>;
  /** Makes `folder` and claims it; undefined when another process has. A lock ends with its process, at once or after a while. OUTPUT_NOT_WRITABLE. */
  lock(folder: string, signal?: AbortSignal): Promise<Lock | undefined>;
  /** Ends all connections. The store opens new ones when it is used again. */
  close(): Promise<void>;
}

export interface StorageOptions {
  readonly s3?: S3Options;
  readonly http?: HttpOptions;
  /** A manifest may name files outside its folder: by absolute paths, URLs, or a way up. Only for manifests of one's own. Default false. */
  readonly allowOutside?: boolean;
}

/** By scheme. */
function makeStores({ s3, http }: StorageOptions): ReadonlyMap<string, ObjectStore> {
  const web = new HttpStore(http);
  return new Map<string, ObjectStore>([
    ["file", new FileStore()],
    ["s3", new S3Store(s3)],
    ["http", web],
    ["https", web],
  ]);
}

// One set per thread: connections, credentials and what is known of a service's load are shared by all who use it.
let options: StorageOptions = {};
let stores = makeStores(options);

/** How the stores of this thread reach their services, from now on. Objects being read or written keep what they began with. */
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
  await Promise.all([...stores.values()].map((store) => store.close()));
}

/** The store a URL belongs to: plain paths, file://, s3://, http:// and https://. UNSUPPORTED_URL otherwise. */
export function openStore(url: string): ObjectStore {
  const scheme = schemeOf(url) ?? "file";
  const store = stores.get(scheme);
  if (store !== undefined) return store;
  throw new ToolkitError("UNSUPPORTED_URL", `expected a path or a file://, s3:// or https:// URL, found ${scheme}://`);
}

function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
}

/** Whether opening it takes a request to a service. */
export function isRemote(url: string): boolean {
  return (schemeOf(url) ?? "file") !== "file";
}

/** `name` inside the folder `base`; an absolute name stands for itself. */
export function joinUrl(base: string, name: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name) || name.startsWith("/")) return name;
  return `${base.replace(/\/+$/, "") || "/"}/${name}`.replace(/^\/\/(?=[^/])/, "/");
}

export function parentUrl(url: string): string {
  const cut = url.replace(/\/+$/, "").lastIndexOf("/");
  return cut < 0 ? "." : cut === 0 ? "/" : url.slice(0, cut);
}

/** The last part of the path; an http URL's query is none of it. */
export function baseName(url: string): string {
  const path = /^https?:/i.test(url) ? url.replace(/[?#].*$/, "") : url;
  return path.replace(/\/+$/, "").split("/").at(-1) ?? url;
}

/** Writes a whole object atomically. */
export async function putObject(
  url: string,
  content: Uint8Array | string,
  options: CreateOptions = {},
): Promise<ObjectInfo> {
  const writer = await openStore(url).create(url, options);
  try {
    await writer.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** A whole object; undefined when there is none. Meant for what is read whole anyway, not for shards. */
export async function readObject(url: string): Promise<Uint8Array | undefined> {
  const store = openStore(url);
  const info = await store.stat(url);
  return info && store.read(url, { start: 0, end: info.byteLength });
}

/** The same as text. */
export async function readText(url: string): Promise<string | undefined> {
  const bytes = await readObject(url);
  return bytes && new TextDecoder().decode(bytes);
}
