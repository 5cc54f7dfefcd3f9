// What a user names as data -> a manifest: a data set's own, or that of an index of sources, which is made first and
// kept for the next time.
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ToolkitError } from "../errors.js";
import { type LoadedManifest, manifestName, readManifest } from "../shards/manifest.js";
import { at } from "../storage/at.js";
import { joinUrl } from "../storage/url.js";
import { indexSources } from "./preprocess/index-sources.js";
import type { PreprocessProgress } from "./preprocess/options.js";
import { findSources, type Source } from "./preprocess/sources.js";

export interface ManifestOfOptions {
  /** Folder for indexes; each has one of its own in it. Default: `dctstream` in the user's cache folder. */
  readonly cacheFolder?: string | undefined;
  /** Called while sources are indexed; not when the index is there already. */
  readonly onProgress?: ((progress: PreprocessProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often is looked whether another process has made the index. */
const retryMs = 500;

/**
 * The manifest at `place`, its URL or its folder's. Where there is none but a tar, a pattern of tars, or a folder of
 * tars or class folders, an index of these is made in the cache folder, unless it is there already.
 *
 * Errors: those of readManifest and indexSources.
 */
export async function manifestOf(place: string, options: ManifestOfOptions = {}): Promise<LoadedManifest> {
  if (place.endsWith(".json")) return readManifest(place);
  if ((await at(joinUrl(place, manifestName)).stat(options.signal)) !== undefined) return readManifest(place);
  const sources = await sourcesAt(place);
  return sources === undefined ? readManifest(place) : readManifest(await indexOf(place, sources, options));
}

/** Undefined where there are none: the place was to be a data set. */
async function sourcesAt(place: string): Promise<readonly Source[] | undefined> {
  try {
    return await findSources([place]);
  } catch (error) {
    if (error instanceof ToolkitError && error.code === "NO_SOURCES") return undefined;
    throw error;
  }
}

/** The folder of the index of these sources, as they are now. */
async function indexOf(place: string, sources: readonly Source[], options: ManifestOfOptions): Promise<string> {
  const { cacheFolder = defaultFolder(), onProgress, signal } = options;
  const identity = JSON.stringify(sources.map(({ url, byteLength, version }) => [url, byteLength, version]));
  const name = createHash("sha256").update(identity).digest("hex").slice(0, 24);
  const out = joinUrl(cacheFolder, `index-${name}`);
  if ((await at(joinUrl(out, manifestName)).stat(signal)) !== undefined) return out;
  await oneAtATime(() => indexSources({ sources: [place], out, onProgress, signal }), signal);
  return out;
}

/** Of processes that want the same index one makes it, and the others wait. */
async function oneAtATime(index: () => Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    try {
      await index();
      return;
    } catch (error) {
      if (!(error instanceof ToolkitError) || error.code !== "OUTPUT_IN_USE") throw withAdvice(error);
      await delay(retryMs, undefined, { signal });
    }
  }
}

/** Who names images as data gives no labels with them. */
function withAdvice(error: unknown): unknown {
  if (!(error instanceof ToolkitError) || error.code !== "NO_LABELS") return error;
  const message = "the images have no labels beside them: make their index with dctstream index, which takes a list";
  return new ToolkitError("NO_LABELS", message, { source: error.source, cause: error });
}

function defaultFolder(): string {
  const { XDG_CACHE_HOME } = process.env;
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "dctstream");
}
