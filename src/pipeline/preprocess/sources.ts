// What the user named -> the list of sources, each read in one piece, in a stable order; and what they are divided into.
import { ToolkitError } from "../../errors.js";
import type { SourceEntry } from "../../shards/manifest.js";
import { expandPatterns } from "../../storage/expand.js";
import { baseName, openStore } from "../../storage/store.js";
import { listClassFolders, listImages, readClassFolders } from "./class-folders.js";
import { groupByKey, isImageName, isSampleName } from "./group.js";
import { divisionOfInnerTar, divisionOfSource } from "./labels.js";
import type { ReadSourceOptions, SourceItem } from "./sample.js";
import { openSourceBytes } from "./source-bytes.js";
import { isTarName, listTar, readTar } from "./tar.js";

export interface Source extends SourceEntry {
  readonly kind: "tar" | "class-folders";
}

const isTarUrl = (url: string) => /\.(tar|tar\.gz|tgz)$/i.test(url);

/** NO_SOURCES when a pattern matches nothing or a folder holds neither tars nor class folders. */
export async function findSources(patterns: readonly string[]): Promise<Source[]> {
  const urls = await expandPatterns(patterns);
  return (await Promise.all(urls.map(describe))).flat();
}

async function describe(url: string): Promise<Source[]> {
  const store = openStore(url);
  const info = await store.stat(url);
  if (info === undefined) throw new ToolkitError("NO_SOURCES", "no such file", { source: url });
  if (info.kind === "object") return [{ kind: "tar", url, byteLength: info.byteLength, version: info.version }];
  const tars = (await store.list(url)).filter((entry) => entry.kind === "object" && isTarUrl(entry.url));
  if (tars.length > 0)
    return tars.map(({ url: tar, byteLength, version }) => ({ kind: "tar", url: tar, byteLength, version }));
  if ((await listClassFolders(url)).length === 0)
    throw new ToolkitError("NO_SOURCES", "a folder with neither .tar files nor class folders in it", { source: url });
  return [{ kind: "class-folders", ...(await measureFolder(url)) }];
}

/** A class-folder tree changes when any of its files does; their sizes, number and latest time together are its version. */
async function measureFolder(url: string): Promise<SourceEntry> {
  let byteLength = 0;
  let files = 0;
  let newest = 0;
  for (const folder of await listClassFolders(url)) {
    for (const file of await listImages(folder.url)) {
      byteLength += file.byteLength;
      files++;
      newest = Math.max(newest, Number(file.version.split("-").at(-1)));
    }
  }
  return { url, byteLength, version: `${byteLength}-${files}-${newest}` };
}

/** A source's samples and problems in order, in groups as they are read. */
export async function* readSource(source: Source, options: ReadSourceOptions): AsyncGenerator<readonly SourceItem[]> {
  const { rules, maxEntryBytes, allocate, from = 0 } = options;
  if (source.kind === "class-folders") {
    yield* readClassFolders(source.url, options);
    return;
  }
  const reader = openSourceBytes({ ...source, ...options });
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
    const message = "the tar holds no image with one of the extensions .jpg .jpeg";
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
  const reader = openSourceBytes({ ...source, signal });
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
