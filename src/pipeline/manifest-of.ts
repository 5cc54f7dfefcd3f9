// What a user names as data -> a manifest: a data set's own, or that of an index of sources, which is made first and
// kept for the next time.
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isErrorCode, ToolkitError } from "../errors.js";
import { type LoadedManifest, manifestName, readManifest } from "../shards/manifest.js";
import { at, writableAt } from "../storage/at.js";
import { joinUrl } from "../storage/url.js";
import { isPattern } from "./direct/image-files.js";
import { enterable, indexSources } from "./preprocess/index-sources.js";
import type { PreprocessProgress } from "./preprocess/options.js";
import { findSources, isTarUrl, type Source } from "./preprocess/sources.js";

export interface ManifestOfOptions {
  /** Folder for indexes; each has one of its own in it. Default: `dctstream` in the user's cache folder. */
  readonly cacheFolder?: string | undefined;
  /** Called while sources are indexed; not when the index is there already. */
  readonly onProgress?: ((progress: PreprocessProgress) => void) | undefined;
  /** Receives which images an index had to leave out. */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
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
  const own = await datasetAt(place, options.signal);
  if (own !== undefined) return own;
  const sources = await sourcesAt(place);
  if (sources === undefined) return readManifest(place);
  const manifest = await readManifest(await indexOf(place, sources, options));
  if (manifest.failed > 0) options.onWarning?.(failuresOf(manifest));
  return manifest;
}

/**
 * The manifest at a place that may be one; undefined for tars, patterns, and where there is none. What is there is not
 * asked for below a tar, which a service may answer in any way.
 */
export async function datasetAt(place: string, signal?: AbortSignal): Promise<LoadedManifest | undefined> {
  if (place.endsWith(".json")) return readManifest(place);
  if (isTarUrl(place) || isPattern(place)) return undefined;
  return (await at(joinUrl(place, manifestName)).stat(signal)) === undefined ? undefined : readManifest(place);
}

/** Undefined where there are none: the place was to be a data set. */
async function sourcesAt(place: string): Promise<readonly Source[] | undefined> {
  try {
    return (await findSources([place])).map(enterable);
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
  while ((await at(joinUrl(out, manifestName)).stat(signal)) === undefined) {
    try {
      await indexSources({ sources: [place], out, onProgress, signal });
    } catch (error) {
      if (!(error instanceof ToolkitError) || error.code !== "OUTPUT_IN_USE") throw withAdvice(error);
      await whileInUse(out, signal);
    }
  }
  return out;
}

/** Of processes that want the same index one makes it, and the others wait until it has ended. */
async function whileInUse(out: string, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    await delay(retryMs, undefined, { signal });
    const lock = await writableAt(out).lock(signal);
    if (lock === undefined) continue;
    await lock.release();
    return;
  }
}

/** Images that are in the index's errors.jsonl, and would otherwise be missing without a word. */
function failuresOf({ failed, samples, errors, folder }: LoadedManifest): ToolkitError {
  const byCount = Object.entries(errors).sort(([, a], [, b]) => b - a);
  const [most = ""] = byCount[0] ?? [];
  const counts = byCount.map(([code, count]) => `${code} ${count}`).join(", ");
  const message = `${failed} of ${failed + samples} images cannot be read (${counts}) and are left out; each is in errors.jsonl`;
  return new ToolkitError(isErrorCode(most) ? most : "BAD_IMAGE", message, { source: folder });
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
