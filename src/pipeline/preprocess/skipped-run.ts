// What a resumed reading passes over, as far as it matters to what comes after: the neighbours of the first entry.
import { baseOf, isImageName, isLabelName } from "./entry-names.js";

/** The last run of neighbouring files with the same base. */
export class SkippedRun {
  base: string | undefined;
  /** How many entries it has, those of other kinds among its files included. */
  files = 0;
  /** The path of its last file. */
  last = "";

  /** Another entry, in the source's order. */
  readonly add = (path: string): void => {
    if (!isImageName(path) && !isLabelName(path)) {
      this.files++;
      return;
    }
    const base = baseOf(path);
    this.files = base === this.base ? this.files + 1 : 1;
    this.base = base;
    this.last = path;
  };
}
