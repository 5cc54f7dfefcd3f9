// The data of a loader: one data set, or several mixed, each with the part of it that is wanted.
import { createHash } from "node:crypto";
import { invalidOption } from "../../errors.js";
import { type Dataset, openDataset } from "../../shards/dataset.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import { repeatsForWeights } from "../../shards/plan.js";
import { type Selection, type SelectionOptions, selectSamples } from "../../shards/selection.js";

/** A data set, or a part of one, among others. */
export interface LoaderSource extends SelectionOptions {
  readonly manifest: string | LoadedManifest;
  /** How often its samples come in an epoch. Default 1. */
  readonly repeat?: number | undefined;
  /** Its share of an epoch, relative to the other sources' weights; all sources have one, or none. */
  readonly weight?: number | undefined;
}

/** A manifest, its URL or its folder's; or several sources, mixed. */
export type LoaderData = string | LoadedManifest | readonly LoaderSource[];

export interface OpenedSource {
  readonly dataset: Dataset;
  readonly selection: Selection | undefined;
  readonly repeat: number;
}

/** What openDataset throws, and INVALID_OPTION. */
export async function openSources(data: LoaderData): Promise<OpenedSource[]> {
  const list = Array.isArray(data)
    ? (data as readonly LoaderSource[])
    : [{ manifest: data as string | LoadedManifest }];
  if (list.length === 0) throw invalidOption("manifest", "at least one", list);
  const opened = await Promise.all(
    list.map(async (source: LoaderSource) => {
      const dataset = await openDataset(source.manifest);
      const { classes, fraction, split, samples, seed } = source;
      const part = [classes, fraction, split, samples].some((limit) => limit !== undefined);
      return {
        dataset,
        source,
        selection: part ? selectSamples(dataset, { classes, fraction, split, samples, seed }) : undefined,
      };
    }),
  );
  const weighted = opened.filter(({ source }) => source.weight !== undefined).length;
  if (weighted !== 0 && weighted !== opened.length)
    throw invalidOption("weight", "given for every source or for none", weighted);
  const samplesOf = ({ dataset, selection }: (typeof opened)[number]) =>
    selection?.reduce((sum, one) => sum + one, 0) ?? dataset.manifest.samples;
  const repeats = weighted
    ? repeatsForWeights(opened.map((one) => ({ samples: samplesOf(one), weight: one.source.weight as number })))
    : opened.map(({ source }) => source.repeat ?? 1);
  return opened.map(({ dataset, selection }, i) => ({ dataset, selection, repeat: repeats[i] as number }));
}

/** Of what decides which samples there are: a state must not go on with other data. */
export function fingerprint(sources: readonly OpenedSource[]): string {
  const hash = createHash("sha256");
  for (const { dataset, selection, repeat } of sources) {
    const { samples, index, shards } = dataset.manifest;
    hash.update(JSON.stringify([samples, index.crc32c, shards.length, repeat]));
    if (selection !== undefined) hash.update(selection);
  }
  return hash.digest("hex").slice(0, 32);
}
