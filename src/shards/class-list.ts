// What the labels of a data set or the outputs of a network mean: one list of classes, and how the numbers of one list
// become those of another. Wherever two lists meet they are matched here: by synset, else by name, and by number only
// where one of them names nothing.
import { type ErrorFacts, ToolkitError } from "../errors.js";
import type { ClassEntry } from "./manifest.js";

/** No list is longer: a larger label is not the number of a class. */
export const maxClasses = 1_000_000;

/** Classes that a list may have whatever it names; a longer one must name a tenth of them. */
const plausibleCount = 1000;
const plausibleGaps = 10;

const synsetPattern = /^n\d{8}$/;

/** A WordNet id as ImageNet uses them: n and eight digits. */
export function isSynset(name: string): boolean {
  return synsetPattern.test(name);
}

export interface ClassListOptions {
  /** What has these classes, for people. */
  readonly source?: string | undefined;
  /** How many classes there are. Default: up to the largest index. */
  readonly count?: number | undefined;
}

/** The classes with their indices, and who is meant by a name. */
export class ClassList {
  /** Classes are numbered from 0 to this; one without an entry has its number too. */
  readonly count: number;
  readonly source: string;
  /** Whether any class has a name or synset. */
  readonly isNamed: boolean;
  private readonly byIndex = new Map<number, ClassEntry>();
  private readonly bySynset = new Map<string, number>();
  /** Undefined: a name that two classes have ("crane", "maillot") stands for neither. */
  private readonly byName = new Map<string, number | undefined>();

  /** Throws BAD_CLASSES when a synset or a number stands in the list twice. */
  constructor(
    readonly entries: readonly ClassEntry[],
    options: ClassListOptions = {},
  ) {
    this.source = options.source ?? "the class list";
    let count = 0;
    for (const entry of entries) {
      const { index, synset, name } = entry;
      count = Math.max(count, index + 1);
      if (this.byIndex.has(index)) throw this.twice(`number ${index}`);
      if (synset !== undefined && this.bySynset.has(synset)) throw this.twice(synset);
      this.byIndex.set(index, entry);
      if (synset !== undefined) this.bySynset.set(synset, index);
      if (name !== undefined) this.byName.set(name, this.byName.has(name) ? undefined : index);
    }
    this.count = options.count ?? count;
    this.isNamed = this.bySynset.size > 0 || this.byName.size > 0;
  }

  /**
   * The sorted names of folders or tars: their positions are the indices, as torchvision's ImageFolder numbers them.
   */
  static ofNames(names: Iterable<string>): ClassList {
    const sorted = [...new Set(names)].sort();
    return new ClassList(sorted.map((name, index) => (isSynset(name) ? { index, synset: name } : { index, name })));
  }

  at(index: number): ClassEntry | undefined {
    return this.byIndex.get(index);
  }

  /** The number of a synset or name; undefined for a name that two classes have. */
  indexOf(name: string): number | undefined {
    return this.bySynset.get(name) ?? this.byName.get(name);
  }

  /** Whether two classes of the list have this name. */
  isShared(name: string): boolean {
    return this.byName.has(name) && this.byName.get(name) === undefined;
  }

  /** What people call a class. */
  titleOf(index: number): string {
    const entry = this.byIndex.get(index);
    return entry?.name ?? entry?.synset ?? `class ${index}`;
  }

  /**
   * The first index that only a list with absurd gaps can have (300,000 beside 0 and 1); undefined when there is none.
   */
  get stray(): number | undefined {
    const most = Math.max(plausibleCount, plausibleGaps * this.entries.length);
    return this.count <= most ? undefined : this.entries.find(({ index }) => index >= most)?.index;
  }

  /** The number of the class that `wanted` is, by synset where both have one, else by name; or why there is none. */
  find(wanted: ClassEntry, among: ClassList): number | string {
    const { synset, name } = wanted;
    if (synset !== undefined) {
      const found = this.bySynset.get(synset);
      if (found !== undefined) return found;
    }
    if (name === undefined) return synset === undefined ? "has no name" : this.lacks(synset);
    if (this.isShared(name) || among.isShared(name)) return "is the name of two classes, which only synsets tell apart";
    const found = this.byName.get(name);
    if (found === undefined) return this.lacks(name);
    const other = this.byIndex.get(found)?.synset;
    if (synset !== undefined && other !== undefined) return `is ${synset} in one list and ${other} in the other`;
    return found;
  }

  /** Says that a class is not here, and which one is that differs only in the way it is written. */
  private lacks(name: string): string {
    const wanted = folded(name);
    const similar = [...this.byName.keys()].find((candidate) => folded(candidate) === wanted);
    const hint =
      similar === undefined ? "" : ` (${JSON.stringify(similar)} is, but names must agree in every character)`;
    return `is not a class of ${this.source}${hint}`;
  }

  private twice(what: string): ToolkitError {
    return new ToolkitError("BAD_CLASSES", `${what} stands for two classes of the list`, { source: this.source });
  }
}

const folded = (name: string) =>
  name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\s_-]+/g, " ")
    .trim();

/** How the classes of a data set were matched with those of a network or of another data set. */
export interface ClassComparison {
  /** What was matched: names and synsets, or numbers alone, because one of the two lists names no class. */
  readonly matched: "names" | "numbers";
  /** Classes of what the data set was compared with, and of the data set. */
  readonly known: number;
  readonly present: number;
  /** Whether a class has another number in the data set than in the network. */
  readonly renumbered: boolean;
}

/** Where every class of one list stands in another. */
export interface ClassMap {
  readonly comparison: ClassComparison;
  /** The number in the other list by the number in the one; undefined when each class has the same number in both. */
  readonly numbers: ReadonlyMap<number, number> | undefined;
  /** Classes that the other list lacks, and in what way: they must have no samples. */
  readonly lacking: ReadonlyMap<number, string>;
  /** Why the lists do not go together, whatever samples there are. */
  readonly refusal: string | undefined;
}

/** Two entries that are the same class; two of them without names and of one number are, too. */
function isSame(a: ClassEntry | undefined, b: ClassEntry | undefined): boolean {
  if (a?.synset !== undefined && b?.synset !== undefined) return a.synset === b.synset;
  if (a?.name !== undefined && b?.name !== undefined) return a.name === b.name;
  return [a?.synset, a?.name, b?.synset, b?.name].every((part) => part === undefined);
}

/** A network has two outputs at least. */
export const outputCount = ({ count }: Pick<ClassList, "count">): number => Math.max(2, count);

/** Matches the classes of `from` with those of `to`: equal lists, or any part of it in any order. */
export function mapClasses(from: ClassList, to: ClassList): ClassMap {
  const shape = { known: to.count, present: from.count };
  if (!from.isNamed || !to.isNamed) return { ...mapNumbers(from, to), comparison: numbersOnly(shape) };
  const present = from.entries.length;
  const comparison = { ...shape, present, matched: "names", renumbered: false } as const;
  const fits = ({ index }: ClassEntry) => index < to.count && isSame(from.at(index), to.at(index));
  // Lists that agree number for number need no search, in which a name that two classes have would stand for neither.
  if (from.entries.every(fits)) return { comparison, numbers: undefined, lacking: new Map(), refusal: undefined };
  const numbers = new Map<number, number>();
  const lacking = new Map<number, string>();
  for (const entry of from.entries) {
    const found = to.find(entry, from);
    if (typeof found === "string") lacking.set(entry.index, found);
    else numbers.set(entry.index, found);
  }
  const renumbered = [...numbers].some(([index, other]) => index !== other);
  return { comparison: { ...comparison, renumbered }, numbers, lacking, refusal: undefined };
}

const numbersOnly = (shape: Pick<ClassComparison, "known" | "present">): ClassComparison => ({
  ...shape,
  matched: "numbers",
  renumbered: false,
});

function mapNumbers(from: ClassList, to: ClassList): Omit<ClassMap, "comparison"> {
  const [own, known] = [outputCount(from), outputCount(to)];
  if (own === known) return { numbers: undefined, lacking: new Map(), refusal: undefined };
  const nameless = [from, to].filter(({ isNamed }) => !isNamed).map(({ source }) => source);
  const refusal = `${from.count} classes, but ${to.count} in ${to.source}, and ${nameless.join(" and ")} names none of them: without names only equal numbers go together`;
  const beyond = from.entries.filter(({ index }) => index >= known);
  return {
    numbers: undefined,
    lacking: new Map(beyond.map(({ index }) => [index, `is beyond the ${known} classes of ${to.source}`])),
    refusal,
  };
}

/** The error CLASSES_DIFFER, with what mends it. */
export function classesDiffer(message: string, facts: ErrorFacts): ToolkitError {
  return new ToolkitError("CLASSES_DIFFER", `${message}; give preprocess the same \`classes\` for both`, facts);
}

/** The error BAD_LABEL, for a label that makes a list with absurd gaps. */
export function strayLabel(list: ClassList, label: number, facts: ErrorFacts): ToolkitError {
  const message =
    `label ${label} makes ${list.count} classes, of which only ${list.entries.length} occur; ` +
    "run preprocess again with `classes` (a file of the classes, or their number) and `overwrite`: labels beyond it are then failures";
  return new ToolkitError("BAD_LABEL", message, facts);
}
