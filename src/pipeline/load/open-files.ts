// The files that a view thread has open: shards, and sources that files stayed in. Every thread opens its own: they
// belong to the thread that opened them, and end with it.
import { closeSync, openSync } from "node:fs";
import { systemError, ToolkitError } from "../../errors.js";
import { localPath, readOnly } from "../../storage/disk/store.js";
import { isMissing, isOutOfFiles } from "../../system-errors.js";

export class OpenFiles {
  /** Open files by URL, the least recently used first. */
  private readonly files = new Map<string, number>();
  /** The files of the task at hand: they stay open, however many they are. */
  private readonly inUse = new Set<string>();

  /** `limit`: files that stay open between tasks. */
  constructor(private readonly limit: number) {}

  /** A descriptor that is good until the task has ended. NOT_FOUND, TOO_MANY_OPEN_FILES, IO_ERROR. */
  open(url: string): number {
    const known = this.files.get(url);
    if (known !== undefined && this.inUse.has(url)) return known;
    this.inUse.add(url);
    this.files.delete(url);
    const file = known ?? this.openNew(url);
    this.files.set(url, file);
    return file;
  }

  taskEnded(): void {
    this.inUse.clear();
    while (this.files.size > this.limit) this.closeOldest();
  }

  private openNew(url: string): number {
    for (;;) {
      try {
        return openSync(localPath(url), readOnly);
      } catch (error) {
        if (isOutOfFiles(error) && this.closeOldest()) continue;
        if (isMissing(error)) throw new ToolkitError("NOT_FOUND", "no such file", { source: url, cause: error });
        throw systemError("cannot open it", "read", url, error);
      }
    }
  }

  /** Closes the least recently used file; false when all are in use. */
  private closeOldest(): boolean {
    for (const [url, file] of this.files) {
      if (this.inUse.has(url)) continue;
      this.files.delete(url);
      closeSync(file);
      return true;
    }
    return false;
  }
}
