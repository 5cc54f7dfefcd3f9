// What class a sample is of: from a file of labels, its companions, or the folder or tar that it lies in.
import { ToolkitError } from "../../errors.js";
import { maxClasses } from "../../shards/class-list.js";
import { baseName, readText } from "../../storage/store.js";
import { type ClassList, isSynset } from "./classes.js";
import type { LabelResult } from "./sample.js";

/** A sample's name and the files beside it. */
export interface Companions {
  /** The image's path in its source, with extension. */
  readonly entry: string;
  readonly cls?: string | undefined;
  readonly txt?: string | undefined;
  readonly json?: string | undefined;
  /** The class folder, inner tar or single-class tar that it lies in. */
  readonly division?: string | undefined;
}

export interface LabelRules {
  /** From --classes, or what the sources are divided into. */
  readonly classes: ClassList | undefined;
  /** Whether `classes` names all there are: an index outside it is then a mistake. */
  readonly classesAreGiven: boolean;
  /** Where in `.json` the label is: a field, or a path of fields with dots. */
  readonly labelField: string | undefined;
  /** From --labels: the label of a file by its entry's name. It then replaces everything else. */
  readonly byName: ((entry: string) => string | undefined) | undefined;
}

function asIndex(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number < maxClasses
    ? number
    : undefined;
}

function parseObject(json: string | undefined): Record<string, unknown> | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // a broken companion is no reason to lose an image whose .cls is good; without one it shows below
  }
}

const asText = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

function fieldOf(object: Record<string, unknown> | undefined, field: string): unknown {
  return field
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], object);
}

/** The file name without folders: what lists of labels go by. */
const lastPart = (entry: string) => entry.slice(entry.lastIndexOf("/") + 1);

/**
 * The label by the first of these that says one: the --labels file; `.cls`; the field --label-field of `.json`; `.txt`; the usual fields of
 * `.json` (label, cls, class); the class folder or single-class tar. A label is a class index, a synset or a class name; a `.txt` that holds
 * something else (a caption) is passed over where another says more.
 */
export function labelOf(sample: Companions, rules: LabelRules): LabelResult {
  const object = parseObject(sample.json);
  const given = candidates(sample, object, rules).filter(({ value }) => value !== undefined && value !== null);
  if (given.length === 0) return missingLabel(rules);
  for (const { value, isDivision } of given) {
    const named = rules.classes?.indexOf(String(value).trim());
    const number = isDivision && named !== undefined ? undefined : asIndex(value); // the folder "10" is not class 10
    const index = number ?? named;
    if (index === undefined) continue;
    const known = rules.classes?.at(index);
    if (rules.classesAreGiven && known === undefined) continue;
    // A number is not one of the folders' numbers: only the sample itself can say what it means.
    if (number === undefined || rules.classesAreGiven) return { index, name: known?.name, synset: known?.synset };
    return { index, name: asText(object?.name ?? object?.class_name), synset: asText(object?.wnid ?? object?.synset) };
  }
  const expected = rules.classes === undefined ? "a class index" : "a class index or one of the classes' names";
  const first = given[0]?.value;
  const most = rules.classesAreGiven ? rules.classes?.count : maxClasses;
  const reason = /^\s*\d+\s*$/.test(String(first)) ? `: the classes are numbered from 0 to ${(most ?? 0) - 1}` : "";
  return {
    problem: "BAD_LABEL",
    message: `expected ${expected}, found ${JSON.stringify(first).slice(0, 80)}${reason}`,
  };
}

interface Candidate {
  readonly value: unknown;
  /** The folder or tar that the sample lies in: a name first, even where it looks like a number. */
  readonly isDivision?: boolean;
}

function candidates(sample: Companions, object: Record<string, unknown> | undefined, rules: LabelRules): Candidate[] {
  if (rules.byName !== undefined) return [{ value: rules.byName(sample.entry) }];
  if (sample.cls !== undefined) return [{ value: sample.cls.trim() }];
  if (rules.labelField !== undefined) return [{ value: fieldOf(object, rules.labelField) }];
  return [
    { value: sample.txt?.trim() || undefined },
    { value: object?.label ?? object?.cls ?? object?.class },
    { value: sample.division, isDivision: true },
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
