// How a run's samples get their labels, settled before the first one is read.
import { createHash } from "node:crypto";
import { invalidOption, ToolkitError } from "../../errors.js";
import { ClassList, readClasses } from "./classes.js";
import { isLabelName } from "./entry-names.js";
import type { LabelOptions, LabelRules } from "./label-rules.js";
import { assignLines, type LabelsFile, lookUpName, readLabels } from "./labels-file.js";
import { divisionsOf, listSourceImages, type Source } from "./sources.js";

export interface SettledLabels {
  readonly rules: LabelRules;
  /** A hash of everything that decides labels: the same content gives the same text, wherever it was read from. */
  readonly fingerprint: string;
}

/**
 * Settles what labels mean. Throws BAD_CLASSES, BAD_LABELS, NOT_FOUND; the errors of tars, when the names in the
 * sources have to be listed.
 */
export async function settleLabels(
  options: LabelOptions,
  sources: readonly Source[],
  signal?: AbortSignal,
): Promise<SettledLabels> {
  const given = options.classes === undefined ? undefined : await readClasses(options.classes);
  const labels = options.labels === undefined ? undefined : await readLabels(options.labels);
  const imageField = parseImageField(options.imageField);
  const rules: LabelRules = {
    classes: given ?? (await dividedClasses(sources, signal)),
    classesAreGiven: given !== undefined,
    labelField: options.labelField,
    byName: labels === undefined ? undefined : await labelsByName(labels, options.labels as string, sources, signal),
    imageField,
  };
  const content = [
    rules.classes?.entries ?? null,
    rules.classesAreGiven,
    rules.labelField ?? null,
    labels === undefined ? null : [...labels.labels],
    ...(imageField === undefined ? [] : [imageField]),
  ];
  return { rules, fingerprint: createHash("sha256").update(JSON.stringify(content)).digest("hex") };
}

/**
 * The field in lower case, without the dot that it may be given with. Throws INVALID_OPTION when no file of an image
 * can have that name.
 */
function parseImageField(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const field = given.replace(/^\./, "").toLowerCase();
  if (field === "" || field.includes("/") || isLabelName(`0.${field}`))
    throw invalidOption("imageField", "what follows the key in a file's name, such as left.jpg", given);
  return field;
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
