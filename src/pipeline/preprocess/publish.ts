// The end of the write half: the sidecars of all shards, merged into the manifest that makes the data set complete.
import { ToolkitError } from "../../errors.js";
import { crc32c } from "../../native/index.js";
import { printableJson } from "../../printable.js";
import {
  type ClassEntry,
  type Failure,
  type Manifest,
  manifestName,
  readManifest,
  type SidecarBody,
  writeManifest,
} from "../../shards/manifest.js";
import { indexName, parseSampleIndex } from "../../shards/sample-index.js";
import { SampleIndexBuilder } from "../../shards/sample-index-builder.js";
import { mergeStatistics } from "../../shards/statistics.js";
import { putObject } from "../../storage/objects.js";
import { joinUrl } from "../../storage/url.js";
import { ClassRegister, type ClassRules, checkGaps } from "./classes.js";
import { clearOutput, type Job } from "./output.js";
import type { Source } from "./sources.js";

export const sumOf = <T>(items: readonly T[], pick: (item: T) => number) =>
  items.reduce((total, item) => total + pick(item), 0);

/** What is counted over sidecars. */
export type Counted = Pick<
  Manifest,
  "samples" | "failed" | "errors" | "ignored" | "converted" | "inputBytes" | "shards"
>;

export function summarise(sidecars: readonly SidecarBody[]): Counted {
  const failures = sidecars.flatMap((sidecar) => sidecar.failures);
  return {
    samples: sumOf(sidecars, (sidecar) => sidecar.shard?.samples ?? 0),
    failed: failures.length,
    errors: countByCode(failures),
    ...sumIgnored(sidecars),
    converted: sumOf(sidecars, (sidecar) => sidecar.converted),
    inputBytes: sumOf(sidecars, (sidecar) => sidecar.inputBytes),
    shards: sidecars.flatMap(({ shard }) => (shard === undefined ? [] : [shard])),
  };
}

/**
 * Writes errors.jsonl and the manifest; another process may do the same at the same time. NO_SAMPLES, NO_LABELS,
 * EMPTY_TAR when there is nothing to publish; the folder is cleared then. BAD_CLASSES and BAD_LABEL when the parts do
 * not agree on what labels mean, and when labels leave absurd gaps.
 */
export async function publishManifest(
  out: string,
  job: Job,
  sources: readonly Source[],
  rules: ClassRules,
  sidecars: readonly SidecarBody[],
): Promise<Manifest> {
  const failures = sidecars.flatMap((sidecar) => sidecar.failures);
  const { shards, ...counts } = summarise(sidecars);
  if (counts.samples === 0) {
    await clearOutput(out);
    throw noSamples(failures, sources);
  }
  const body = {
    codec: job.options.codec,
    options: job.options,
    sources: [...job.sources],
    ...counts,
    classes: mergeClasses(sidecars, sources, rules),
    frequencies: mergeStatistics(sidecars.map(({ statistics }) => statistics)),
    shards,
    index: await publishIndex(out, sidecars),
  };
  if (failures.length > 0)
    await putObject(joinUrl(out, "errors.jsonl"), failures.map((failure) => `${printableJson(failure)}\n`).join(""));
  const url = joinUrl(out, manifestName);
  return writeManifest(url, body).catch((error: unknown) => {
    // Of the same sidecars.
    if (error instanceof ToolkitError && error.code === "OBJECT_EXISTS") return readManifest(url);
    throw error;
  });
}

async function publishIndex(out: string, sidecars: readonly SidecarBody[]): Promise<Manifest["index"]> {
  const builder = new SampleIndexBuilder();
  for (const { index } of sidecars)
    if (index !== undefined) builder.addAll(parseSampleIndex(Buffer.from(index, "base64"), out));
  const bytes = builder.finish();
  await putObject(joinUrl(out, indexName), bytes);
  return { name: indexName, byteLength: bytes.length, crc32c: crc32c(bytes) };
}

function noSamples(failures: readonly Failure[], sources: readonly Source[]): ToolkitError {
  const first = failures[0];
  const source = first?.source ?? sources[0]?.url;
  if (failures.length > 0 && failures.every(({ code }) => code === "MISSING_LABEL")) {
    return new ToolkitError(
      "NO_LABELS",
      `none of ${failures.length} images has a label; put a .cls file with the class index beside each image, sort the images into class folders, or give \`labels\``,
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

/** Counts by reason, in the order of the reasons; no field where nothing was ignored. */
function sumIgnored(sidecars: readonly SidecarBody[]): Pick<Counted, "ignored"> {
  const counts = new Map<string, number>();
  for (const { ignored = {} } of sidecars)
    for (const [reason, count] of Object.entries(ignored)) counts.set(reason, (counts.get(reason) ?? 0) + count);
  return counts.size === 0 ? {} : { ignored: Object.fromEntries([...counts].sort()) };
}

function mergeClasses(sidecars: readonly SidecarBody[], sources: readonly Source[], rules: ClassRules): ClassEntry[] {
  const register = new ClassRegister(rules);
  const urlOf = ({ source }: SidecarBody) => sources[source]?.url ?? "";
  for (const sidecar of sidecars) for (const entry of sidecar.classes) register.note(entry, urlOf(sidecar));
  const entries = register.settle();
  checkGaps(entries, (label) => {
    const sidecar = sidecars.find(({ classes }) => classes.some(({ index }) => index === label));
    if (sidecar?.index === undefined) return {};
    const index = parseSampleIndex(Buffer.from(sidecar.index, "base64"), urlOf(sidecar));
    return { source: urlOf(sidecar), key: index.key(index.label.indexOf(label)) };
  });
  return entries;
}
