// Whole objects, written and read in one call.
import type { CreateOptions, ObjectInfo } from "./object-store.js";
import { openStore, openWritable } from "./store.js";

/** Writes a whole object atomically. */
export async function putObject(
  url: string,
  content: Uint8Array | string,
  options: CreateOptions = {},
): Promise<ObjectInfo> {
  const writer = await openWritable(url).create(url, options);
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

/** Reads an object as text; undefined when there is none. */
export async function readText(url: string): Promise<string | undefined> {
  const bytes = await readObject(url);
  return bytes && new TextDecoder().decode(bytes);
}
