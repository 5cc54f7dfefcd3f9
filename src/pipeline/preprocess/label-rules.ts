// How a run's samples get their labels, settled before the first one is read.
import { createHash } from "node:crypto";
import { ToolkitError } from "../../errors.js";
import { ClassList, readClasses } from "./classes.js";
import { assignLines, type LabelRules, type LabelsFile, lookUpName, readLabels } from "./labels.js";
import { divisionsOf, listSourceImages, type Source } from "./sources.js";

export interface LabelOptions {
  /** How many classes there are, or a file of them; see readClasses. Default: what the sources are divided into, sorted. */
  readonly classes?: string | number | undefined;
  /** A labels file; see readLabels. */
  readonly labels?: string | undefined;
  /** The field of `.json` that is the label. */
  readonly labelField?: string | undefined;
}

export interface SettledLabels {
  readonly rules: LabelRules;
  /** Of all that decides labels: the same content gives the same text, wherever it was read from. */
  readonly fingerprint: string;
}

/** BAD_CLASSES, BAD_LABELS, NOT_FOUND; the tar errors, when the names in the sources have to be listed. */
export async function settleLabels(
  options: LabelOptions,
  sources: readonly Source[],
  signal?: AbortSignal,
): Promise<SettledLabels> {
  const given = options.classes === undefined ? undefined : await readClasses(options.classes);
  const labels = options.labels === undefined ? undefined : await readLabels(options.labels);
  const rules: LabelRules = {
    classes: given ?? (await dividedClasses(sources, signal)),
    classesAreGiven: given !== undefined,
    labelField: options.labelField,
    byName: labels === undefined ? undefined : await labelsByName(labels, options.labels as string, sources, signal),
  };
  const content = [
    rules.classes?.entries ?? null,
    rules.classesAreGiven,
    rules.labelField ?? null,
    labels === undefined ? null : [...labels.labels],
  ];
  return { rules, fingerprint: createHash("sha256").update(JSON.stringify(content)).digest("hex") };
}

async function dividedClasses(sources: readonly Source[], signal?: AbortSignal): Promise<ClassList | undefined> {
  const divisions = new Set<string>();
  for (const source of sources) for (const division of await divisionsOf(source, signal)) divisions.add(division);
  return divisions.size === 0 ? undefined : ClassList.ofNames(divisions);
}

async function labelsByName(file: LabelsFile, url: string, sources: readonly Source[], signal?: AbortSignal) {
  if (file.kind === "named") return lookUpName(file.labels);
  const names: string[] = [];
  for (const source of sources) names.push(...(await listSourceImages(source, signal)));
  const twice = new Set(names).size < names.length;
  if (twice)
    throw new ToolkitError("BAD_LABELS", "images of the same name: name,label lines are needed", { source: url });
  return lookUpName(assignLines(file.labels, url, names));
}
