// What lies in a folder of the disk, whatever its names are made of, with what cannot be read: links to nothing, pipes,
// devices.
import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { isMissing } from "../../system-errors.js";
import type { ObjectInfo } from "../object-store.js";
import { bytePath, urlInFolder } from "./file-name.js";

/** Looks at files under way: each takes one of the few threads that Node has for the disk. */
const looksInFlight = 64;

/**
 * Everything directly in the folder `path`, in name order. Throws the system's error when the folder cannot be listed.
 */
export async function listLocalFolder(path: string, namePrefix = ""): Promise<ObjectInfo[]> {
  const prefix = Buffer.from(namePrefix);
  const found = await readdir(bytePath(path) ?? path, { encoding: "buffer", withFileTypes: true });
  const entries = found
    .filter(({ name }) => name.subarray(0, prefix.length).equals(prefix))
    .map((entry) => ({ entry, url: urlInFolder(path, entry.name) }))
    .sort((a, b) => (nameIn(a.url) < nameIn(b.url) ? -1 : 1));
  const infos: ObjectInfo[] = [];
  for (let at = 0; at < entries.length; at += looksInFlight) {
    const part = entries.slice(at, at + looksInFlight);
    const seen = await Promise.all(part.map(({ entry, url }) => lookAt(url, entry)));
    infos.push(...seen.filter((info) => info !== undefined));
  }
  return infos;
}

const nameIn = (url: string) => url.slice(url.lastIndexOf("/") + 1);

/** Undefined for what was removed since the folder was read. */
async function lookAt(url: string, entry: Dirent<Buffer>): Promise<ObjectInfo | undefined> {
  const isLink = entry.isSymbolicLink();
  const link = isLink ? { isLink } : {};
  try {
    const found = await stat(bytePath(url) ?? url);
    const version = `${found.size}-${Math.round(found.mtimeMs)}`;
    if (found.isDirectory()) return { url, byteLength: found.size, version, kind: "folder", ...link };
    if (found.isFile()) return { url, byteLength: found.size, version, kind: "object", ...link };
    return { url, byteLength: 0, version: "", kind: "other", problem: "a pipe, a socket or a device" };
  } catch (error) {
    if (!isLink && isMissing(error)) return undefined;
    const problem = isLink ? `a link that leads nowhere: ${reason(error)}` : reason(error);
    return { url, byteLength: 0, version: "", kind: "other", problem, ...link };
  }
}

const reason = (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error);

/** The folders that links have led to, on one walk through a tree. */
export class LinkedFolders {
  private readonly places = new Set<string>();

  /**
   * Whether a link leads to a folder that it lies in, which are `above`, or that another link has led to: there may be
   * no end to it.
   */
  async wereEntered(link: string, above: readonly string[]): Promise<boolean> {
    const real = await withoutLinks(link);
    for (const folder of above) {
      const place = await withoutLinks(folder);
      if (place === real || place.startsWith(real === "/" ? real : `${real}/`)) return true;
    }
    if (this.places.has(real)) return true;
    this.places.add(real);
    return false;
  }
}

/** The path of a folder without links in it. */
async function withoutLinks(folder: string): Promise<string> {
  return (await realpath(bytePath(folder) ?? folder, { encoding: "buffer" })).toString("latin1");
}
