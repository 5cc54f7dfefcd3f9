// What a user names to be looked at -> the image files in it, one after the other: files, folders, tars, and lists of
// those.
import { asToolkitError, ToolkitError, toWire, type WireError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { publicUrl } from "../../public-url.js";
import { at } from "../../storage/at.js";
import { LinkedFolders } from "../../storage/disk/local-folder.js";
import { expandPatterns } from "../../storage/expand.js";
import type { ObjectInfo } from "../../storage/object-store.js";
import { readObject } from "../../storage/objects.js";
import { isImageName } from "../preprocess/entry-names.js";
import { openSourceBytes } from "../preprocess/source-bytes.js";
import { isTarUrl } from "../preprocess/sources.js";
import { readTar } from "../preprocess/tar.js";

/** A file's bytes, or why there are none. */
export interface ImageFile {
  /** The file's URL; of a tar's entry the tar's, "#", and the entry's name. */
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
  readonly error: WireError | undefined;
}

export interface ImageFilesOptions {
  /** Larger files are failures. */
  readonly maxImageBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Files read at the same time. */
const readsInFlight = 16;

/** Larger files are read one at a time, when it is their turn: sixteen of them would be a gigabyte. */
const maxBytesAhead = 4 << 20;

/** A location to read from: a single file, or a tar; or one that was named and cannot be looked at. */
export type ImageLocation =
  | { readonly url: string; readonly kind: "file" | "tar" }
  | { readonly url: string; readonly kind: "none"; readonly error: WireError };

/**
 * The files and tars that a name stands for, in order; a folder for the images in it and below it. Braces and globs in
 * it expand; `literal`: they do not. A name that stands for nothing is a location too, with the reason.
 */
export async function* findImages(name: string, literal: boolean, signal?: AbortSignal): AsyncGenerator<ImageLocation> {
  try {
    yield* findLocations(name, literal || !isPattern(name), signal);
  } catch (error) {
    signal?.throwIfAborted();
    yield noLocation(name, error);
  }
}

/** Whether a name may stand for several files. */
export const isPattern = (name: string) => /[*?{[]/.test(name);

export function noLocation(url: string, error: unknown): ImageLocation {
  return { url, kind: "none", error: toWire(endsAll(error), { source: url }) };
}

async function* findLocations(name: string, literal: boolean, signal?: AbortSignal): AsyncGenerator<ImageLocation> {
  if (literal && isImageName(name)) {
    yield { url: name, kind: "file" }; // without a look: there may be millions, on a service
    return;
  }
  for (const url of literal ? [name] : await expandPatterns([name], signal)) {
    const info = await at(url).stat(signal);
    if (info?.kind === "folder") yield* below(info, { above: [], linked: new LinkedFolders(), signal });
    else yield { url, kind: isTarUrl(url) ? "tar" : "file" };
  }
}

interface Walk {
  /** The folders that this one lies in. */
  readonly above: readonly string[];
  readonly linked: LinkedFolders;
  readonly signal: AbortSignal | undefined;
}

/** A folder that was read already is left out, one that cannot be is a location with the reason. */
async function* below(folder: ObjectInfo, { above, linked, signal }: Walk): AsyncGenerator<ImageLocation> {
  const walk = { above: [...above, folder.url], linked, signal };
  let listed: readonly ObjectInfo[];
  try {
    if (folder.isLink && (await linked.wereEntered(folder.url, above))) return;
    listed = await at(folder.url).list({ signal });
  } catch (error) {
    signal?.throwIfAborted();
    yield noLocation(folder.url, error);
    return;
  }
  for (const info of listed) {
    const { url, kind, problem, isLink } = info;
    const isTar = isTarUrl(url);
    if (problem !== undefined && (kind === "folder" || isTar || isImageName(url)))
      yield noLocation(url, new ToolkitError(isLink ? "NOT_FOUND" : "UNSUPPORTED_ENTRY", problem));
    else if (kind === "folder") yield* below(info, walk);
    else if (isTar) yield { url, kind: "tar" };
    else if (isImageName(url)) yield { url, kind: "file" };
  }
}

/**
 * The images at these locations, in order, several being read at a time. What cannot be read is a value; a damaged tar
 * ends with one.
 */
export async function* readImages(
  locations: AsyncIterable<ImageLocation>,
  options: ImageFilesOptions,
): AsyncGenerator<ImageFile> {
  const open = async (location: ImageLocation) => {
    if (location.kind === "none") return { name: publicUrl(location.url), bytes: undefined, error: location.error };
    return location.kind === "tar" ? location : readFile(location, options, maxBytesAhead);
  };
  for await (const found of mapOrdered(locations, open, { limit: readsInFlight, signal: options.signal })) {
    if (!("kind" in found)) yield found;
    else if (found.kind === "tar") yield* tarEntries(found.url, options);
    else yield (await readFile(found, options, options.maxImageBytes)) as ImageFile; // of any size that is allowed
  }
}

/** Throws what is wrong with the machine and not with a file: the next file would fare no better. */
function endsAll(error: unknown): unknown {
  const { code } = asToolkitError(error);
  if (code === "TOO_MANY_OPEN_FILES" || code === "OUT_OF_MEMORY") throw error;
  return error;
}

/** The location itself for a file of more than `most` bytes that may be read all the same. */
async function readFile(
  location: ImageLocation,
  { maxImageBytes, signal }: ImageFilesOptions,
  most: number,
): Promise<ImageFile | ImageLocation> {
  const { url } = location;
  const name = publicUrl(url);
  try {
    const info = await at(url).stat(signal);
    if (info !== undefined && info.byteLength > maxImageBytes) throw tooLarge(info.byteLength, maxImageBytes);
    if (info !== undefined && info.byteLength > most) return location;
    const bytes = info && (await readObject(url));
    if (bytes === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: url });
    return { name, bytes, error: undefined };
  } catch (error) {
    signal?.throwIfAborted();
    return { name, bytes: undefined, error: toWire(endsAll(error), { source: url }) };
  }
}

function tooLarge(byteLength: number, most: number): ToolkitError {
  return new ToolkitError("ENTRY_TOO_LARGE", `${byteLength} bytes, at most ${most} are read`);
}

async function* tarEntries(url: string, options: ImageFilesOptions): AsyncGenerator<ImageFile> {
  const name = publicUrl(url);
  try {
    yield* readEntries(url, name, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    yield { name, bytes: undefined, error: toWire(endsAll(error), { source: name }) };
  }
}

async function* readEntries(
  url: string,
  name: string,
  { maxImageBytes, signal }: ImageFilesOptions,
): AsyncGenerator<ImageFile> {
  const info = await at(url).stat(signal);
  if (info === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: url });
  const reader = openSourceBytes({ url, byteLength: info.byteLength, signal });
  try {
    for await (const group of readTar(reader, name, { maxEntryBytes: maxImageBytes, wants: isImageName }))
      for (const entry of group) {
        const error = entry.problem && { ...entry.problem, source: name, key: entry.name };
        yield { name: `${name}#${entry.name}`, bytes: entry.bytes, error };
      }
  } finally {
    await reader.close();
  }
}
