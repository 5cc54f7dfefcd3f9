// The failed files, taken out of their sources again, in a tar that can be repaired and fed back.
import { ToolkitError } from "../../errors.js";
import type { Failure } from "../../shards/manifest.js";
import { joinUrl, openStore } from "../../storage/store.js";
import { TarWriter } from "../tar-writer.js";
import { isImageName, splitName } from "./group.js";
import { openSourceBytes } from "./source-bytes.js";
import type { Source } from "./sources.js";
import { readTar } from "./tar.js";

/**
 * Writes the images among `failures` as they are in their sources, with a `.cls` where the label is known, to the tar `url`. The same failures
 * give the same bytes. Files that were too large to read, and those of sources that have gone since, are left out.
 */
export async function writeQuarantine(
  url: string,
  failures: readonly Failure[],
  sources: readonly Source[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  const tar = await TarWriter.open(url);
  try {
    for (const source of sources) {
      const own = failures.filter((failure) => failure.source === source.url && isImageName(failure.entry ?? ""));
      if (own.length === 0) continue;
      for await (const { failure, bytes } of readAgain(source, own, maxEntryBytes, signal)) {
        const { extension } = splitName(failure.entry as string);
        await tar.entry(`${failure.key}${extension}`, bytes);
        if (failure.label !== undefined) await tar.entry(`${failure.key}.cls`, String(failure.label));
      }
    }
    await tar.commit();
  } catch (error) {
    await tar.abort();
    throw error;
  }
}

interface FailedFile {
  readonly failure: Failure;
  readonly bytes: Uint8Array;
}

async function* readAgain(
  source: Source,
  failures: readonly Failure[],
  maxEntryBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<FailedFile> {
  if (source.kind === "class-folders") {
    for (const failure of failures) {
      const url = joinUrl(source.url, failure.entry as string);
      const { byteLength = 0 } = (await openStore(url).stat(url)) ?? {};
      if (byteLength > maxEntryBytes) continue;
      yield { failure, bytes: await openStore(url).read(url, { start: 0, end: byteLength }, undefined, signal) };
    }
    return;
  }
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
    // The end of a damaged tar is no news here: it failed the run, or stands among the failures.
    if (!(error instanceof ToolkitError) || error.code !== "TRUNCATED_TAR") throw error;
  } finally {
    await reader.close();
  }
}
