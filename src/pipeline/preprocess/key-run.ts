// A run of neighbouring entries with the same base, as WebDataset splits names at the first dot: one sample with
// several fields, several samples whose keys hold dots, or a key that stands there more than once. Which of these it
// is, is decided at its end.
import { isLabelName, splitName } from "./entry-names.js";
import { ignore, KeyPart, type Member, problemOf } from "./key-part.js";
import type { LabelRules } from "./label-rules.js";
import type { IgnoredEntry, SourceItem, SourceProblem } from "./sample.js";
import { maxFilesBetween, type SkippedRun } from "./skipped-run.js";
import type { TarEntry } from "./tar-entry.js";

/**
 * Longer runs are not one sample: `img.0001.jpg` to `img.9999.jpg` are each by themselves. Until it is clear, they are
 * held.
 */
const maxRunFiles = 64;

/** Fields that an error names. */
const maxFieldsNamed = 8;

export class KeyRun {
  private parts: KeyPart[] = [];
  /** Entries before its first part. */
  private lead: (IgnoredEntry | SourceProblem)[] = [];
  private files: number;
  /** Entries of other kinds since its last file. */
  private between = 0;
  /** Where its first entry begins. */
  private readonly position: number;
  /** Whether a key continued after another one began. */
  private isInterleaved = false;
  /** Whether its parts were decided together: reading continues before all of them or after. */
  private areTogether = false;
  /** The first image that `imageField` leaves out, and the names of such. */
  private other: { readonly entry: TarEntry; readonly item: IgnoredEntry; readonly fields: Set<string> } | undefined;

  /** `skipped` are files of this run that an earlier reading had done. */
  constructor(
    readonly base: string,
    first: TarEntry,
    private readonly rules: LabelRules,
    private readonly division: string | undefined,
    private readonly skipped: SkippedRun | undefined,
  ) {
    this.files = skipped?.files ?? 0;
    this.position = first.offset;
  }

  /** Takes an entry over; `items` gets what is decided by now, which is nothing but for long runs. */
  add(entry: TarEntry, items: SourceItem[]): void {
    const member = this.memberOf(entry);
    if (member === undefined) this.addOther(entry, items);
    else this.addMember(member, entry, items);
  }

  private addMember(member: Member, entry: TarEntry, items: SourceItem[]): void {
    const last = this.parts.length === 0 ? undefined : this.parts.findLast((part) => part.stem === member.stem);
    const repeats = last?.holds(member) ?? this.repeatsSkipped(entry);
    if (last !== undefined && repeats) last.repeats = true;
    // The same key with a second JPEG (a.jpg, a.jpeg) is a second sample, not a replacement.
    if (last === undefined || repeats || last.isSecondJpeg(member)) this.parts.push(new KeyPart(member, repeats));
    else {
      last.add(member);
      if (last !== this.parts.at(-1)) this.isInterleaved = true;
    }
    this.bound(items);
  }

  /**
   * An entry that is not part of it, to be reported after what came before it: where that is read again, this entry
   * comes again. False when there were so many that the run is at its end.
   */
  setAside(item: IgnoredEntry | SourceProblem): boolean {
    const part = this.parts.at(-1);
    if (part === undefined) this.lead.push(item);
    else part.setAside(item);
    return ++this.between <= maxFilesBetween;
  }

  /** Decides what is left. */
  finish(items: SourceItem[]): void {
    if (!this.isLong) this.decide();
    this.giveOut(this.parts, items);
  }

  private get isLong(): boolean {
    return this.files > maxRunFiles;
  }

  /** Undefined for another field than the one that is asked for. */
  private memberOf(entry: TarEntry): Member | undefined {
    const { path } = entry;
    const isImage = !isLabelName(path);
    const { imageField } = this.rules;
    if (imageField === undefined || !isImage) {
      const { key: stem, extension } = splitName(path);
      return imageField === undefined || stem === this.base ? { entry, stem, extension, isImage } : undefined;
    }
    const extension = path.slice(this.base.length);
    const isAsked = extension.slice(1).toLowerCase() === imageField;
    return isAsked ? { entry, stem: this.base, extension, isImage } : undefined;
  }

  private addOther(entry: TarEntry, items: SourceItem[]): void {
    const item = ignore({ entry }, entry.offset);
    if (!isLabelName(entry.path)) {
      this.other ??= { entry, item, fields: new Set() };
      const { fields } = this.other;
      if (fields.size < maxFieldsNamed) fields.add(entry.path.slice(this.base.length + 1));
    }
    this.setAside(item);
    this.bound(items);
  }

  private repeatsSkipped({ path }: TarEntry): boolean {
    const isLong = this.files + 1 > maxRunFiles; // with this one
    return this.skipped !== undefined && isLong && splitName(this.skipped.last).key === splitName(path).key;
  }

  /** Keeps what is held small: of a long run only the part in hand is. */
  private bound(items: SourceItem[]): void {
    this.files++;
    this.between = 0;
    if (!this.isLong) return;
    const held = this.parts.at(-1);
    // Other fields than the one that is asked for may follow it without end.
    const isFull = held === undefined || held.aside.length > maxRunFiles;
    this.giveOut(isFull ? this.parts : this.parts.slice(0, -1), items);
    this.parts = isFull ? [] : [held];
    this.isInterleaved = false;
  }

  private decide(): void {
    const { parts, rules } = this;
    const isField = rules.imageField !== undefined;
    if (parts.length < 2 && !isField) return;
    const changed = [settleRepeats(parts), isField ? this.reportMissingField() : joinFields(parts, this.base)];
    this.areTogether = isField || this.isInterleaved || changed.includes(true);
  }

  /** The first image of a sample that has not the field that is asked for stands for the sample. */
  private reportMissingField(): boolean {
    const { other, parts, rules } = this;
    if (other === undefined || parts.some(({ images }) => images.length > 0)) return false;
    const message = `no image ${rules.imageField} in this sample; it has ${[...other.fields].join(", ")}`;
    const failure = problemOf({ entry: other.entry, stem: this.base }, "MISSING_IMAGE", message, this.position);
    for (const aside of [this.lead, ...parts.map((part) => part.aside)]) {
      const at = aside.indexOf(other.item);
      if (at >= 0) aside[at] = failure;
    }
    for (const part of parts) part.fate = "its labels are used up";
    return true;
  }

  /** Parts of a long run are each by themselves, and so are those of a short one, unless they were decided together. */
  private giveOut(parts: readonly KeyPart[], items: SourceItem[]): void {
    const { position: start, rules, division, areTogether } = this;
    for (const item of this.lead.splice(0)) items.push(areTogether ? { ...item, position: start } : item);
    for (const part of parts) {
      if (this.isLong && part.repeats) part.fate = "key twice";
      part.giveOut({ rules, division, position: areTogether ? start : part.position }, items);
    }
  }
}

/** Which label is whose is known where every repetition of a key has the same files. Whether there are repetitions. */
function settleRepeats(parts: readonly KeyPart[]): boolean {
  const repeated = parts.filter((part) => part.repeats);
  for (const part of repeated) {
    const same = repeated.filter(({ stem }) => stem === part.stem);
    if (same.every(({ signature }) => signature === part.signature)) continue;
    const isPartOfFailures = part.images.length === 0 && same.some(({ images }) => images.length > 0);
    part.fate = isPartOfFailures ? "its labels are used up" : "key twice";
  }
  return repeated.length > 0;
}

/**
 * Where the base has files of its own (`000.cls`), images whose own name has none (`000.depth.png`) are fields of the
 * base's sample: its only image, or another field beside its image. Whether that is so here.
 */
function joinFields(parts: KeyPart[], base: string): boolean {
  const own = parts.filter(({ stem }) => stem === base);
  const bare = parts.filter(({ stem, images, labels }) => stem !== base && images.length > 0 && labels.length === 0);
  const extra = parts.filter(({ stem, images }) => stem !== base && images.length === 0);
  const isLabelled = own.some(({ labels }) => labels.length > 0);
  const hasImage = own.some(({ images }) => images.length > 0);
  const [only, ...more] = bare.flatMap(({ images }) => images);
  if (hasImage) {
    for (const part of isLabelled ? [...bare, ...extra] : extra) part.fate = "another field";
    return extra.length > 0 || (isLabelled && bare.length > 0);
  }
  if (!isLabelled || only === undefined) return false;
  for (const part of extra) part.fate = "another field";
  const [sample] = own;
  if (more.length === 0 && own.length === 1 && sample !== undefined) {
    sample.add({ ...only, stem: base, extension: only.entry.path.slice(base.length) });
    const [joined] = parts.splice(parts.indexOf(bare[0] as KeyPart), 1);
    for (const item of joined?.aside ?? []) sample.setAside(item);
    return true;
  }
  const fields = [only, ...more].slice(0, maxFieldsNamed).map(({ entry }) => entry.path.slice(base.length + 1));
  for (const part of own) part.fate = "its labels are used up";
  for (const part of bare) part.failAsFields(fields.join(", "));
  return true;
}
