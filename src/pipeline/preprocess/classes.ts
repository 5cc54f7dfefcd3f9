// The classes of a data set while it is made: from --classes, or the sorted names of what the sources are divided into;
// and what the samples contain about them, which must not contradict itself.
import { type ErrorFacts, invalidOption, ToolkitError } from "../../errors.js";
import { ClassList, isSynset, maxClasses, strayLabel } from "../../shards/class-list.js";
import type { ClassEntry } from "../../shards/manifest.js";
import { readText } from "../../storage/objects.js";

export { ClassList, isSynset } from "../../shards/class-list.js";

/**
 * The classes that --classes gives: a number of them, which have no names, or a file: JSON (a list of names or of
 * [synset, name], or Keras's {"0": ["n01440764", "tench"]}) or text, one class per line in index order: a synset, a
 * synset and a name, or a name. BAD_CLASSES when it is neither, names a class twice or leaves absurd gaps.
 */
export async function readClasses(given: string | number): Promise<ClassList> {
  if (typeof given === "number" || /^\d+$/.test(given)) return numberedClasses(Number(given));
  const url = given;
  const text = await readText(url);
  if (text === undefined) throw new ToolkitError("NOT_FOUND", "no such classes file", { source: url });
  const entries = /^\s*[[{]/.test(text) ? fromJson(text, url) : fromLines(text);
  if (entries.length === 0) throw badClasses("it names no class", url);
  const seen = new Set<string | undefined>();
  for (const { synset, name } of entries) {
    const identity = synset ?? name;
    if (seen.has(identity)) throw badClasses(`it names ${identity} twice`, url);
    seen.add(identity);
  }
  const list = new ClassList(entries, { source: url });
  if (list.stray !== undefined)
    throw badClasses(`it has ${entries.length} classes, one of them with the number ${list.stray}`, url);
  return list;
}

function numberedClasses(count: number): ClassList {
  if (!(Number.isInteger(count) && count >= 1 && count <= maxClasses))
    throw invalidOption("classes", `a file, or a number of classes from 1 to ${maxClasses}`, count);
  return new ClassList(Array.from({ length: count }, (_, index) => ({ index })));
}

function badClasses(message: string, source: string): ToolkitError {
  return new ToolkitError("BAD_CLASSES", message, { source });
}

function fromLines(text: string): ClassEntry[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return lines.map((line, index) => {
    const [, synset, rest = ""] = /^\s*(n\d{8})(?:[\s,:]+(.*))?$/.exec(line) ?? [];
    const name = (synset === undefined ? line : rest).trim();
    return { index, ...(synset === undefined ? {} : { synset }), ...(name === "" ? {} : { name }) };
  });
}

function fromJson(text: string, url: string): ClassEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badClasses(`it is not JSON: ${(cause as Error).message}`, url);
  }
  const pairs = Array.isArray(value) ? [...value.entries()] : Object.entries(value as object);
  return pairs.map(([key, item]): ClassEntry => {
    const index = Number(key);
    const words: unknown[] = Array.isArray(item) ? item : [item];
    if (!Number.isInteger(index) || index < 0 || words.length === 0 || !words.every((word) => typeof word === "string"))
      throw badClasses(`expected an index with a name or [synset, name], found ${JSON.stringify([key, item])}`, url);
    const synset = (words as string[]).find(isSynset);
    const name = (words as string[]).find((word) => word !== synset);
    return { index, ...(synset === undefined ? {} : { synset }), ...(name === undefined ? {} : { name }) };
  });
}

/** What decides the classes of a run's samples; see LabelRules. */
export interface ClassRules {
  readonly classes: ClassList | undefined;
  readonly classesAreGiven: boolean;
}

interface Seen {
  readonly entry: ClassEntry;
  readonly place: string;
}

/**
 * What is known of the classes that occur. A number must not stand for two classes, whichever sample or part of the
 * data set does it, nor may some samples have it from their folder and others as a bare number: that would be a number
 * of another list.
 */
export class ClassRegister {
  private readonly seen = new Map<number, Seen>();
  private readonly bySynset = new Map<string, number>();
  /**
   * Where classes may be folders and tars: the first sample whose class is one, and the first whose class is only a
   * number.
   */
  private divided: Seen | undefined;
  private numbered: Seen | undefined;

  constructor(private readonly rules: ClassRules) {}

  /** Notes a class that a sample names; throws BAD_CLASSES when it contradicts what was noted before. */
  note(entry: ClassEntry, source: string, key?: string): void {
    const before = this.seen.get(entry.index);
    if (before !== undefined && before.entry === entry) return;
    const place = key === undefined ? source : `${source}, ${key}`;
    if (before === undefined) this.seen.set(entry.index, { entry, place });
    else {
      if (contradicts(before.entry, entry)) throw contradiction(before, entry, { source, key });
      if (completes(before.entry, entry))
        this.seen.set(entry.index, { ...before, entry: { ...entry, ...before.entry } });
    }
    this.noteSynset(entry, { source, key });
    this.noteOrigin(entry, place, { source, key });
  }

  /**
   * Every class seen or named, also those without a single good image: indices mean the same in every part of a data
   * set.
   */
  settle(): ClassEntry[] {
    const { classes, classesAreGiven } = this.rules;
    // Where all samples have numbers of their own, what the folders and tars are called is not the name of any.
    const listed = classesAreGiven || this.divided !== undefined ? (classes?.entries ?? []) : [];
    const all = new Map(listed.map((entry) => [entry.index, entry]));
    for (const [index, { entry, place }] of this.seen) {
      const known = all.get(index);
      if (known !== undefined && contradicts(known, entry))
        throw contradiction({ entry: known, place: "the list of folders and tars" }, entry, { source: place });
      all.set(index, { ...entry, ...known });
    }
    return [...all.values()].sort((a, b) => a.index - b.index);
  }

  private noteSynset({ synset, index }: ClassEntry, facts: ErrorFacts): void {
    if (synset === undefined) return;
    const other = this.bySynset.get(synset) ?? index;
    this.bySynset.set(synset, other);
    if (other === index) return;
    const message = `${synset} is class ${index} here, but ${other} in ${this.seen.get(other)?.place}; give \`classes\`, a file of the classes`;
    throw new ToolkitError("BAD_CLASSES", message, facts);
  }

  private noteOrigin(entry: ClassEntry, place: string, facts: ErrorFacts): void {
    const { classes, classesAreGiven } = this.rules;
    if (classes === undefined || classesAreGiven) return;
    const known = classes.at(entry.index);
    if (known === undefined || (entry.name ?? entry.synset) === undefined) this.numbered ??= { entry, place };
    else if (known.name === entry.name && known.synset === entry.synset) this.divided ??= { entry, place };
    const { divided, numbered } = this;
    if (divided === undefined || numbered === undefined) return;
    const message =
      `the class of ${divided.place} is the folder or tar ${titleOf(divided.entry)}, that of ${numbered.place} ` +
      `the number ${numbered.entry.index}, which no list gives a meaning; give \`classes\`, a file of the classes in the order of their numbers`;
    throw new ToolkitError("BAD_CLASSES", message, facts);
  }
}

const titleOf = ({ index, synset, name }: ClassEntry) =>
  [synset, name && JSON.stringify(name)].filter((part) => part !== undefined).join(" ") || `the number ${index}`;

/** A synset means one class, whatever else it is called. */
function contradicts(a: ClassEntry, b: ClassEntry): boolean {
  if (a.synset !== undefined && b.synset !== undefined) return a.synset !== b.synset;
  return a.name !== undefined && b.name !== undefined && a.name !== b.name;
}

const completes = (a: ClassEntry, b: ClassEntry) =>
  (a.synset === undefined && b.synset !== undefined) || (a.name === undefined && b.name !== undefined);

function contradiction(before: Seen, entry: ClassEntry, facts: ErrorFacts): ToolkitError {
  const message =
    `class ${entry.index} is ${titleOf(entry)} here, but ${titleOf(before.entry)} in ${before.place}; give \`classes\`, a file of the classes ` +
    "in the order of their numbers, or how many there are: then the numbers alone count";
  return new ToolkitError("BAD_CLASSES", message, facts);
}

/**
 * Throws BAD_LABEL, naming a sample, when a label leaves absurd gaps: everything that is kept for every class would
 * grow with it.
 */
export function checkGaps(entries: readonly ClassEntry[], placeOf: (label: number) => ErrorFacts): void {
  const list = new ClassList(entries);
  const { stray } = list;
  if (stray !== undefined) throw strayLabel(list, stray, placeOf(stray));
}
