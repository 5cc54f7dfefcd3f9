// The end of the write half: the sidecars of all shards, merged into the manifest that makes the data set complete.
import { ToolkitError } from "../../errors.js";
import {
  type ClassEntry,
  type Failure,
  type FrequencyStatistics,
  type Manifest,
  manifestName,
  type SidecarBody,
  writeManifest,
} from "../../shards/manifest.js";
import { baseName, joinUrl, putObject } from "../../storage/store.js";
import { listClasses } from "./class-folders.js";
import { clearOutput, type Job } from "./output.js";
import type { Source } from "./sources.js";

export const sumOf = <T>(items: readonly T[], pick: (item: T) => number) =>
  items.reduce((total, item) => total + pick(item), 0);

/** Writes errors.jsonl and the manifest. NO_SAMPLES, NO_LABELS, EMPTY_TAR when there is nothing to publish; the folder is cleared then. */
export async function publishManifest(
  out: string,
  job: Job,
  sources: readonly Source[],
  sidecars: readonly SidecarBody[],
): Promise<Manifest> {
  const failures = sidecars.flatMap((sidecar) => sidecar.failures);
  const samples = sumOf(sidecars, (sidecar) => sidecar.shard?.samples ?? 0);
  if (samples === 0) {
    await clearOutput(out);
    throw noSamples(failures, sources);
  }
  const body = {
    codec: job.options.codec,
    options: job.options,
    sources: [...job.sources],
    samples,
    failed: failures.length,
    errors: countByCode(failures),
    inputBytes: sumOf(sidecars, (sidecar) => sidecar.inputBytes),
    classes: await mergeClasses(sidecars, sources),
    frequencies: mergeFrequencies(sidecars),
    shards: sidecars.flatMap(({ shard }) => (shard === undefined ? [] : [shard])),
  };
  if (failures.length > 0)
    await putObject(joinUrl(out, "errors.jsonl"), failures.map((failure) => `${JSON.stringify(failure)}\n`).join(""));
  return writeManifest(joinUrl(out, manifestName), body);
}

function noSamples(failures: readonly Failure[], sources: readonly Source[]): ToolkitError {
  const first = failures[0];
  const source = first?.source ?? sources[0]?.url;
  if (failures.length > 0 && failures.every(({ code }) => code === "MISSING_LABEL")) {
    return new ToolkitError(
      "NO_LABELS",
      `none of ${failures.length} images has a label; put a .cls file with the class index beside each image, or sort the images into class folders`,
      { source },
    );
  }
  if (failures.length > 0 && failures.every(({ code }) => code === "EMPTY_TAR"))
    return new ToolkitError("EMPTY_TAR", first?.message ?? "", { source });
  return new ToolkitError(
    "NO_SAMPLES",
    `no sample could be read${first === undefined ? "" : `; ${failures.length} failed, the first: ${first.code}: ${first.message}`}`,
    { source, key: first?.key },
  );
}

function countByCode(failures: readonly Failure[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of failures) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** Every class seen; of class folders also those without a single good image, so that indices mean the same in every part of a data set. */
async function mergeClasses(sidecars: readonly SidecarBody[], sources: readonly Source[]): Promise<ClassEntry[]> {
  const classes = new Map<number, ClassEntry>();
  for (const entry of sidecars.flatMap((sidecar) => sidecar.classes))
    classes.set(entry.index, { ...classes.get(entry.index), ...entry });
  for (const source of sources.filter(({ kind }) => kind === "class-folders")) {
    for (const [index, folder] of (await listClasses(source.url)).entries()) {
      if (!classes.has(index)) classes.set(index, { index, name: baseName(folder.url) });
    }
  }
  return [...classes.values()].sort((a, b) => a.index - b.index);
}

function mergeFrequencies(sidecars: readonly SidecarBody[]): FrequencyStatistics[] {
  const total = (index: number) => sumOf(sidecars, (sidecar) => sidecar.frequencies[index] ?? 0);
  return [0, 1, 2].map((component) => {
    const blocks = total(component);
    const moments = Array.from({ length: 64 }, (_, k) => {
      const at = component * 64 + k;
      const mean = blocks === 0 ? 0 : total(3 + at) / blocks;
      const variance = blocks === 0 ? 0 : total(3 + 3 * 64 + at) / blocks - mean * mean;
      return { mean, std: Math.sqrt(Math.max(0, variance)) };
    });
    return { blocks, mean: moments.map(({ mean }) => mean), std: moments.map(({ std }) => std) };
  });
}
