// The failed files, taken out of their sources again, in a tar that can be repaired and fed back.
import { ToolkitError } from "../../errors.js";
import { keyProblem } from "../../shards/key.js";
import type { Failure } from "../../shards/manifest.js";
import { at } from "../../storage/at.js";
import { TarWriter } from "../tar-writer.js";
import { ownFault, walkClassFolders } from "./class-tree.js";
import { isImageName, isLabelName, splitName } from "./entry-names.js";
import { openSourceBytes } from "./source-bytes.js";
import type { Source } from "./sources.js";
import { readTar } from "./tar.js";

/** Failures of something else than a file that can be repaired. */
const notOfImages = new Set([
  "MISSING_IMAGE",
  "EMPTY_TAR",
  "BAD_TAR",
  "TRUNCATED_TAR",
  "UNSUPPORTED_ENTRY",
  "ENTRY_TOO_LARGE",
]);

/**
 * Writes the images among `failures` as they are in their sources, with a `.cls` where the label is known, to the tar
 * `url`. The same failures give the same bytes. Files that were too large or could not be read, and those of sources
 * that have gone since, are left out.
 */
export async function writeQuarantine(
  url: string,
  failures: readonly Failure[],
  sources: readonly Source[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  const tar = await TarWriter.open(url);
  let unnamed = 0;
  try {
    for (const source of sources) {
      const own = failures.filter((failure) => failure.source === source.url && isOfImage(failure));
      if (own.length === 0) continue;
      for await (const { failure, bytes } of readAgain(source, own, maxEntryBytes, signal)) {
        const { key = "", entry = "", label } = failure;
        // What may not have its own name gets one that shows it; errors.jsonl has its own.
        const name = keyProblem(key) === undefined ? key : `unnamed-${++unnamed}`;
        await tar.entry(name + extensionOf(entry), bytes);
        if (label !== undefined) await tar.entry(`${name}.cls`, String(label));
      }
    }
    await tar.commit();
  } catch (error) {
    await tar.abort();
    throw error;
  }
}

const isOfImage = ({ code, entry = "" }: Failure) => !notOfImages.has(code) && !isLabelName(entry);

/** What another reading knows an image by: nothing for one that is known by its bytes. */
const extensionOf = (entry: string) => (isImageName(entry) ? splitName(entry).extension : "");

interface FailedFile {
  readonly failure: Failure;
  readonly bytes: Uint8Array;
}

function readAgain(
  source: Source,
  failures: readonly Failure[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<FailedFile> {
  if (source.kind === "class-folders") return readFilesAgain(source, failures, maxEntryBytes, signal);
  return readEntriesAgain(source, failures, maxEntryBytes, signal);
}

async function* readFilesAgain(
  { address }: Source,
  failures: readonly Failure[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<FailedFile> {
  const byEntry = new Map(failures.map((failure) => [failure.entry, failure]));
  for await (const { entries } of walkClassFolders(address, signal))
    for (const { path, file } of entries) {
      const failure = byEntry.get(path);
      if (failure === undefined || file.kind !== "object" || file.byteLength > maxEntryBytes) continue;
      const { url, byteLength } = file;
      const bytes = await at(url)
        .read({ start: 0, end: byteLength }, undefined, signal)
        .catch((error: unknown) => ownFault(error, url));
      if (bytes instanceof Uint8Array) yield { failure, bytes };
    }
}

async function* readEntriesAgain(
  source: Source,
  failures: readonly Failure[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<FailedFile> {
  const byOffset = new Map(failures.map((failure) => [failure.offset, failure]));
  const reader = openSourceBytes({ ...source, url: source.address, signal });
  try {
    const wanted = new Set(failures.map(({ entry }) => entry));
    const options = { maxEntryBytes, wants: (name: string) => wanted.has(name), from: failures[0]?.offset ?? 0 };
    for await (const entries of readTar(reader, source.url, options)) {
      for (const { offset, bytes } of entries) {
        const failure = byOffset.get(offset);
        byOffset.delete(offset);
        if (failure !== undefined && bytes !== undefined) yield { failure, bytes };
      }
      if (byOffset.size === 0) break;
    }
  } catch (error) {
    // The end of a damaged tar needs no report here: it failed the run, or stands among the failures.
    if (!(error instanceof ToolkitError) || error.code !== "TRUNCATED_TAR") throw error;
  } finally {
    await reader.close();
  }
}
