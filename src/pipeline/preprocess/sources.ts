// What the user named -> the list of sources, each read in one piece, in a stable order; and what they are divided
// into.
import { ToolkitError } from "../../errors.js";
import { publicUrl } from "../../public-url.js";
import type { SourceEntry } from "../../shards/manifest.js";
import { at } from "../../storage/at.js";
import { expandPatterns } from "../../storage/expand.js";
import type { ObjectInfo } from "../../storage/object-store.js";
import { baseName, joinUrl } from "../../storage/url.js";
import { listTreeImages, measureClassFolders, readClassFolders, type TreeFacts } from "./class-folders.js";
import { isImageName, isLabelName, isTarName, mayHoldImage, sampleKindOf } from "./entry-names.js";
import { groupByKey } from "./group.js";
import { looksLikeImage } from "./image-content.js";
import { divisionOfInnerTar, divisionOfSource, isImageField } from "./label-rules.js";
import type { ReadSourceOptions, SourceItem } from "./sample.js";
import { SkippedRun } from "./skipped-run.js";
import { openSourceBytes } from "./source-bytes.js";
import { type ListedEntry, listTar, readTar } from "./tar.js";

/** `url` is what may be shown and kept: without passwords and signatures. */
export interface Source extends SourceEntry {
  readonly kind: "tar" | "class-folders";
  /** Where to read it. */
  readonly address: string;
  /** True when its server sends it in one piece only. */
  readonly sequential?: boolean | undefined;
  /** The class folders of class folders. */
  readonly divisions?: readonly string[];
}

/** Entries of a tar that are looked at to find out whether it is one of tars. */
const maxLooks = 16;

/** Whether a URL is that of a tar, by its name. */
export const isTarUrl = (url: string) => /\.(tar|tar\.gz|tgz)$/i.test(baseName(url));

/**
 * The sources that patterns name, in a stable order. Throws NO_SOURCES when a pattern matches nothing or a folder holds
 * neither tars nor class folders; AMBIGUOUS_SOURCES when one holds both.
 */
export async function findSources(patterns: readonly string[]): Promise<Source[]> {
  const urls = await expandPatterns(patterns);
  return (await Promise.all(urls.map(describe))).flat();
}

async function describe(url: string): Promise<Source[]> {
  const source = at(url);
  const info = await source.stat();
  if (info === undefined) throw new ToolkitError("NO_SOURCES", "no such file", { source: url });
  if (info.kind === "object") return [tarSource(info)];
  const tars = (await source.list()).filter((entry) => entry.kind === "object" && isTarUrl(entry.url));
  const tree = await measureClassFolders(url);
  if (tars.length > 0) {
    refuseMixture(url, baseName((tars[0] as ObjectInfo).url), tree);
    return tars.map(tarSource);
  }
  const { divisions, byteLength, version } = tree;
  if (divisions.length === 0) throw new ToolkitError("NO_SOURCES", describeFolder(url, tree), { source: url });
  return [{ kind: "class-folders", address: url, url, byteLength, version, divisions }];
}

/** Reading either would lose the other. */
function refuseMixture(url: string, tar: string, { divisions, strayImages }: TreeFacts): void {
  const [other] = [
    ...divisions.map((name) => `the class folder ${name}`),
    ...strayImages.map((name) => `the image ${name}`),
  ];
  if (other === undefined) return;
  const message = `the folder holds both tars (${tar}) and images outside of them (${other}): which are meant? Give '${joinUrl(url, "*.tar*")}' for the tars, or move them out of it`;
  throw new ToolkitError("AMBIGUOUS_SOURCES", message, { source: url });
}

function describeFolder(url: string, { strayImages, archives }: TreeFacts): string {
  const what = "a folder with neither .tar files nor class folders with images in it";
  const [stray] = strayImages;
  if (stray !== undefined)
    return `${what}, but images such as ${stray}: sort them into a folder per class, or pack them in a tar and give \`labels\``;
  const [archive] = archives;
  if (archive === undefined) return what;
  return `${what}, but archives such as ${archive}: tars below it are given as '${joinUrl(url, "**/*.tar")}', others have to be unpacked`;
}

function tarSource({ url, byteLength, version, sequential }: ObjectInfo): Source {
  return { kind: "tar", address: url, url: publicUrl(url), byteLength, version, sequential };
}

/**
 * Indices of the sources of each of so many ranks: the largest first, each to the rank with the fewest bytes so far.
 */
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

/** A source's samples, problems and ignored files in order, in groups as they are read. */
export async function* readSource(source: Source, options: ReadSourceOptions): AsyncGenerator<readonly SourceItem[]> {
  const { rules, maxEntryBytes, allocate, from = 0 } = options;
  if (source.kind === "class-folders") {
    yield* readClassFolders(source.address, options);
    return;
  }
  const reader = openSourceBytes({ ...source, ...options, url: source.address });
  const skipped = new SkippedRun();
  let found = 0;
  let ignored = 0;
  let terminated = true;
  async function* entries() {
    const tar = readTar(reader, source.url, {
      maxEntryBytes,
      wants: (name) => {
        const kind = sampleKindOf(name);
        return kind === "label" || (kind === "image" && isImageField(name, rules));
      },
      wantsHead: (name, head) => mayHoldImage(name) && looksLikeImage(head),
      tellsPassed: true,
      allocate: (byteLength, name) => (isLabelName(name) ? new Uint8Array(byteLength) : allocate(byteLength)),
      from,
      onSkipped: skipped.add,
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
    for await (const items of groupByKey(entries(), rules, divisionOfSource(source.url), skipped)) {
      for (const item of items) {
        if ("ignored" in item) ignored++;
        else found++;
      }
      yield items;
    }
  } finally {
    await reader.close();
  }
  const end = { key: source.url, entry: source.url, offset: reader.position, position: reader.position };
  if (found === 0 && from === 0) yield [{ ...end, problem: "EMPTY_TAR", message: describeEmpty(source, ignored) }];
  if (!terminated && found > 0) {
    const message = "the tar ends without an end-of-archive marker: what it holds was read, but entries may be missing";
    yield [{ ...end, problem: "TRUNCATED_TAR", message }];
  }
}

function describeEmpty({ byteLength }: Source, ignored: number): string {
  if (byteLength === 0) return "the tar is empty, 0 bytes; copy it there again";
  if (ignored === 0) return "the tar holds no file";
  return `the tar holds no image: none of its ${ignored} files is one by its name or its first bytes`;
}

/** The names of a source's images, without reading them: for `labels` files that go by the order of names. */
export async function listSourceImages(source: Source, signal?: AbortSignal): Promise<string[]> {
  if (source.kind === "class-folders") return listTreeImages(source.address, signal);
  return (await listEntries(source, signal)).map(({ name }) => name).filter(isImageName);
}

async function listEntries(
  source: Source,
  signal?: AbortSignal,
  isEnough?: (name: string) => boolean,
): Promise<ListedEntry[]> {
  const reader = openSourceBytes({ ...source, url: source.address, peek: isEnough !== undefined, signal });
  const entries: ListedEntry[] = [];
  try {
    for await (const entry of listTar(reader, source.url)) {
      entries.push(entry);
      if (isEnough?.(entry.name)) break;
    }
  } finally {
    await reader.close();
  }
  return entries;
}

/**
 * The classes a source is divided into: its class folders, the tars in it, or the one synset that it is named after.
 */
export async function divisionsOf(source: Source, signal?: AbortSignal): Promise<readonly string[]> {
  if (source.kind === "class-folders") return source.divisions ?? [];
  const own = divisionOfSource(source.url);
  if (own !== undefined) return [own];
  // Only a tar that begins with a tar is looked through: the headers of any other would all have to be read for
  // nothing. A read-me and what a system left there may stand before it.
  let looks = 0;
  const isTelling = (name: string) => isTarName(name) || isImageName(name) || ++looks === maxLooks;
  const first = (await listEntries(source, signal, isTelling)).at(-1);
  if (first === undefined || !isTarName(first.name)) return [];
  const entries = await listEntries(source, signal);
  return entries.flatMap(({ name, archive }) => {
    const tar = isTarName(name) ? name : isImageName(name) ? archive : undefined;
    return tar === undefined ? [] : [divisionOfInnerTar(tar)];
  });
}
