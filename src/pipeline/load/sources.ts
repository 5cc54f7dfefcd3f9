// The data of a loader: one data set, or several mixed, each with the part of it that is wanted.
import { createHash } from "node:crypto";
import { invalidOption } from "../../errors.js";
import type { ClassList, ClassMap } from "../../shards/class-list.js";
import { type Dataset, openDataset } from "../../shards/dataset.js";
import { classesOf, labelsIn } from "../../shards/dataset-classes.js";
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
  /**
   * One label per sample, as numbers of the loader's class list; the index has them as its own manifest numbers
   * classes.
   */
  readonly labels: Int32Array;
  readonly classMap: ClassMap;
}

/** Sources that go together, and the classes that their labels are numbers of. */
export interface OpenedSources {
  readonly sources: readonly OpenedSource[];
  readonly classes: ClassList;
}

/**
 * `classes`: what labels are to be numbers of. Default: the first source's. What openDataset and labelsIn throw, and
 * INVALID_OPTION.
 */
export async function openSources(data: LoaderData, classes?: ClassList): Promise<OpenedSources> {
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
  const target = classes ?? classesOf((opened[0] as (typeof opened)[number]).dataset.manifest);
  const sources = opened.map(({ dataset, selection }, i) => {
    const { labels, map } = labelsIn(dataset, target, selection);
    return { dataset, selection, repeat: repeats[i] as number, labels, classMap: map };
  });
  return { sources, classes: target };
}

/** A part of the data as far as it decides which samples there are. */
export interface FingerprintedSource extends Partial<Pick<OpenedSource, "selection" | "classMap">> {
  readonly manifest: LoadedManifest;
  readonly repeat: number;
}

/** A hash of what decides which samples there are, and their labels: a state must not continue with other data. */
export function fingerprint(sources: readonly FingerprintedSource[]): string {
  const hash = createHash("sha256");
  for (const { manifest, selection, repeat, classMap } of sources) {
    const { samples, index, shards } = manifest;
    hash.update(JSON.stringify([samples, index.crc32c, shards.length, repeat]));
    if (selection !== undefined) hash.update(selection);
    if (classMap?.numbers !== undefined) hash.update(JSON.stringify([...classMap.numbers]));
  }
  return hash.digest("hex").slice(0, 32);
}
