// What class a sample is of: from a file of labels, its companions, or the folder or tar that it lies in.
import { ToolkitError } from "../../errors.js";
import { maxClasses } from "../../shards/class-list.js";
import { readText } from "../../storage/objects.js";
import { baseName } from "../../storage/url.js";
import { type ClassList, isSynset } from "./classes.js";
import { baseOf } from "./entry-names.js";
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

export interface LabelRules {
  /** The classes of --classes, or those that the sources are divided into. */
  readonly classes: ClassList | undefined;
  /** Whether `classes` names all there are: an index outside it is then a mistake. */
  readonly classesAreGiven: boolean;
  /** Where in `.json` the label is: a field, or a path of fields with dots. */
  readonly labelField: string | undefined;
  /** The label of a file by its entry's name, from --labels. It then replaces everything else. */
  readonly byName: ((entry: string) => string | undefined) | undefined;
  /** Which file of a sample is its image, such as left.jpg of 000.left.jpg, in lower case. Undefined: the one image that it has. */
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

/** The file name without folders: what lists of labels go by. */
const lastPart = (entry: string) => entry.slice(entry.lastIndexOf("/") + 1);

/**
 * The label by the first of these that contains one: the --labels file; `.cls`; the field --label-field of `.json`; `.txt`; the usual fields of
 * `.json` (label, cls, class); the class folder or single-class tar. A label is a class index, a synset or a class name; a `.txt` that holds
 * something else (a caption) is passed over where another contains one.
 */
export function labelOf(sample: Companions, rules: LabelRules): LabelResult {
  const { object, fault } = parseObject(sample);
  let first: unknown;
  for (const { value, isName = false } of candidates(sample, object, rules)) {
    if (value === undefined || value === null) continue;
    first ??= value;
    const named = typeof value === "string" ? indexOfName(value, rules.classes) : undefined;
    // What a folder is called is a name, of digits too: ImageFolder sorts the folders 0 to 10 as text, and so 10 is not the class 10.
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

/** Whether an image of that name is the one of its sample, as far as --image-field decides it. */
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

export type LabelsFile =
  /** One label per line; the images in name order take them in turn. */
  | { readonly kind: "lines"; readonly labels: readonly string[] }
  | { readonly kind: "named"; readonly labels: ReadonlyMap<string, string> };

/**
 * Reads a labels file: `name,label` on every line (a header line may stand first), or one label per line. Names match an image's file name,
 * with or without its extension. BAD_LABELS when it is empty or names an image twice.
 */
export async function readLabels(url: string): Promise<LabelsFile> {
  const text = await readText(url);
  if (text === undefined) throw new ToolkitError("NOT_FOUND", "no such labels file", { source: url });
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new ToolkitError("BAD_LABELS", "the labels file is empty", { source: url });
  const rows = lines.map(
    (line) => /^\s*"?([^",]+?)"?\s*,\s*"?([^",]+?)"?\s*$/.exec(line)?.slice(1) as [string, string] | undefined,
  );
  if (rows[0] === undefined) return { kind: "lines", labels: lines.map((line) => line.trim()) };
  const isHeader = /^(name|file|filename|image|imageid|key|path)$/i.test(rows[0][0]);
  const labels = new Map<string, string>();
  for (const [i, row] of rows.entries()) {
    if (i === 0 && isHeader) continue;
    if (row === undefined)
      throw new ToolkitError("BAD_LABELS", `line ${i + 1}: expected name,label, found ${JSON.stringify(lines[i])}`, {
        source: url,
      });
    const [name, label] = [lastPart(row[0]), row[1]];
    if (labels.has(name))
      throw new ToolkitError("BAD_LABELS", `line ${i + 1}: ${name} is named twice`, { source: url });
    labels.set(name, label);
  }
  return { kind: "named", labels };
}

/** Labels by name for one per line, in the order of the names. BAD_LABELS when there are not as many labels as images. */
export function assignLines(labels: readonly string[], url: string, entries: readonly string[]): Map<string, string> {
  const names = entries.map(lastPart).sort();
  if (labels.length !== names.length)
    throw new ToolkitError("BAD_LABELS", `${labels.length} labels for ${names.length} images`, { source: url });
  return new Map(names.map((name, i) => [name, labels[i] as string]));
}

/** Looks a file up with or without its extension. */
export function lookUpName(labels: ReadonlyMap<string, string>): (entry: string) => string | undefined {
  return (entry) => {
    const name = lastPart(entry);
    return labels.get(name) ?? labels.get(name.replace(/\.[^.]*$/, ""));
  };
}
