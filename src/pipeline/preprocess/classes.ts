// The classes of a data set: from a file, or the sorted names of what the sources are divided into.
import { ToolkitError } from "../../errors.js";
import type { ClassEntry } from "../../shards/manifest.js";
import { readText } from "../../storage/store.js";

const synsetPattern = /^n\d{8}$/;

/** A WordNet id as ImageNet uses them: n and eight digits. */
export function isSynset(name: string): boolean {
  return synsetPattern.test(name);
}

/** The classes with their indices, and who is meant by a name. */
export class ClassList {
  private readonly byName = new Map<string, number>();
  private readonly byIndex = new Map<number, ClassEntry>();

  constructor(readonly entries: readonly ClassEntry[]) {
    for (const entry of entries) this.byIndex.set(entry.index, entry);
    // A name that two classes have ("crane", "maillot") stands for neither; a synset means one class.
    const shared = new Set<string>();
    for (const { index, name } of entries) {
      if (name === undefined) continue;
      if (this.byName.has(name)) shared.add(name);
      this.byName.set(name, index);
    }
    for (const name of shared) this.byName.delete(name);
    for (const { index, synset } of entries) if (synset !== undefined) this.byName.set(synset, index);
  }

  /** The sorted names of folders or tars: their positions are the indices, as torchvision's ImageFolder numbers them. */
  static ofNames(names: Iterable<string>): ClassList {
    const sorted = [...new Set(names)].sort();
    return new ClassList(sorted.map((name, index) => (isSynset(name) ? { index, synset: name } : { index, name })));
  }

  /** By synset or name. */
  indexOf(name: string): number | undefined {
    return this.byName.get(name);
  }

  at(index: number): ClassEntry | undefined {
    return this.byIndex.get(index);
  }
}

/**
 * Reads a classes file: JSON (a list of names or of [synset, name], or Keras's {"0": ["n01440764", "tench"]}) or text, one class per line
 * in index order: a synset, a synset and a name, or a name. BAD_CLASSES when it is neither or names a class twice.
 */
export async function readClasses(url: string): Promise<ClassList> {
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
  return new ClassList(entries);
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
    throw badClasses(`it is no JSON: ${(cause as Error).message}`, url);
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
