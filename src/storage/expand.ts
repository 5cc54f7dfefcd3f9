// Patterns as users write them -> URLs: braces everywhere, globs wherever folders can be listed.
import braces from "braces";
import picomatch from "picomatch";
import { ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import { publicUrl } from "../public-url.js";
import { at } from "./at.js";
import { baseName, isRemote, joinUrl } from "./url.js";

/** Looks at services' objects, and lists of their folders, at a time. */
const looksInFlight = 16;

/**
 * Expands `{000000..000146}` (keeping leading zeros) and globs (`*`, `?`, `[a-z]`, `**` for folders at any depth);
 * results of one glob are sorted, the patterns' order is kept and duplicates are dropped. NO_SOURCES when a pattern
 * matches nothing.
 */
export async function expandPatterns(patterns: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const urls: string[] = [];
  for (const pattern of patterns) {
    // A file may have braces or brackets in its name: what exists under the literal name is meant literally.
    if (await exists(pattern)) {
      urls.push(pattern);
      continue;
    }
    const candidates = isHttp(pattern) ? expandHttp(pattern) : braces.expand(pattern);
    const expand = (candidate: string) => expandGlob(candidate, pattern);
    for await (const found of mapOrdered(candidates, expand, { limit: looksInFlight, signal })) urls.push(...found);
  }
  if (urls.length === 0) throw new ToolkitError("NO_SOURCES", "no source was named");
  return [...new Set(urls)];
}

const isHttp = (pattern: string) => /^https?:/i.test(pattern);

/** A query is not a pattern. */
function expandHttp(pattern: string): string[] {
  const [, place = "", query = ""] = /^([^?#]*)(.*)$/s.exec(pattern) ?? [];
  return braces.expand(place).map((url) => url + query);
}

async function expandGlob(candidate: string, pattern: string): Promise<string[]> {
  if (await exists(candidate)) return [candidate];
  const found = isHttp(candidate) ? [] : await walk(candidate);
  if (found.length > 0) return found.sort();
  throw new ToolkitError(
    "NO_SOURCES",
    `no ${isRemote(candidate) ? "object" : "file"} matches ${publicUrl(candidate)}${candidate === pattern ? "" : ` (from ${publicUrl(pattern)})`}`,
    { source: candidate },
  );
}

/** A pattern without wildcards names one thing, and that does not exist. */
async function walk(pattern: string): Promise<string[]> {
  const { base, glob, isGlob } = picomatch.scan(pattern);
  if (!isGlob) return [];
  const root = base === "" ? (pattern.startsWith("/") ? "/" : ".") : base;
  const found = await descend(root, glob.split("/"));
  // What is listed under "." is named as the pattern was.
  return base === "" ? found.map((url) => url.replace(/^\.\//, "")) : found;
}

async function descend(folder: string, [segment = "", ...rest]: readonly string[]): Promise<string[]> {
  const info = await at(folder).stat();
  if (info?.kind !== "folder") return [];
  const anyDepth = segment === "**";
  const matches = picomatch(anyDepth ? "*" : segment);
  const namePrefix = anyDepth ? "" : /^[^*?[\](){}!+@\\]*/.exec(segment)?.[0];
  const entries = await at(folder).list(namePrefix ? { namePrefix } : {});
  const found: string[] = anyDepth && rest.length > 0 ? await descend(folder, rest) : [];
  for (const entry of entries) {
    if (entry.kind === "folder" && entry.problem !== undefined) {
      if (!anyDepth) continue; // it has no name that a pattern could match
      throw new ToolkitError("UNSUPPORTED_ENTRY", entry.problem, { source: entry.url });
    }
    const name = baseName(entry.url);
    if (!matches(name)) continue;
    const url = joinUrl(folder, name);
    if (anyDepth && entry.kind === "folder") found.push(...(await descend(url, [segment, ...rest])));
    else if (rest.length === 0) found.push(url);
    else if (entry.kind === "folder" && !anyDepth) found.push(...(await descend(url, rest)));
  }
  return found;
}

async function exists(url: string): Promise<boolean> {
  return (await at(url).stat()) !== undefined;
}
