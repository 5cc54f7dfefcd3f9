// Which samples of a data set take part: by class, a seeded fraction, or one side of a training/validation split.
import { invalidOption } from "../errors.js";
import { ClassList } from "./class-list.js";
import type { Dataset } from "./dataset.js";
import { randomFor, shuffle } from "./random.js";

/** Which samples of a data set take part; limits are combined. */
export interface SelectionOptions {
  /** Labels, or the classes' names or synsets. Default: all. */
  readonly classes?: readonly (number | string)[] | undefined;
  /** Share of every class that is kept, in (0, 1]; a smaller share is a part of a larger one. Default 1. */
  readonly fraction?: number | undefined;
  /** Share of every class that is set aside for validation, in [0, 1), and which side is wanted. */
  readonly split?: { readonly validation: number; readonly part: "train" | "validation" } | undefined;
  /** The numbers of the samples to take, in the order of the manifest. Default: all. */
  readonly samples?: readonly number[] | undefined;
  /** Decides who is in the fraction and the split. Default 0. */
  readonly seed?: number | undefined;
}

/** One byte per sample of a manifest: 1 takes part. */
export type Selection = Uint8Array;

/**
 * Every class keeps its share, rounded; the split is made first, so that validation samples never move into training
 * when the fraction changes. INVALID_OPTION for unknown classes and shares out of range, and when nothing is left.
 */
export function selectSamples(dataset: Pick<Dataset, "manifest" | "index">, options: SelectionOptions): Selection {
  const { fraction = 1, split, seed = 0 } = options;
  if (!(fraction > 0 && fraction <= 1)) throw invalidOption("fraction", "a share in (0, 1]", fraction);
  if (split !== undefined && !(split.validation >= 0 && split.validation < 1))
    throw invalidOption("split", "a share in [0, 1)", split.validation);
  const wanted = options.classes && labelsOf(dataset, options.classes);
  const named = options.samples && new Set(options.samples);
  const selection = new Uint8Array(dataset.index.length);
  for (const [label, members] of byLabel(dataset.index.label)) {
    if (wanted !== undefined && !wanted.has(label)) continue;
    shuffle(members, randomFor(seed, "selection", label));
    const validation = Math.round((split?.validation ?? 0) * members.length);
    const side = split?.part === "validation" ? members.slice(0, validation) : members.slice(validation);
    for (const sample of side.slice(0, Math.round(fraction * side.length)))
      if (named === undefined || named.has(sample)) selection[sample] = 1;
  }
  if (!selection.includes(1)) throw invalidOption("selection", "at least one sample", "none");
  return selection;
}

function byLabel(labels: Int32Array): Map<number, number[]> {
  const members = new Map<number, number[]>();
  for (const [sample, label] of labels.entries()) {
    const list = members.get(label);
    if (list === undefined) members.set(label, [sample]);
    else list.push(sample);
  }
  return members;
}

function labelsOf({ manifest }: Pick<Dataset, "manifest">, names: readonly (number | string)[]): Set<number> {
  const list = new ClassList(manifest.classes, { source: manifest.url });
  const labelOf = (name: number | string): number => {
    const found = typeof name === "number" ? list.at(name)?.index : list.indexOf(name);
    if (found !== undefined) return found;
    if (typeof name === "string" && list.isShared(name))
      throw invalidOption("classes", "a synset or number where two classes have the same name", name);
    const some = manifest.classes.slice(0, 5).map((entry) => entry.name ?? entry.synset ?? String(entry.index));
    throw invalidOption("classes", `classes of the manifest, such as ${some.join(", ")}`, name);
  };
  return new Set(names.map(labelOf));
}
