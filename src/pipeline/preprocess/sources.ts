// What the user named -> the list of sources, each read in one piece, in a stable order.
import { ToolkitError } from "../../errors.js";
import type { SourceEntry } from "../../shards/manifest.js";
import { expandPatterns } from "../../storage/expand.js";
import { openStore } from "../../storage/store.js";
import { listClasses } from "./class-folders.js";

export interface Source extends SourceEntry {
  readonly kind: "tar" | "class-folders";
}

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
  const tars = (await store.list(url)).filter((entry) => entry.kind === "object" && entry.url.endsWith(".tar"));
  if (tars.length > 0)
    return tars.map(({ url: tar, byteLength, version }) => ({ kind: "tar", url: tar, byteLength, version }));
  if ((await listClasses(url)).length === 0)
    throw new ToolkitError("NO_SOURCES", "a folder with neither .tar files nor class folders in it", { source: url });
  return [{ kind: "class-folders", ...(await measureFolder(url)) }];
}

/** A class-folder tree changes when any of its files does; their sizes and times together are its version. */
async function measureFolder(url: string): Promise<SourceEntry> {
  let byteLength = 0;
  let newest = "";
  for (const folder of await listClasses(url)) {
    for (const file of await openStore(url).list(folder.url)) {
      byteLength += file.byteLength;
      const time = file.version.split("-").at(-1) ?? "";
      if (time.length > newest.length || (time.length === newest.length && time > newest)) newest = time;
    }
  }
  return { url, byteLength, version: `${byteLength}-${newest}` };
}
