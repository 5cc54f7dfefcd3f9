// Whole objects, written and read in one call.
import { at, writableAt } from "./at.js";
import type { CreateOptions, ObjectInfo } from "./object-store.js";
import { writeWhole } from "./write-whole.js";

/** Writes a whole object atomically. */
export async function putObject(
  url: string,
  content: Uint8Array | string,
  options: CreateOptions = {},
): Promise<ObjectInfo> {
  return writeWhole(await writableAt(url).create(options), content);
}

/** A whole object; undefined when there is none. Meant for what is read whole anyway, not for shards. */
export async function readObject(url: string): Promise<Uint8Array | undefined> {
  const object = at(url);
  const info = await object.stat();
  return info && object.read({ start: 0, end: info.byteLength });
}

/** Reads an object as text; undefined when there is none. */
export async function readText(url: string): Promise<string | undefined> {
  const bytes = await readObject(url);
  return bytes && new TextDecoder().decode(bytes);
}
