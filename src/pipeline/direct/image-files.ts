// What a user names to be looked at -> the image files in it, one after the other: files, folders, tars, and lists of those.
import { ToolkitError, toWire, type WireError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { publicUrls } from "../../public-url.js";
import { expandPatterns } from "../../storage/expand.js";
import { openStore, readObject } from "../../storage/store.js";
import { isImageName } from "../preprocess/group.js";
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

/** A place to read from: a single file, or a tar. */
export interface ImagePlace {
  readonly url: string;
  readonly kind: "file" | "tar";
}

/**
 * The files and tars that a name stands for, in order; a folder for the images in it and below it. Braces and globs in it expand; `literal`:
 * they do not, and what does not exist is found out when it is read. NO_SOURCES when there is nothing.
 */
export async function* findImages(name: string, literal: boolean, signal?: AbortSignal): AsyncGenerator<ImagePlace> {
  if (literal && isImageName(name)) {
    yield { url: name, kind: "file" }; // without a look: there may be millions, on a service
    return;
  }
  for (const url of literal ? [name] : await expandPatterns([name], signal)) {
    const info = await openStore(url).stat(url, signal);
    if (info?.kind === "folder") yield* below(url, signal);
    else yield { url, kind: isTarUrl(url) ? "tar" : "file" };
  }
}

async function* below(folder: string, signal: AbortSignal | undefined): AsyncGenerator<ImagePlace> {
  for (const { url, kind } of await openStore(folder).list(folder, { signal })) {
    if (kind === "folder") yield* below(url, signal);
    else if (isTarUrl(url)) yield { url, kind: "tar" };
    else if (isImageName(url)) yield { url, kind: "file" };
  }
}

/** The images at these places, in order, several being read at a time. What cannot be read is a value; a damaged tar ends with one. */
export async function* readImages(
  places: AsyncIterable<ImagePlace>,
  options: ImageFilesOptions,
): AsyncGenerator<ImageFile> {
  const open = async (place: ImagePlace) => (place.kind === "tar" ? place : readFile(place.url, options));
  for await (const found of mapOrdered(places, open, { limit: readsInFlight, signal: options.signal })) {
    if ("kind" in found) yield* tarEntries(found.url, options);
    else yield found;
  }
}

async function readFile(url: string, { maxImageBytes, signal }: ImageFilesOptions): Promise<ImageFile> {
  const name = publicUrls(url);
  try {
    const info = await openStore(url).stat(url, signal);
    if (info !== undefined && info.byteLength > maxImageBytes) throw tooLarge(info.byteLength, maxImageBytes);
    const bytes = info && (await readObject(url));
    if (bytes === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: url });
    return { name, bytes, error: undefined };
  } catch (error) {
    signal?.throwIfAborted();
    return { name, bytes: undefined, error: toWire(error, { source: url }) };
  }
}

function tooLarge(byteLength: number, most: number): ToolkitError {
  return new ToolkitError("ENTRY_TOO_LARGE", `${byteLength} bytes, at most ${most} are read`);
}

async function* tarEntries(url: string, { maxImageBytes, signal }: ImageFilesOptions): AsyncGenerator<ImageFile> {
  const name = publicUrls(url);
  const info = await openStore(url).stat(url, signal);
  if (info === undefined) {
    const error = toWire(new ToolkitError("NOT_FOUND", "no such file", { source: url }));
    yield { name, bytes: undefined, error };
    return;
  }
  const reader = openSourceBytes({ url, byteLength: info.byteLength, signal });
  try {
    for await (const group of readTar(reader, name, { maxEntryBytes: maxImageBytes, wants: isImageName }))
      for (const entry of group) {
        const error = entry.problem && { ...entry.problem, source: name, key: entry.name };
        yield { name: `${name}#${entry.name}`, bytes: entry.bytes, error };
      }
  } catch (error) {
    signal?.throwIfAborted();
    yield { name, bytes: undefined, error: toWire(error, { source: name }) };
  } finally {
    await reader.close();
  }
}
