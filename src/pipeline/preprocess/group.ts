// Tar entries -> samples, by the WebDataset convention: neighbouring entries of one key belong together.
import { parseLabel } from "./labels.js";
import type { RawSample, SourceProblem } from "./sample.js";
import type { TarEntry } from "./tar.js";

const imageExtensions = new Set([".jpg", ".jpeg"]);
/** Images of other formats: when a sample has nothing else it is reported as one that cannot be read, not passed over. */
const foreignExtensions = new Set([".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"]);
const labelExtensions = new Set([".cls", ".json"]);

interface ImageEntry {
  readonly extension: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Group {
  readonly key: string;
  image?: ImageEntry;
  foreign?: ImageEntry;
  cls?: string;
  json?: string;
  problem?: SourceProblem;
}

/** Splits at the last dot, so that a key may hold dots itself: `dir/a.b.jpg` -> `dir/a.b` and `.jpg`. */
export function splitName(name: string): { readonly key: string; readonly extension: string } {
  const path = name.replace(/^(\.\/)+/, "");
  const dot = path.lastIndexOf(".");
  if (dot <= path.lastIndexOf("/") + 1) return { key: path, extension: "" };
  return { key: path.slice(0, dot), extension: path.slice(dot) };
}

/** Whether a file of that name is meant as an image, readable or not. */
export function isImageExtension(extension: string): boolean {
  return isJpegExtension(extension) || foreignExtensions.has(extension.toLowerCase());
}

function isJpegExtension(extension: string): boolean {
  return imageExtensions.has(extension.toLowerCase());
}

/** Entries of other kinds (a `.txt`, a second modality) are passed over; a label without an image is a problem. */
export async function* groupByKey(entries: AsyncIterable<TarEntry>): AsyncGenerator<RawSample | SourceProblem> {
  let group: Group | undefined;
  for await (const entry of entries) {
    const { key, extension } = splitName(entry.name);
    if (!isImageExtension(extension) && !labelExtensions.has(extension.toLowerCase())) continue;
    // The same key with a second image (a.jpg, a.jpeg) is a second sample, not a replacement.
    if (group !== undefined && (group.key !== key || (isJpegExtension(extension) && group.image !== undefined))) {
      yield finish(group);
      group = undefined;
    }
    group ??= { key };
    add(group, entry, extension);
  }
  if (group !== undefined) yield finish(group);
}

function add(group: Group, entry: TarEntry, extension: string): void {
  if (entry.bytes === undefined) {
    group.problem = {
      problem: "ENTRY_TOO_LARGE",
      key: entry.name,
      message: `entry of ${entry.byteLength} bytes is larger than any image`,
    };
  } else if (isJpegExtension(extension)) {
    group.image = { extension, bytes: entry.bytes };
  } else if (isImageExtension(extension)) {
    group.foreign = { extension, bytes: entry.bytes };
  } else if (extension.toLowerCase() === ".cls") {
    group.cls = new TextDecoder().decode(entry.bytes);
  } else {
    group.json = new TextDecoder().decode(entry.bytes);
  }
}

function finish(group: Group): RawSample | SourceProblem {
  const { key, json, problem } = group;
  const image = group.image ?? group.foreign;
  if (problem !== undefined) return problem;
  if (image === undefined)
    return { problem: "MISSING_IMAGE", key, message: "a label, but no image of that name beside it" };
  return { key, extension: image.extension, image: image.bytes, label: parseLabel(group.cls, json), json };
}
