// A folder of class folders, walked as torchvision's ImageFolder does: `root/class/**/image.jpg`, links followed, every
// file reported in a stable order. Reading the files is left to others.
import type { ErrorCode } from "../../error-codes.js";
import { asToolkitError } from "../../errors.js";
import { at } from "../../storage/at.js";
import { LinkedFolders } from "../../storage/disk/local-folder.js";
import type { ObjectInfo } from "../../storage/object-store.js";
import { baseName, isRemote } from "../../storage/url.js";
import {
  archiveMessage,
  type IgnoreReason,
  isArchiveName,
  isImageName,
  mayHoldImage,
  systemReason,
} from "./entry-names.js";
import { headBytes, looksLikeImage } from "./image-content.js";

/** A file of the tree, or a folder that cannot be read or is not; `kind` follows from its name and its type. */
export interface TreeEntry {
  /** Below the root, with slashes; escaped where it is not text. */
  readonly path: string;
  readonly file: ObjectInfo;
  readonly kind: EntryKind;
}

type EntryKind =
  | { readonly is: "image" }
  /** An image if its first bytes are an image's. */
  | { readonly is: "unknown" }
  | { readonly is: "failure"; readonly code: ErrorCode; readonly message: string }
  | { readonly is: "ignored"; readonly reason: IgnoreReason };

/** What lies below a folder of the root, or the files beside these. */
export interface TreePart {
  /**
   * The class: the name of the folder. Undefined for files beside the class folders, and below a folder that is not
   * one.
   */
  readonly division: string | undefined;
  readonly entries: readonly TreeEntry[];
}

/** Deeper folders are failures: only a file system in disorder has them. */
const maxDepth = 64;

/**
 * The files beside the class folders, then each folder with everything below it, in name order. A folder without an
 * image is not a class, and has an entry that reports it.
 */
export async function* walkClassFolders(root: string, signal?: AbortSignal): AsyncGenerator<TreePart> {
  const listed = await at(root).list({ signal });
  const files = listed.filter(({ kind }) => kind !== "folder");
  if (files.length > 0)
    yield { division: undefined, entries: files.map((file) => entryOf(file, baseName(file.url), false)) };
  for (const folder of listed) {
    if (folder.kind !== "folder") continue;
    const division = baseName(folder.url);
    const entries = await new FolderWalk(root, signal).walk(folder, division);
    if (await holdsImage(entries, signal)) yield { division, entries };
    else if (isLeftOut(division)) yield { division: undefined, entries };
    else yield { division: undefined, entries: [...entries, ignored(folder, division, "empty folder")] };
  }
}

/** Whether a folder is not a class, whatever it holds. */
const isLeftOut = (name: string) => name.startsWith(".") || systemReason(name) !== undefined;

const ignored = (file: ObjectInfo, path: string, reason: IgnoreReason): TreeEntry => ({
  path,
  file,
  kind: { is: "ignored", reason },
});

const failure = (file: ObjectInfo, path: string, code: ErrorCode, message: string): TreeEntry => ({
  path,
  file,
  kind: { is: "failure", code, message },
});

function entryOf(file: ObjectInfo, path: string, isHidden: boolean): TreeEntry {
  const reason = systemReason(path) ?? (isHidden ? "hidden folder" : undefined);
  if (reason !== undefined) return ignored(file, path, reason);
  const isImage = isImageName(path);
  if (file.kind === "other") {
    const what = file.problem ?? "not a file";
    if (isImage || isArchiveName(path))
      return failure(file, path, file.isLink ? "NOT_FOUND" : "UNSUPPORTED_ENTRY", what);
    return ignored(file, path, file.isLink ? "link" : "not a regular file");
  }
  if (isImage) return { path, file, kind: { is: "image" } };
  if (isArchiveName(path)) return failure(file, path, "UNSUPPORTED_ENTRY", archiveMessage);
  if (mayHoldImage(path) && file.byteLength > 0) return { path, file, kind: { is: "unknown" } };
  return ignored(file, path, "not an image");
}

/** One class folder with all folders below it. */
class FolderWalk {
  private readonly levels: { readonly path: string; readonly entries: TreeEntry[] }[] = [];
  private readonly linked = new LinkedFolders();

  constructor(
    private readonly root: string,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Everything below, folder after folder in the order of their paths, each in name order: as os.walk sorted. */
  async walk(folder: ObjectInfo, path: string): Promise<TreeEntry[]> {
    await this.enter(folder, path, [this.root], isLeftOut(path));
    this.levels.sort((a, b) => (a.path < b.path ? -1 : 1));
    return this.levels.flatMap(({ entries }) => entries);
  }

  private async enter(folder: ObjectInfo, path: string, above: readonly string[], isHidden: boolean): Promise<void> {
    this.signal?.throwIfAborted();
    const entries: TreeEntry[] = [];
    this.levels.push({ path, entries });
    if (folder.isLink && (await this.linked.wereEntered(folder.url, above))) {
      entries.push(ignored(folder, path, "link to a folder read already"));
      return;
    }
    const listed = await this.list(folder, path, above.length);
    if ("kind" in listed) {
      entries.push(listed);
      return;
    }
    for (const file of listed) {
      const name = baseName(file.url);
      const below = `${path}/${name}`;
      if (file.kind !== "folder") entries.push(entryOf(file, below, isHidden));
      else await this.enter(file, below, [...above, folder.url], isHidden || name.startsWith("."));
    }
  }

  private async list(folder: ObjectInfo, path: string, depth: number): Promise<readonly ObjectInfo[] | TreeEntry> {
    const { url } = folder;
    const unsupported = (what: string) => failure(folder, path, "UNSUPPORTED_ENTRY", what);
    if (depth > maxDepth) return unsupported(`a folder within ${maxDepth} others`);
    if (folder.problem !== undefined) return unsupported(folder.problem);
    try {
      return await at(url).list({ signal: this.signal });
    } catch (error) {
      const { code, message } = ownFault(error, url);
      return failure(folder, path, code, message);
    }
  }
}

/** What a system reports of one file or folder, as opposed to the whole machine, the disk or a service. */
const ownFaults = new Set([
  "EACCES",
  "EPERM",
  "ENOENT",
  "ENOTDIR",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENXIO",
  "ENODEV",
]);

/** Why one local file or folder cannot be read; throws errors of any other kind. */
export function ownFault(error: unknown, url: string): { readonly code: ErrorCode; readonly message: string } {
  const { code, message, cause } = asToolkitError(error);
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (isRemote(url) || !ownFaults.has(errno)) throw error;
  return { code: errno === "EACCES" || errno === "EPERM" ? "ACCESS_DENIED" : code, message };
}

async function holdsImage(entries: readonly TreeEntry[], signal?: AbortSignal): Promise<boolean> {
  if (entries.some(({ kind, path }) => kind.is === "image" || (kind.is === "failure" && isImageName(path))))
    return true;
  for (const { kind, file } of entries)
    if (kind.is === "unknown" && (await isImageFile(file, signal).catch(() => false))) return true;
  return false;
}

/** Whether a file's first bytes are an image's. */
export async function isImageFile({ url, byteLength }: ObjectInfo, signal?: AbortSignal): Promise<boolean> {
  const head = { start: 0, end: Math.min(headBytes, byteLength) };
  return looksLikeImage(await at(url).read(head, undefined, signal));
}
