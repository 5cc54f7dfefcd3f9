// The folder that files are exported into. Their names are plain paths; what may still lead out of the folder are
// symbolic links that lie in it already: nothing is written through them.
import { lstat, mkdir } from "node:fs/promises";
import path from "node:path";
import { systemError, ToolkitError } from "../errors.js";
import { InFlight } from "../in-flight.js";
import { makeFolder } from "../storage/disk/folder.js";
import { localPath } from "../storage/disk/store.js";
import { putObject } from "../storage/objects.js";
import { isRemote, joinUrl } from "../storage/url.js";

/** Files on their way to a service, each of which takes a round trip. */
const remoteWritesInFlight = 24;

export class ExportFolder {
  private readonly writing: InFlight;
  /** Undefined: a service, which has no links and takes names as they are. */
  private readonly root: string | undefined;
  private readonly known = new Set<string>();

  constructor(private readonly folder: string) {
    const remote = isRemote(folder);
    this.writing = new InFlight(remote ? remoteWritesInFlight : 1);
    // A path, where a name stands for itself: in a file:// URL "%2e%2e" would be "..".
    this.root = remote ? undefined : path.resolve(localPath(folder));
  }

  /**
   * Writes a file. What is in the way of this file alone comes back; what the folder itself or the disk refuses is
   * thrown.
   */
  async add(name: string, bytes: Uint8Array): Promise<ToolkitError | undefined> {
    if (this.root === undefined) {
      await this.writing.add(putObject(joinUrl(this.folder, name), bytes));
      return undefined;
    }
    await this.makeRoot(this.root);
    try {
      await this.enter(this.root, name.split("/").slice(0, -1));
      await putObject(path.join(this.root, name), bytes);
      return undefined;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || !nameErrors.has(errno)) throw error;
      return new ToolkitError("OUTPUT_NOT_WRITABLE", `no file can have this name there (${errno})`, {
        source: path.join(this.root, name),
        cause: error,
      });
    }
  }

  commit(): Promise<void> {
    return this.writing.finish();
  }

  /** Whole files are each good; the next run writes the same ones. */
  abort(): Promise<void> {
    return this.writing.settle();
  }

  /** The folder that was asked for, which may be reached through links. */
  private async makeRoot(root: string): Promise<void> {
    if (this.known.has(root)) return;
    await makeFolder(root).catch((error) => {
      throw systemError("cannot make the folder", "create", root, error);
    });
    this.known.add(root);
  }

  /** Makes the folders on the way to a file, one below the other. */
  private async enter(root: string, components: readonly string[]): Promise<void> {
    let folder = root;
    for (const component of components) {
      folder = path.join(folder, component);
      if (this.known.has(folder)) continue;
      await enterFolder(folder);
      this.known.add(folder);
    }
  }
}

/** The system's codes for a name that is too long, is a folder's or a file's already, or leads through a link. */
const nameErrors = new Set(["ENAMETOOLONG", "EISDIR", "ENOTDIR", "ENOTEMPTY", "EEXIST", "ELOOP", "EILSEQ", "EINVAL"]);

function errnoOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code;
  }
  return undefined;
}

/** A folder of the export's own: it is there afterwards, and is a folder itself, not a link to one. */
async function enterFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
      throw systemError("cannot make the folder", "create", folder, cause);
    const found = await lstat(folder);
    if (found.isDirectory()) return;
    throw found.isSymbolicLink() ? inTheWay("ELOOP", "a symbolic link") : inTheWay("ENOTDIR", "a file");
  }
}

function inTheWay(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${what} is in the way`), { code });
}
