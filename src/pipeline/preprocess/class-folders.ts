// A folder of class folders -> samples: each file of the tree read, or counted as what it is.
import { createHash } from "node:crypto";
import type { ErrorCode } from "../../error-codes.js";
import { mapOrdered } from "../../map-ordered.js";
import { fileNameProblem } from "../../shards/check-record.js";
import { at } from "../../storage/at.js";
import { isRemote, joinUrl } from "../../storage/url.js";
import { watched } from "../stage-clock.js";
import { isImageFile, ownFault, type TreeEntry, walkClassFolders } from "./class-tree.js";
import { isArchiveName, splitName } from "./entry-names.js";
import { labelOf } from "./label-rules.js";
import type { ReadSourceOptions, SourceItem, SourceProblem } from "./sample.js";

/** Each is a request of its own, most of which is waiting. */
const remoteReadsInFlight = 24;

/** What a tree is, without reading its files. */
export interface TreeFacts {
  readonly divisions: readonly string[];
  /** Images beside the class folders. */
  readonly strayImages: readonly string[];
  /** Archives anywhere in it. */
  readonly archives: readonly string[];
  readonly byteLength: number;
  /** Changes when any file does that is not ignored. */
  readonly version: string;
}

export async function measureClassFolders(root: string, signal?: AbortSignal): Promise<TreeFacts> {
  const hash = createHash("sha256");
  const facts = { divisions: [] as string[], strayImages: [] as string[], archives: [] as string[], byteLength: 0 };
  for await (const { division, entries } of walkClassFolders(root, signal)) {
    if (division !== undefined) facts.divisions.push(division);
    for (const { path, file, kind } of entries) {
      if (kind.is === "ignored") continue;
      if (kind.is === "failure" && isArchiveName(path)) facts.archives.push(path);
      if (kind.is === "image" && !path.includes("/")) facts.strayImages.push(path);
      facts.byteLength += file.byteLength;
      hash.update(`${path}\0${file.byteLength}\0${file.version}\n`);
    }
  }
  return { ...facts, version: hash.digest("hex").slice(0, 32) };
}

/** The paths of a tree's images, in order. */
export async function listTreeImages(root: string, signal?: AbortSignal): Promise<string[]> {
  const paths: string[] = [];
  for await (const { entries } of walkClassFolders(root, signal))
    for (const { path, kind } of entries) if (kind.is === "image") paths.push(path);
  return paths;
}

/** Positions count the files of the tree that are not ignored, in their order; those before `from` are passed over. */
export async function* readClassFolders(
  root: string,
  options: ReadSourceOptions,
): AsyncGenerator<readonly SourceItem[]> {
  const { from = 0, onProgress = () => {}, onWait = () => {}, signal } = options;
  let bytes = 0;
  const wanted = async function* (both: AbortSignal) {
    for await (const place of places(root, both)) {
      if (place.position >= from) yield place;
      else bytes += place.entry.file.byteLength;
    }
  };
  const read = async (place: Place, both: AbortSignal) => ({ place, item: await itemOf(root, place, options, both) });
  const limit = isRemote(root) ? remoteReadsInFlight : 1;
  for await (const { place, item } of watched(mapOrdered(wanted, read, { limit, signal }), onWait)) {
    yield [item];
    if (place.entry.kind.is === "ignored") continue;
    bytes += place.entry.file.byteLength;
    onProgress(bytes);
  }
}

interface Place {
  readonly division: string | undefined;
  readonly entry: TreeEntry;
  readonly position: number;
}

async function* places(root: string, signal: AbortSignal): AsyncGenerator<Place> {
  let next = 0;
  for await (const { division, entries } of walkClassFolders(root, signal))
    for (const entry of entries) {
      // An ignored file goes with the one before it, so that a file more or less of these moves no other.
      const position = entry.kind.is === "ignored" ? Math.max(0, next - 1) : next++;
      yield { division, entry, position };
    }
}

async function itemOf(
  root: string,
  place: Place,
  options: ReadSourceOptions,
  signal: AbortSignal,
): Promise<SourceItem> {
  const { entry, position } = place;
  const { kind, file } = entry;
  if (kind.is === "ignored") return { ignored: kind.reason, position };
  if (kind.is === "failure") return problemAt(place, kind.code, kind.message);
  if (kind.is === "image") return readImage(root, place, options, signal);
  const isImage = await isImageFile(file, signal).catch((error: unknown) => ownFault(error, file.url));
  if (isImage === true) return readImage(root, place, options, signal);
  if (isImage === false) return { ignored: "not an image", position };
  return problemAt(place, isImage.code, isImage.message);
}

function problemAt({ entry: { path }, position }: Place, problem: ErrorCode, message: string): SourceProblem {
  return { entry: path, offset: undefined, key: splitName(path).key, position, problem, message };
}

async function readImage(
  root: string,
  place: Place,
  { rules, maxEntryBytes, allocate }: ReadSourceOptions,
  signal: AbortSignal,
): Promise<SourceItem> {
  const { entry, division, position } = place;
  const { path, file } = entry;
  const { url, byteLength } = file;
  const { key, extension } = splitName(path);
  const unfit = fileNameProblem(path, key, extension);
  if (unfit !== undefined) return problemAt(place, "BAD_KEY", unfit);
  if (byteLength > maxEntryBytes)
    return problemAt(place, "ENTRY_TOO_LARGE", `a file of ${byteLength} bytes, at most ${maxEntryBytes} allowed`);
  const image = allocate(byteLength); // before the first wait, so that images lie in slabs in their order
  try {
    // No service has a range of nothing.
    if (byteLength > 0) await at(url).read({ start: 0, end: byteLength }, image, signal);
  } catch (error) {
    const { code, message } = ownFault(error, url);
    return { ...problemAt(place, code, message), image };
  }
  return {
    entry: path,
    offset: undefined,
    key,
    position,
    extension,
    image,
    label: labelOf({ entry: path, division }, rules),
    json: undefined,
    // A name that is not text has a URL which its path does not lead to.
    inSource: url === joinUrl(root, path) ? { offset: 0, isObject: true } : undefined,
  };
}
