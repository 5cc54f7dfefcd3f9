// Tar entries -> samples, by the WebDataset convention: neighbouring entries of one key belong together.
import { divisionOfInnerTar, type LabelRules, labelOf } from "./labels.js";
import type { Place, SourceItem, SourceProblem } from "./sample.js";
import type { TarEntry } from "./tar.js";

const jpegExtensions = new Set([".jpg", ".jpeg", ".jpe", ".jfif"]);
/** Images of other formats: converted, or reported where that cannot be done. */
const foreignExtensions = new Set([".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".ppm", ".jp2"]);
const labelExtensions = new Set([".cls", ".txt", ".json"]);

interface ImageEntry extends Place {
  readonly extension: string;
  readonly bytes: Uint8Array;
}

interface Group {
  readonly key: string;
  readonly position: number;
  readonly division: string | undefined;
  /** The first entry's place. */
  readonly first: Place;
  image?: ImageEntry;
  foreign?: ImageEntry;
  cls?: string;
  txt?: string;
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
export function isImageName(name: string): boolean {
  const { key, extension } = splitName(name);
  // Files that macOS puts beside each real one are no images, whatever they are called.
  return isImageExtension(extension) && !key.slice(key.lastIndexOf("/") + 1).startsWith("._");
}

/** Whether a file of that name is part of a sample. */
export function isSampleName(name: string): boolean {
  return isImageName(name) || labelExtensions.has(splitName(name).extension.toLowerCase());
}

function isImageExtension(extension: string): boolean {
  return isJpegExtension(extension) || foreignExtensions.has(extension.toLowerCase());
}

function isJpegExtension(extension: string): boolean {
  return jpegExtensions.has(extension.toLowerCase());
}

/** `n01440764.tar/n01440764_18` -> `n01440764/n01440764_18`: the same key as from class folders. */
function keyOf(path: string, archive: string | undefined): string {
  if (archive === undefined) return path;
  const folder = archive.replace(/\.tar$/i, "");
  return folder + path.slice(archive.length);
}

/** Entries of other kinds (a second modality, a read-me) are passed over; a label without an image is a problem. */
export async function* groupByKey(
  entries: AsyncIterable<readonly TarEntry[]>,
  rules: LabelRules,
  division?: string,
): AsyncGenerator<readonly SourceItem[]> {
  let group: Group | undefined;
  for await (const part of entries) {
    const items: SourceItem[] = [];
    for (const entry of part) {
      if (!isSampleName(entry.name)) continue;
      const { key: path, extension } = splitName(entry.name);
      const key = keyOf(path, entry.archive);
      // The same key with a second image (a.jpg, a.jpeg) is a second sample, not a replacement.
      const isSecond = group?.key === key && isJpegExtension(extension) && group.image !== undefined;
      if (group !== undefined && (group.key !== key || isSecond)) {
        items.push(...finish(group, rules));
        group = undefined;
      }
      group ??= {
        key,
        position: entry.offset,
        first: { entry: entry.name, offset: entry.offset },
        division: entry.archive === undefined ? division : divisionOfInnerTar(entry.archive),
      };
      add(group, entry, extension);
    }
    if (items.length > 0) yield items;
  }
  if (group !== undefined) yield finish(group, rules);
}

function add(group: Group, entry: TarEntry, extension: string): void {
  const place = { entry: entry.name, offset: entry.offset };
  if (entry.bytes === undefined) {
    const { code, message } = entry.problem ?? { code: "INTERNAL", message: "an entry without bytes" };
    group.problem = { ...place, problem: code, key: group.key, message, position: group.position };
  } else if (isJpegExtension(extension)) {
    group.image = { ...place, extension, bytes: entry.bytes };
  } else if (isImageExtension(extension)) {
    group.foreign = { ...place, extension, bytes: entry.bytes };
  } else {
    const text = new TextDecoder().decode(entry.bytes);
    if (extension.toLowerCase() === ".cls") group.cls = text;
    else if (extension.toLowerCase() === ".txt") group.txt = text;
    else group.json = text;
  }
}

/** No item for a text alone: it may be a read-me. */
function finish(group: Group, rules: LabelRules): SourceItem[] {
  const { key, json, problem, position, division } = group;
  const image: ImageEntry | undefined = group.image ?? group.foreign;
  if (problem !== undefined) return [problem];
  if (image !== undefined) {
    const { entry, offset, extension, bytes } = image;
    const label = labelOf({ entry, cls: group.cls, txt: group.txt, json, division }, rules);
    return [{ key, extension, image: bytes, label, json, entry, offset, position }];
  }
  if (group.cls === undefined && group.json === undefined) return [];
  const message = "a label, but no image of that name beside it";
  return [{ ...group.first, problem: "MISSING_IMAGE", key, message, position }];
}
