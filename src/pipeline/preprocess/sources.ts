// What the user named -> the list of sources, each read in one piece, in a stable order; and what they are divided into.
import { createHash } from "node:crypto";
import { ToolkitError } from "../../errors.js";
import { publicUrls } from "../../public-url.js";
import type { SourceEntry } from "../../shards/manifest.js";
import { expandPatterns } from "../../storage/expand.js";
import { baseName, type ObjectInfo, openStore } from "../../storage/store.js";
import { listClassFolders, listImages, readClassFolders } from "./class-folders.js";
import { groupByKey, isImageName, isSampleName } from "./group.js";
import { divisionOfInnerTar, divisionOfSource } from "./labels.js";
import type { ReadSourceOptions, SourceItem } from "./sample.js";
import { openSourceBytes } from "./source-bytes.js";
import { isTarName, listTar, readTar } from "./tar.js";

/** `url` is what may be shown and kept: without passwords and signatures. */
export interface Source extends SourceEntry {
  readonly kind: "tar" | "class-folders";
  /** Where to read it. */
  readonly address: string;
}

/** Whether a URL is that of a tar, by its name. */
export const isTarUrl = (url: string) => /\.(tar|tar\.gz|tgz)$/i.test(baseName(url));

/** NO_SOURCES when a pattern matches nothing or a folder holds neither tars nor class folders. */
export async function findSources(patterns: readonly string[]): Promise<Source[]> {
  const urls = await expandPatterns(patterns);
  return (await Promise.all(urls.map(describe))).flat();
}

async function describe(url: string): Promise<Source[]> {
  const store = openStore(url);
  const info = await store.stat(url);
  if (info === undefined) throw new ToolkitError("NO_SOURCES", "no such file", { source: url });
  if (info.kind === "object") return [tarSource(info)];
  const tars = (await store.list(url)).filter((entry) => entry.kind === "object" && isTarUrl(entry.url));
  if (tars.length > 0) return tars.map(tarSource);
  if ((await listClassFolders(url)).length === 0)
    throw new ToolkitError("NO_SOURCES", "a folder with neither .tar files nor class folders in it", { source: url });
  return [{ kind: "class-folders", address: url, ...(await measureFolder(url)) }];
}

function tarSource({ url, byteLength, version }: ObjectInfo): Source {
  return { kind: "tar", address: url, url: publicUrls(url), byteLength, version };
}

/** A class-folder tree changes when any of its files does: its version is a hash of theirs. */
async function measureFolder(url: string): Promise<SourceEntry> {
  const hash = createHash("sha256");
  let byteLength = 0;
  for (const folder of await listClassFolders(url)) {
    for (const file of await listImages(folder.url)) {
      byteLength += file.byteLength;
      hash.update(`${baseName(folder.url)}/${baseName(file.url)}\0${file.byteLength}\0${file.version}\n`);
    }
  }
  return { url, byteLength, version: hash.digest("hex").slice(0, 32) };
}

/** Indices of the sources of each of so many ranks: the largest first, each to whoever has the fewest bytes by then. */
export function divideSources(sources: readonly Pick<Source, "byteLength">[], ranks: number): readonly number[][] {
  const parts = Array.from({ length: ranks }, () => ({ bytes: 0, indices: [] as number[] }));
  const bySize = [...sources.entries()].sort(([i, a], [j, b]) => b.byteLength - a.byteLength || i - j);
  for (const [index, { byteLength }] of bySize) {
    const least = parts.reduce((best, part) => (part.bytes < best.bytes ? part : best));
    least.bytes += byteLength;
    least.indices.push(index);
  }
  return parts.map(({ indices }) => indices.sort((a, b) => a - b));
}

/** A source's samples and problems in order, in groups as they are read. */
export async function* readSource(source: Source, options: ReadSourceOptions): AsyncGenerator<readonly SourceItem[]> {
  const { rules, maxEntryBytes, allocate, from = 0 } = options;
  if (source.kind === "class-folders") {
    yield* readClassFolders(source.url, options);
    return;
  }
  const reader = openSourceBytes({ ...source, ...options, url: source.address });
  let seen = 0;
  let terminated = true;
  async function* entries() {
    const tar = readTar(reader, source.url, {
      maxEntryBytes,
      wants: isSampleName,
      allocate: (byteLength, name) => (isImageName(name) ? allocate(byteLength) : new Uint8Array(byteLength)),
      from,
    });
    for (let next = await tar.next(); ; next = await tar.next()) {
      if (next.done === true) {
        terminated = next.value;
        return;
      }
      yield next.value;
    }
  }
  try {
    for await (const items of groupByKey(entries(), rules, divisionOfSource(source.url))) {
      seen += items.length;
      yield items;
    }
  } finally {
    await reader.close();
  }
  const place = { key: source.url, entry: source.url, offset: reader.position, position: reader.position };
  if (seen === 0 && from === 0) {
    const message =
      source.byteLength === 0
        ? "the tar is empty, 0 bytes; copy it there again"
        : "the tar holds no image with one of the extensions .jpg .jpeg";
    yield [{ ...place, problem: "EMPTY_TAR", message }];
  }
  if (!terminated && seen > 0) {
    const message = "the tar ends without an end-of-archive marker: what it holds was read, but entries may be missing";
    yield [{ ...place, problem: "TRUNCATED_TAR", message }];
  }
}

/** The names of a source's images, without reading them: for --labels files that go by the order of names. */
export async function listSourceImages(source: Source, signal?: AbortSignal): Promise<string[]> {
  if (source.kind === "class-folders") {
    const folders = await listClassFolders(source.url);
    const images = await Promise.all(folders.map((folder) => listImages(folder.url)));
    return images.flat().map((image) => baseName(image.url));
  }
  return (await listEntries(source, signal)).filter(isImageName);
}

async function listEntries(source: Source, signal?: AbortSignal, enough = Number.POSITIVE_INFINITY): Promise<string[]> {
  const reader = openSourceBytes({ ...source, url: source.address, peek: enough === 1, signal });
  const names: string[] = [];
  try {
    for await (const name of listTar(reader, source.url)) {
      names.push(name);
      if (names.length >= enough) break;
    }
  } finally {
    await reader.close();
  }
  return names;
}

/** The classes a source is divided into: its class folders, the tars in it, or the one synset that it is named after. */
export async function divisionsOf(source: Source, signal?: AbortSignal): Promise<string[]> {
  if (source.kind === "class-folders") return (await listClassFolders(source.url)).map(({ url }) => baseName(url));
  const own = divisionOfSource(source.url);
  if (own !== undefined) return [own];
  // Only a tar that begins with a tar is looked through: the headers of any other would all have to be read for nothing.
  const [first = ""] = await listEntries(source, signal, 1);
  if (!isTarName(first)) return [];
  return (await listEntries(source, signal)).filter(isTarName).map(divisionOfInnerTar);
}
