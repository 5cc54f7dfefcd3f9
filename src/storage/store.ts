// The one interface over places that hold objects, and the choice of a store by URL. Transports live in files of their own.
import { ToolkitError } from "../errors.js";
import { FileStore } from "./file.js";

export interface ObjectInfo {
  readonly url: string;
  readonly byteLength: number;
  /** What changes when the object's bytes do: an ETag, or size and modification time for files. */
  readonly version: string;
  readonly kind: "object" | "folder";
}

/** Bytes `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface StreamOptions {
  readonly start?: number;
  /** Chunks may be overwritten as soon as the next one is asked for: saves allocating each. Default false. */
  readonly reuseChunks?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An object in the making: invisible under its name until `commit`, gone after `abort`. Both may be called once. */
export interface ObjectWriter {
  write(chunk: Uint8Array): Promise<void>;
  commit(): Promise<ObjectInfo>;
  abort(): Promise<void>;
}

export interface ObjectStore {
  /** Undefined when there is no such object. */
  stat(url: string, signal?: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Exactly the bytes of the range, into `target` where one is given. IO_ERROR when the object is shorter. */
  read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /** The bytes from `start` (default 0) to the end. */
  stream(url: string, options?: StreamOptions): AsyncIterable<Uint8Array>;
  /** Everything directly below a folder, in name order. */
  list(url: string, signal?: AbortSignal): Promise<ObjectInfo[]>;
  create(url: string, signal?: AbortSignal): Promise<ObjectWriter>;
  /** No error when there is nothing to remove. */
  remove(url: string): Promise<void>;
  /** Removes what writers of objects so named left half-written in `folder` when they died. Only for who knows that none is at work. */
  sweep(folder: string, isName: (name: string) => boolean): Promise<void>;
}

const fileStore = new FileStore();

/** The store a URL belongs to: plain paths and file:// for now. UNSUPPORTED_URL otherwise. */
export function openStore(url: string): ObjectStore {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "file") return fileStore;
  throw new ToolkitError(
    "UNSUPPORTED_URL",
    `expected a path or a file:// URL, found ${scheme}://; this version reads and writes local files only`,
  );
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

export function baseName(url: string): string {
  return url.replace(/\/+$/, "").split("/").at(-1) ?? url;
}

/** Writes a whole object atomically. */
export async function putObject(url: string, content: Uint8Array | string): Promise<ObjectInfo> {
  const writer = await openStore(url).create(url);
  try {
    await writer.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** A whole object as text; undefined when there is none. Meant for manifests and sidecars, not for shards. */
export async function readText(url: string): Promise<string | undefined> {
  const store = openStore(url);
  const info = await store.stat(url);
  if (info === undefined) return undefined;
  return new TextDecoder().decode(await store.read(url, { start: 0, end: info.byteLength }));
}
