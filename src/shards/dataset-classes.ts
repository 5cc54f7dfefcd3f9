// The classes of a data set, held against its samples: no label leaves a data set before it is known what it means.
import { type ErrorFacts, ToolkitError } from "../errors.js";
import { ClassList, type ClassMap, classesDiffer, mapClasses, strayLabel } from "./class-list.js";
import { type Dataset, openIndex } from "./dataset.js";
import type { LoadedManifest } from "./manifest.js";
import type { Selection } from "./selection.js";

/** The classes that a manifest lists. BAD_CLASSES when it lists one twice. */
export function classesOf(manifest: LoadedManifest): ClassList {
  return new ClassList(manifest.classes, { source: manifest.url });
}

/**
 * The classes of a manifest, for code that needs memory for every class. Throws BAD_LABEL, naming the sample, for
 * labels that leave absurd gaps.
 */
export async function countableClasses(manifest: LoadedManifest): Promise<ClassList> {
  const list = classesOf(manifest);
  const { stray } = list;
  if (stray === undefined) return list;
  const { index } = await openIndex(manifest);
  const sample = index.label.indexOf(stray);
  throw strayLabel(list, stray, { source: manifest.url, key: sample < 0 ? undefined : index.key(sample) });
}

/**
 * How a data set's classes stand in `target`. BAD_LABEL and CLASSES_DIFFER as from labelsIn; reads the index only where
 * samples decide.
 */
export async function compareClasses(manifest: LoadedManifest, target: ClassList): Promise<ClassMap> {
  const map = mapClasses(classesOf(manifest), target);
  if (map.lacking.size > 0 || map.refusal !== undefined) labelsIn(await openIndex(manifest), target);
  return map;
}

/** Labels as numbers of another list, and how they got there. */
export interface MappedLabels {
  /** Labels [samples]; -1 for a class that the list lacks, which no selected sample has. */
  readonly labels: Int32Array;
  readonly map: ClassMap;
}

/**
 * The labels of a data set as numbers of `target`. CLASSES_DIFFER, when a selected sample is of a class that `target`
 * lacks, and when there are no names to compare and the lists are not equally long; BAD_LABEL for a label beyond the
 * classes. Both name the sample.
 */
export function labelsIn(
  dataset: Pick<Dataset, "manifest" | "index">,
  target: ClassList,
  selection?: Selection,
): MappedLabels {
  const { manifest, index } = dataset;
  const own = classesOf(manifest);
  const map = mapClasses(own, target);
  const { numbers, lacking, refusal } = map;
  const labels = numbers === undefined ? index.label : new Int32Array(index.length);
  for (let i = 0; i < index.length; i++) {
    const label = index.label[i] as number;
    if (numbers !== undefined) labels[i] = numbers.get(label) ?? -1;
    const isFit = label >= 0 && label < own.count && !lacking.has(label);
    if (!isFit && selection?.[i] !== 0) throw unfitLabel(own, map, label, { source: manifest.url, key: index.key(i) });
  }
  if (refusal !== undefined) throw classesDiffer(refusal, { source: manifest.url });
  return { labels, map };
}

function unfitLabel(own: ClassList, { comparison, lacking }: ClassMap, label: number, facts: ErrorFacts): ToolkitError {
  const why = lacking.get(label);
  if (why === undefined)
    return new ToolkitError(
      "BAD_LABEL",
      `label ${label} is not one of the ${own.count} classes of the manifest`,
      facts,
    );
  if (comparison.matched === "numbers") return new ToolkitError("BAD_LABEL", `label ${label} ${why}`, facts);
  return classesDiffer(`class ${JSON.stringify(own.titleOf(label))} (number ${label}) ${why}`, facts);
}
