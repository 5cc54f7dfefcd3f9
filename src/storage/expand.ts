// Patterns as users write them -> URLs: braces everywhere, globs on the local disk.
import braces from "braces";
import { glob, isDynamicPattern } from "tinyglobby";
import { ToolkitError } from "../errors.js";
import { openStore } from "./store.js";

/**
 * Expands `{000000..000146}` (keeping leading zeros) and globs; results of one glob are sorted, the patterns' order is kept and
 * duplicates are dropped. NO_SOURCES when a pattern matches nothing.
 */
export async function expandPatterns(patterns: readonly string[]): Promise<string[]> {
  const urls: string[] = [];
  for (const pattern of patterns) {
    // A file may have braces or brackets in its name: what exists under the literal name is meant literally.
    const candidates = (await exists(pattern)) ? [pattern] : braces.expand(pattern);
    for (const candidate of candidates) urls.push(...(await expandGlob(candidate, pattern)));
  }
  if (urls.length === 0) throw new ToolkitError("NO_SOURCES", "no source was named");
  return [...new Set(urls)];
}

async function expandGlob(candidate: string, pattern: string): Promise<string[]> {
  if (await exists(candidate)) return [candidate];
  const local = !candidate.includes("://");
  const found =
    local && isDynamicPattern(candidate) ? (await glob(candidate, { absolute: candidate.startsWith("/") })).sort() : [];
  if (found.length > 0) return found;
  throw new ToolkitError(
    "NO_SOURCES",
    `no file matches ${candidate}${candidate === pattern ? "" : ` (from ${pattern})`}`,
    { source: candidate },
  );
}

async function exists(url: string): Promise<boolean> {
  return (await openStore(url).stat(url)) !== undefined;
}
