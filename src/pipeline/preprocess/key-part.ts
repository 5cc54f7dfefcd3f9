// The files of one key: an image and what belongs to it, on the way to becoming a sample, a failure, or ignored.
import type { ErrorCode } from "../../error-codes.js";
import { fileNameProblem } from "../../shards/check-record.js";
import { isJpegExtension } from "./entry-names.js";
import { type Companions, type LabelRules, labelOf } from "./label-rules.js";
import type { IgnoredEntry, Place, RawSample, SourceItem, SourceProblem } from "./sample.js";
import type { TarEntry } from "./tar-entry.js";

/** One file of a key. */
export interface Member {
  readonly entry: TarEntry;
  /** The key that follows from its name. */
  readonly stem: string;
  /** What follows the stem, with the dot. */
  readonly extension: string;
  readonly isImage: boolean;
}

/** What was decided about a part as a whole, other than to make a sample of it. */
export type Fate = "another field" | "several images" | "its labels are used up" | "key twice";

/** What its items have in common. */
export interface PartContext {
  readonly rules: LabelRules;
  readonly division: string | undefined;
  /** Where reading continues when everything before the part is done. */
  readonly position: number;
}

const decoder = new TextDecoder();

/** Shared by all that have none: nearly every part. */
const none: never[] = [];

export class KeyPart {
  readonly stem: string;
  readonly position: number;
  readonly images: Member[] = [];
  /** The files with labels: at most one each of .cls, .txt and .json. */
  readonly labels: Member[] = [];
  /** Entries between its files that belong to no sample. */
  aside: (IgnoredEntry | SourceProblem)[] = none;
  fate: Fate | undefined;
  private fields = "";

  /** `repeats`: a file of this name has come before. */
  constructor(
    readonly first: Member,
    public repeats: boolean,
  ) {
    this.stem = first.stem;
    this.position = first.entry.offset;
    this.add(first);
  }

  add(member: Member): void {
    (member.isImage ? this.images : this.labels).push(member);
  }

  /** An entry among its files that belongs to no sample, to be reported after it. */
  setAside(item: IgnoredEntry | SourceProblem): void {
    if (this.aside === none) this.aside = [];
    this.aside.push(item);
  }

  /** Whether it has a file of that name already. */
  holds({ extension, isImage }: Member): boolean {
    return (isImage ? this.images : this.labels).some((own) => sameExtension(own.extension, extension));
  }

  /** Whether the member is a JPEG beside another. */
  isSecondJpeg({ extension, isImage }: Member): boolean {
    return isImage && isJpegExtension(extension) && this.images.some((own) => isJpegExtension(own.extension));
  }

  /** Its images are some of several fields, of which none is the sample's image more than another. */
  failAsFields(fields: string): void {
    this.fate = "several images";
    this.fields = fields;
  }

  /** The names of its files without the key. */
  get signature(): string {
    const extensions = [...this.images, ...this.labels].map(({ extension }) => extension.toLowerCase());
    return extensions.sort().join();
  }

  /** Adds what becomes of its files. */
  giveOut(context: PartContext, items: SourceItem[]): void {
    if (this.fate === undefined || (this.fate === "key twice" && this.images.length === 0))
      this.asSample(context, items);
    else this.byFate(this.fate, context, items);
    for (const item of this.aside) items.push({ ...item, position: context.position });
  }

  private asSample({ rules, division, position }: PartContext, items: SourceItem[]): void {
    const chosen = this.images.find(({ extension }) => isJpegExtension(extension)) ?? this.images[0];
    if (chosen === undefined) {
      this.withoutImage(position, items);
      return;
    }
    items.push(this.sampleOf(chosen, rules, division, position));
    for (const image of this.images) if (image !== chosen) items.push(ignore(image, position));
  }

  private sampleOf(
    { entry, stem: key, extension }: Member,
    rules: LabelRules,
    division: string | undefined,
    position: number,
  ): RawSample | SourceProblem {
    const { name, path, offset, dataOffset, bytes } = entry;
    const unread = entry.problem === undefined ? this.labels.find((label) => label.entry.problem)?.entry : entry;
    if (bytes === undefined || unread?.problem !== undefined) return unreadable(unread ?? entry, key, position, bytes);
    const message = fileNameProblem(path, key, extension);
    if (message !== undefined) return { problem: "BAD_KEY", key, message, entry: name, offset, position, image: bytes };
    const texts = this.texts();
    const label = labelOf({ entry: name, division, ...texts }, rules);
    const inSource = { offset: dataOffset, isObject: false };
    return { key, extension, image: bytes, label, json: texts?.json, entry: name, offset, inSource, position };
  }

  private texts(): Pick<Companions, "cls" | "txt" | "json" | "jsonName"> | undefined {
    if (this.labels.length === 0) return undefined;
    const texts: { cls?: string; txt?: string; json?: string; jsonName?: string } = {};
    for (const { entry, extension } of this.labels) {
      const text = decoder.decode(entry.bytes);
      if (sameExtension(extension, ".cls")) texts.cls = text;
      else if (sameExtension(extension, ".txt")) texts.txt = text;
      else {
        texts.json = text;
        texts.jsonName = entry.name;
      }
    }
    return texts;
  }

  /** No failure for a text alone: it may be a read-me. */
  private withoutImage(position: number, items: SourceItem[]): void {
    const label = this.labels.find(({ extension, entry }) => !sameExtension(extension, ".txt") || entry.problem);
    if (label === undefined) items.push({ ignored: "not an image", position });
    else if (label.entry.problem !== undefined) items.push(unreadable(label.entry, this.stem, position));
    else items.push(problemOf(this.first, "MISSING_IMAGE", "a label, but no image of that name beside it", position));
  }

  private byFate(fate: Fate, { position }: PartContext, items: SourceItem[]): void {
    const failAll = (code: ErrorCode, message: string) => {
      for (const image of this.images) items.push(problemOf(image, code, message, position));
    };
    switch (fate) {
      case "another field":
        for (const member of [...this.images, ...this.labels]) items.push(ignore(member, position));
        return;
      case "several images":
        failAll("AMBIGUOUS_SAMPLE", `several images of one sample: ${this.fields}; choose one with \`imageField\``);
        return;
      case "key twice":
        failAll(
          "BAD_LABEL",
          `key twice: ${this.stem} stands there again with other files, so whose label is which cannot be told`,
        );
        return;
      case "its labels are used up":
        return;
    }
  }
}

const sameExtension = (a: string, b: string) => a === b || a.toLowerCase() === b.toLowerCase();

const placeOf = ({ name, offset }: TarEntry): Place => ({ entry: name, offset });

/** An image or label that is another field of a sample. */
export function ignore({ entry }: Pick<Member, "entry">, position: number): IgnoredEntry {
  return { ignored: "another field", position, image: entry.bytes };
}

export function problemOf(
  { entry, stem: key }: Pick<Member, "entry" | "stem">,
  problem: ErrorCode,
  message: string,
  position: number,
): SourceProblem {
  return { ...placeOf(entry), problem, key, message, position, image: entry.bytes };
}

function unreadable(entry: TarEntry, key: string, position: number, image?: Uint8Array): SourceProblem {
  const { code, message } = entry.problem ?? { code: "INTERNAL", message: "an entry without bytes" };
  return { ...placeOf(entry), problem: code, key, message, position, image };
}
