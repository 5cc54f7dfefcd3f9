// Sources -> a data set, of either form: settles what is to be done, lets a run do it, and publishes the manifest when
// nothing is missing.
import { ToolkitError } from "../../errors.js";
import { type SidecarBody, shardPrefix } from "../../shards/manifest.js";
import { countersSince, storageCounters } from "../../storage/counters.js";
import { joinUrl } from "../../storage/url.js";
import { type LockedWork, withLock } from "../../storage/with-lock.js";
import type { LabelRules } from "./label-rules.js";
import { settleLabels } from "./labels.js";
import type { PreprocessOptions, Settings } from "./options.js";
import { claimOutput, isOutputFile, type Job, readFinishedParts } from "./output.js";
import { PreprocessClock } from "./preprocess-clock.js";
import { type Counted, publishManifest, summarise } from "./publish.js";
import { writeQuarantine } from "./quarantine.js";
import { type PreprocessReport, reportOf } from "./report.js";
import { PreprocessRun } from "./run.js";
import { divideSources, type Source } from "./sources.js";

/**
 * Reads every sample of the sources once and writes shards, sidecars, errors.jsonl and, last, the manifest. `options`
 * are what `settings` was made of. The errors are preprocess's.
 */
export async function writeDataset(
  options: PreprocessOptions,
  settings: Settings,
  found: readonly Source[],
): Promise<PreprocessReport> {
  const before = storageCounters();
  const labels = await settleLabels(options, found, settings.signal);
  const sources = Array.from({ length: options.passes ?? 1 }, () => found).flat();
  const ours = ownSources(sources, settings);
  const report = await withLock(claimOf(settings, ours), (signal) =>
    run({ ...settings, signal }, sources, ours, labels.rules, labels.fingerprint),
  );
  return { ...report, storage: countersSince(before) };
}

/** Indices of the sources that this rank reads. */
function ownSources(sources: readonly Source[], { rank, worldSize, merge }: Settings): ReadonlySet<number> {
  if (merge) return new Set();
  return new Set(divideSources(sources, worldSize)[rank]);
}

/** Ranks work in one folder, each on files of its own: every one claims its part. */
function claimOf(settings: Settings, ours: ReadonlySet<number>): LockedWork {
  const { out, rank, worldSize, merge, signal } = settings;
  const work = settings.form === "index" ? "index" : "preprocess";
  if (worldSize === 1 && !merge) return { folder: out, what: work, isOwn: isOutputFile, signal };
  const prefixes = [...ours].map(shardPrefix);
  return {
    folder: joinUrl(out, merge ? ".ranks/merge" : `.ranks/${rank}-of-${worldSize}`),
    writesTo: out,
    what: merge ? "merge" : `${work} of rank ${rank}`,
    isOwn: (name) => prefixes.some((prefix) => name.startsWith(prefix)),
    signal,
  };
}

function jobOf(settings: Settings, sources: readonly Source[], labels: string): Job {
  const { form, codec, maxShardBytes, maxPixels, maxImageBytes, orient, resize } = settings;
  const options = { codec, maxShardBytes, maxPixels, maxImageBytes, orient };
  if (form === "index")
    return {
      options: { form, ...options, labels },
      sources: sources.map(({ url, byteLength, version, kind }) => ({ url, byteLength, version, kind })),
    };
  return {
    options: { ...options, resize: resize ?? null, labels },
    sources: sources.map(({ url, byteLength, version }) => ({ url, byteLength, version })),
  };
}

async function run(
  settings: Settings,
  sources: readonly Source[],
  ours: ReadonlySet<number>,
  rules: LabelRules,
  labels: string,
): Promise<Omit<PreprocessReport, "storage">> {
  const started = performance.now();
  const { out, maxImageBytes } = settings;
  const job = jobOf(settings, sources, labels);
  const state = await claimOutput(out, job, settings.overwrite);
  const seconds = () => (performance.now() - started) / 1000;
  const clock = new PreprocessClock(settings.workers, settings.recorder);
  settings.onCounters?.(() => clock.counters);
  const told = (counted: Counted, samplesRead: number, complete: boolean) => {
    return { ...reportOf(counted, out, seconds(), samplesRead, complete), pipeline: clock.counters };
  };
  if (state.kind === "complete") return told(state.manifest, 0, true);
  const writing = new PreprocessRun(settings, sources, ours, rules, clock);
  const own = await writing.writeAll();
  const all = ours.size === sources.length ? own : await finishedByAll(settings, sources);
  if (all === undefined) return told(summarise(own), writing.samplesRead, false);
  if (settings.quarantine !== undefined) {
    const failures = all.flatMap((sidecar) => sidecar.failures);
    await writeQuarantine(settings.quarantine, failures, sources, maxImageBytes, settings.signal);
  }
  const manifest = await publishManifest(out, job, sources, rules, all);
  return told(manifest, writing.samplesRead, true);
}

/**
 * The sidecars of all sources in order; undefined when other ranks are still at work on some. MISSING_SIDECAR when
 * `merge` was asked for.
 */
async function finishedByAll({ out, merge }: Settings, sources: readonly Source[]): Promise<SidecarBody[] | undefined> {
  const all: SidecarBody[] = [];
  for (const [index, source] of sources.entries()) {
    const parts = await readFinishedParts(out, index);
    if (parts.at(-1)?.endOfSource !== true) {
      if (!merge) return undefined;
      const message = `source ${index + 1} of ${sources.length} is not finished; run the rank that has it again, then merge`;
      throw new ToolkitError("MISSING_SIDECAR", message, { source: source.url });
    }
    all.push(...parts);
  }
  return all;
}
