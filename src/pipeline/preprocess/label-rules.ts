// How a run's samples get their labels, settled before the first one is read.
import { createHash } from "node:crypto";
import { invalidOption, ToolkitError } from "../../errors.js";
import { type Kind, text } from "../../options/kinds.js";
import { type Given, optionTable } from "../../options/table.js";
import { ClassList, readClasses } from "./classes.js";
import { isLabelName } from "./entry-names.js";
import { assignLines, type LabelRules, type LabelsFile, lookUpName, readLabels } from "./labels.js";
import { divisionsOf, listSourceImages, type Source } from "./sources.js";

/** How many classes, or the location of a file of them; readClasses checks which. */
const classLists: Kind<string | number> = {
  expected: "a file of classes or their number",
  accepts: (value) => typeof value === "string" || typeof value === "number",
  parse: (given) => given,
  shape: "value",
};

export const labelOptions = optionTable({
  /** How many classes there are, or a file of them; see readClasses. Default: what the sources are divided into, sorted. */
  classes: {
    kind: classLists,
    otherwise: "the sources' synsets or folders, sorted",
    describe:
      "File of the classes in index order: a synset and a name per line, or JSON; or how many there are, without names",
    group: "Labels",
  },
  /** A labels file; see readLabels. */
  labels: {
    kind: text,
    describe: "File of labels: name,label lines, or one label per line for the images in name order",
    group: "Labels",
  },
  /** The field of `.json` that is the label. */
  labelField: {
    kind: text,
    describe: "Field of each sample's .json that is the label, such as meta.class",
    group: "Labels",
  },
  /** Which file of a sample of several is its image, such as left.jpg of 000.left.jpg. Default: the one image that it has. */
  imageField: {
    kind: text,
    describe: "Which file of each sample is its image where it has several, such as left.jpg of 000.left.jpg",
    group: "Images",
  },
});

export interface LabelOptions extends Given<typeof labelOptions> {}

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

/** In lower case, without the dot that it may be given with. INVALID_OPTION when no file of an image can be called so. */
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
