// The output folder's state: empty, ours and unfinished, ours and complete, or somebody else's. Nothing here reads
// samples.
import { ToolkitError } from "../../errors.js";
import type { Codec } from "../../native/index.js";
import {
  type Manifest,
  manifestName,
  parseSidecar,
  readManifest,
  type Sidecar,
  type SourceEntry,
  shardName,
  shardPrefix,
  sidecarName,
} from "../../shards/manifest.js";
import { at, writableAt } from "../../storage/at.js";
import { putObject, readText } from "../../storage/objects.js";
import { baseName, joinUrl } from "../../storage/url.js";

/**
 * Written first: which data set the folder is for. Its absence or difference is what makes a folder somebody else's.
 */
const jobName = "job.json";

const ownFile = /^(shard-\d{5}-\d{5}\.(arrow|seek|json)|manifest\.json|index\.arrow|job\.json|errors\.jsonl)$/;
/** Whether preprocess writes files of this name. */
export const isOutputFile = (name: string) => ownFile.test(name);

/** Everything that decides the bytes of the output: options and the identity of the sources. */
export interface Job {
  readonly options: { readonly codec: Codec } & Readonly<Record<string, unknown>>;
  readonly sources: readonly SourceEntry[];
}

export type OutputState = { readonly kind: "unfinished" } | { readonly kind: "complete"; readonly manifest: Manifest };

/**
 * Claims `folder` for `job`, which several processes may do at once. OUTPUT_HOLDS_ANOTHER_DATASET, naming what differs,
 * when it was made by another job; `overwrite` clears it instead.
 */
export async function claimOutput(folder: string, job: Job, overwrite: boolean): Promise<OutputState> {
  if (overwrite) await clearOutput(folder);
  const text = JSON.stringify({ format: "dctstream-job", version: 1, ...job });
  const found = (await readText(joinUrl(folder, jobName))) ?? (await writeJob(folder, text));
  const difference = describeDifference(found, text);
  if (difference !== undefined) throw anotherDataset(folder, difference);
  const manifest = await at(joinUrl(folder, manifestName)).stat();
  return manifest === undefined
    ? { kind: "unfinished" }
    : { kind: "complete", manifest: await readManifest(joinUrl(folder, manifestName)) };
}

/** The job that the folder is for from now on: this one, or another process's that was faster. */
async function writeJob(folder: string, text: string): Promise<string> {
  const names = await listOwn(folder);
  const strange = names.includes(jobName) ? undefined : names[0];
  if (strange !== undefined) throw anotherDataset(folder, `it holds ${strange}, but no ${jobName}`);
  try {
    await putObject(joinUrl(folder, jobName), `${text}\n`, { ifAbsent: true });
    return text;
  } catch (error) {
    if (!(error instanceof ToolkitError) || error.code !== "OBJECT_EXISTS") throw error;
    return (await readText(joinUrl(folder, jobName))) ?? "";
  }
}

function anotherDataset(folder: string, difference: string): ToolkitError {
  return new ToolkitError(
    "OUTPUT_HOLDS_ANOTHER_DATASET",
    `${difference}; choose another \`out\`, or replace it with \`overwrite\``,
    { source: folder },
  );
}

function describeDifference(found: string, wanted: string): string | undefined {
  if (found.trim() === wanted) return undefined;
  try {
    const [old, now] = [JSON.parse(found) as Job, JSON.parse(wanted) as Job];
    if (old.options.form !== now.options.form)
      return `it holds ${old.options.form === "index" ? "an index" : "coefficients"}, which this would not write`;
    for (const key of new Set([...Object.keys(old.options), ...Object.keys(now.options)])) {
      const [before, after] = [JSON.stringify(old.options[key]), JSON.stringify(now.options[key])];
      if (before !== after && key === "labels")
        return "it was made with other classes or labels (`classes`, `labels`, `labelField`, the sources' class folders)";
      if (before !== after) return `it was made with ${key} ${before}, now ${after}`;
    }
    if (old.sources.length !== now.sources.length)
      return `it was made from ${old.sources.length} sources, now ${now.sources.length}`;
    const changed = now.sources.find((source, i) => JSON.stringify(source) !== JSON.stringify(old.sources[i]));
    return `it was made from other sources: ${changed?.url ?? "in another order"} is different or has changed`;
  } catch {
    return `its ${jobName} cannot be read`;
  }
}

async function listOwn(folder: string): Promise<string[]> {
  const info = await at(folder).stat();
  if (info === undefined) return [];
  if (info.kind !== "folder")
    throw new ToolkitError("OUTPUT_NOT_WRITABLE", "expected a folder, found a file", { source: folder });
  return (await at(folder).list()).map((entry) => baseName(entry.url)).filter(isOutputFile);
}

/** Removes what preprocess writes and nothing else; the manifest first, so that no reader trusts the rest. */
export async function clearOutput(folder: string): Promise<void> {
  const names = await listOwn(folder);
  const ordered = [...names.filter((name) => name === manifestName), ...names.filter((name) => name !== manifestName)];
  for (const name of ordered) await writableAt(joinUrl(folder, name)).remove();
}

/**
 * The sidecars of a source's parts that are done, from the first on; writing continues after them unless the last is
 * the source's end.
 */
export async function readFinishedParts(folder: string, source: number): Promise<Sidecar[]> {
  const sidecars: Sidecar[] = [];
  const listed = await at(folder).list({ namePrefix: shardPrefix(source) });
  const bytesOf = new Map(listed.map(({ url, byteLength }) => [baseName(url), byteLength]));
  while (sidecars.at(-1)?.endOfSource !== true) {
    const name = shardName(source, sidecars.length);
    const url = joinUrl(folder, sidecarName(name));
    const text = bytesOf.has(sidecarName(name)) ? await readText(url) : undefined;
    if (text === undefined) break;
    const sidecar = parseSidecar(text, url);
    const { shard } = sidecar;
    const files = shard === undefined ? [] : [shard, ...(shard.seek === undefined ? [] : [shard.seek])];
    if (files.some((file) => bytesOf.get(file.name) !== file.byteLength)) break;
    sidecars.push(sidecar);
  }
  return sidecars;
}
