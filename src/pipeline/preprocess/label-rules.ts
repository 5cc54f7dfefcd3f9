// What class a sample is of: from a file of labels, its companions, or the folder or tar that it lies in.
import { type Kind, text } from "../../options/kinds.js";
import { type Given, optionTable } from "../../options/table.js";
import { maxClasses } from "../../shards/class-list.js";
import { baseName } from "../../storage/url.js";
import { type ClassList, isSynset } from "./classes.js";
import { baseOf, lastPart } from "./entry-names.js";
import { parseJsonText } from "./json-text.js";

/** A label, or why there is none; `name` and `synset` where the source contains them. */
export type LabelResult =
  | { readonly index: number; readonly name?: string | undefined; readonly synset?: string | undefined }
  | { readonly problem: "MISSING_LABEL" | "BAD_LABEL"; readonly message: string };

/** A sample's name and the files beside it. */
export interface Companions {
  /** The image's path in its source, with extension. */
  readonly entry: string;
  readonly cls?: string | undefined;
  readonly txt?: string | undefined;
  readonly json?: string | undefined;
  /** What the .json is called. */
  readonly jsonName?: string | undefined;
  /** The class folder, inner tar or single-class tar that it lies in. */
  readonly division?: string | undefined;
}

/** How many classes, or the location of a file of them; readClasses checks which. */
const classLists: Kind<string | number> = {
  expected: "a file of classes or their number",
  accepts: (value) => typeof value === "string" || typeof value === "number",
  parse: (given) => given,
  shape: "value",
};

export const labelOptions = optionTable({
  /**
   * How many classes there are, or a file of them; see readClasses. Default: what the sources are divided into, sorted.
   */
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
  /**
   * Which file of a sample of several is its image, such as left.jpg of 000.left.jpg. Default: the one image that it
   * has.
   */
  imageField: {
    kind: text,
    describe: "Which file of each sample is its image where it has several, such as left.jpg of 000.left.jpg",
    group: "Images",
  },
});

export interface LabelOptions extends Given<typeof labelOptions> {}

/** What is settled of them before the first sample is read. */
export interface LabelRules {
  /** The classes that were given, or what the sources are divided into. */
  readonly classes: ClassList | undefined;
  /** Whether `classes` names all there are: an index outside it is then a mistake. */
  readonly classesAreGiven: boolean;
  /** Where in `.json` the label is: a field, or a path of fields with dots. */
  readonly labelField: string | undefined;
  /** The content of a labels file: the label of a file by its entry's name. It then replaces everything else. */
  readonly byName: ((entry: string) => string | undefined) | undefined;
  /**
   * Which file of a sample is its image, such as left.jpg of 000.left.jpg, in lower case. Undefined: the one image that
   * it has.
   */
  readonly imageField?: string | undefined;
}

function asIndex(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number < maxClasses
    ? number
    : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** A companion's object, or what is wrong with it. */
interface Parsed {
  readonly object?: Fields;
  readonly fault?: string;
}

function parseObject({ json, jsonName = "the .json" }: Companions): Parsed {
  if (json === undefined) return {};
  const parsed = parseJsonText(json);
  if ("faultAt" in parsed) return { fault: `${jsonName} is not JSON at byte ${parsed.faultAt}` };
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { fault: `${jsonName} holds ${describeValue(value)}, not an object` };
  return { object: value as Fields };
}

/** A value for an error message: the contents of what may nest without end are left out. */
function describeValue(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return JSON.stringify(value).slice(0, 80);
}

const asText = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

/** A field of the object's own: every object inherits a `constructor`. */
function fieldOf(object: Fields | undefined, field: string): unknown {
  return field.split(".").reduce<unknown>((value, key) => {
    const isObject = typeof value === "object" && value !== null;
    return isObject && Object.hasOwn(value, key) ? (value as Fields)[key] : undefined;
  }, object);
}

/**
 * The label by the first of these that contains one: the `labels` file; `.cls`; the field `labelField` of `.json`;
 * `.txt`; the usual fields of `.json` (label, cls, class); the class folder or single-class tar. A label is a class
 * index, a synset or a class name; a `.txt` that holds something else (a caption) is passed over where another contains
 * one.
 */
export function labelOf(sample: Companions, rules: LabelRules): LabelResult {
  const { object, fault } = parseObject(sample);
  let first: unknown;
  for (const { value, isName = false } of candidates(sample, object, rules)) {
    if (value === undefined || value === null) continue;
    first ??= value;
    const named = typeof value === "string" ? indexOfName(value, rules.classes) : undefined;
    // What a folder is called is a name, of digits too: ImageFolder sorts the folders 0 to 10 as text, and so 10 is not
    // the class 10.
    const number = isName && named !== undefined ? undefined : asIndex(value);
    const index = number ?? named;
    if (index === undefined) continue;
    const known = rules.classes?.at(index);
    if (rules.classesAreGiven && known === undefined) continue;
    // A number is not one of the folders' numbers: only the sample itself can define what it means.
    if (number === undefined || rules.classesAreGiven) return { index, name: known?.name, synset: known?.synset };
    return { index, name: asText(object?.name ?? object?.class_name), synset: asText(object?.wnid ?? object?.synset) };
  }
  if (first === undefined) return fault === undefined ? missingLabel(rules) : { problem: "BAD_LABEL", message: fault };
  const expected = rules.classes === undefined ? "a class index" : "a class index or one of the classes' names";
  const most = rules.classesAreGiven ? rules.classes?.count : maxClasses;
  const found = describeValue(first);
  const isNumber = /^"?\s*\d+\s*"?$/.test(found);
  const reason = isNumber ? `: the classes are numbered from 0 to ${(most ?? 0) - 1}` : "";
  return { problem: "BAD_LABEL", message: `expected ${expected}, found ${found}${reason}` };
}

function indexOfName(text: string, classes: ClassList | undefined): number | undefined {
  return classes?.indexOf(text) ?? classes?.indexOf(text.trim());
}

interface Candidate {
  readonly value: unknown;
  readonly isName?: boolean;
}

function candidates(sample: Companions, object: Fields | undefined, rules: LabelRules): readonly Candidate[] {
  if (rules.byName !== undefined) return [{ value: rules.byName(sample.entry) }];
  if (sample.cls !== undefined) return [{ value: sample.cls.trim() }];
  if (rules.labelField !== undefined) return [{ value: fieldOf(object, rules.labelField) }];
  const division = { value: sample.division, isName: true };
  if (sample.txt === undefined && object === undefined) return [division];
  return [
    { value: sample.txt?.trim() || undefined },
    { value: object?.label ?? object?.cls ?? object?.class },
    division,
  ];
}

function missingLabel(rules: LabelRules): LabelResult {
  const message =
    rules.byName !== undefined
      ? "the labels file does not name it"
      : rules.labelField !== undefined
        ? `no .cls, and no field ${rules.labelField} in a .json beside the image`
        : "no .cls, no .txt, no label in .json beside the image, and no class folder or synset that it lies in";
  return { problem: "MISSING_LABEL", message };
}

/** Whether an image of that name is the one of its sample, as far as `imageField` decides it. */
export function isImageField(name: string, { imageField }: LabelRules): boolean {
  if (imageField === undefined) return true;
  return name.slice(baseOf(name).length + 1).toLowerCase() === imageField;
}

const stemOf = (name: string) => lastPart(name).replace(/\.(tar|tar\.gz|tgz)$/i, "");

/** The class that a source's name stands for: a tar of one synset is named after it. */
export function divisionOfSource(url: string): string | undefined {
  const stem = stemOf(baseName(url));
  return isSynset(stem) ? stem : undefined;
}

/** The class of a tar in a tar: official ImageNet has one per synset. */
export function divisionOfInnerTar(name: string): string {
  return stemOf(name);
}
