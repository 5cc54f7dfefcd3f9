// What a resumed reading passes over, as far as it matters to what comes after: the neighbours of the first entry.
import { baseOf, sampleKindOf } from "./entry-names.js";

/** More entries of other kinds in a row end a run: what comes after them is not a neighbour of what came before. */
export const maxFilesBetween = 64;

/** The last run of neighbouring files with the same base. */
export class SkippedRun {
  base: string | undefined;
  files = 0;
  /** The path of its last file. */
  last = "";
  private between = 0;

  /** Another entry, in the source's order. */
  readonly add = (path: string): void => {
    if (sampleKindOf(path) === undefined) {
      this.addAside();
      return;
    }
    const base = baseOf(path);
    this.files = base === this.base ? this.files + 1 : 1;
    this.base = base;
    this.last = path;
    this.between = 0;
  };

  /** An entry that is not part of a sample. */
  addAside(): void {
    if (++this.between > maxFilesBetween) this.base = undefined;
  }
}
