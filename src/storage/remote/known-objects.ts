// Which version of each object was seen last: what reads of an object that are far apart must be reads of.
import { ToolkitError } from "../../errors.js";
import type { ObjectInfo } from "../object-store.js";

export function objectChanged(source: string): ToolkitError {
  const message = "the object was replaced while it was being read; run again when nothing writes it";
  return new ToolkitError("OBJECT_CHANGED", message, { source });
}

/** Throws OBJECT_CHANGED unless both are the same, or one is not known. */
export function checkVersion(found: string | undefined, expected: string | undefined, source: string): void {
  if (found !== undefined && expected !== undefined && found !== expected) throw objectChanged(source);
}

/** Objects remembered. One that is forgotten is pinned anew by its next read. */
const capacity = 10_000;

/** What is known of an object; `info` after it was looked at, the version alone after a read. */
interface Known {
  readonly version: string | undefined;
  readonly info?: ObjectInfo;
}

export class KnownObjects {
  private readonly byUrl = new Map<string, Known>();

  versionOf(url: string): string | undefined {
    return this.byUrl.get(url)?.version;
  }

  infoOf(url: string): ObjectInfo | undefined {
    return this.byUrl.get(url)?.info;
  }

  /** Notes the version to read from now on; undefined: there is no object. */
  looked(url: string, info: ObjectInfo | undefined): void {
    this.byUrl.delete(url);
    if (info === undefined) return;
    this.byUrl.set(url, { version: info.version === "" ? undefined : info.version, info });
    this.trim();
  }

  /** A read found this version, maybe the first that is known. */
  read(url: string, version: string | undefined): void {
    if (version === undefined || this.byUrl.has(url)) return;
    this.byUrl.set(url, { version });
    this.trim();
  }

  clear(): void {
    this.byUrl.clear();
  }

  private trim(): void {
    const [oldest] = this.byUrl.keys();
    if (this.byUrl.size > capacity && oldest !== undefined) this.byUrl.delete(oldest);
  }
}
