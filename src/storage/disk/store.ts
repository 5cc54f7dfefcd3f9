// Local files. Writing goes to a hidden temporary name beside the target, is flushed to the disk, then renamed.
import { randomUUID } from "node:crypto";
import { closeSync, constants } from "node:fs";
import { type FileHandle, link, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemError, ToolkitError } from "../../errors.js";
import { holdTemporary, lockPath, releaseTemporary } from "../../native/index.js";
import { isMissing } from "../../system-errors.js";
import type {
  ByteRange,
  CreateOptions,
  ListOptions,
  Lock,
  ObjectInfo,
  ObjectStore,
  ObjectWriter,
  StreamOptions,
} from "../object-store.js";
import { reading, writing } from "../remote/activity.js";
import { bytePath } from "./file-name.js";
import { makeFolder } from "./folder.js";
import { listLocalFolder } from "./local-folder.js";

/**
 * Flags to open without a wait: opening a pipe that nobody writes to would hold one of the few threads that Node has
 * for the disk, for ever.
 */
export const readOnly = constants.O_RDONLY | constants.O_NONBLOCK;

/** One good-sized read: large enough for a disk's queue, small enough to stay in the cache. */
const streamChunkBytes = 1 << 20;

export class FileStore implements ObjectStore {
  async stat(url: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await stat(bytePath(url) ?? localPath(url));
      const kind = found.isDirectory() ? "folder" : "object";
      return { url, byteLength: found.size, version: `${found.size}-${Math.round(found.mtimeMs)}`, kind };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw systemError("cannot look at it", "read", url, error);
    }
  }

  async read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = target ?? new Uint8Array(range.end - range.start);
    const handle = await openForReading(url);
    try {
      let filled = 0;
      while (filled < bytes.length) {
        signal?.throwIfAborted();
        const left = bytes.length - filled;
        const { bytesRead } = await reading(() => handle.read(bytes, filled, left, range.start + filled));
        if (bytesRead === 0) {
          const facts = { source: url, offset: range.start + filled };
          throw new ToolkitError(
            "IO_ERROR",
            `expected ${bytes.length} bytes, found the end of the file after ${filled}`,
            facts,
          );
        }
        filled += bytesRead;
      }
      return bytes;
    } catch (error) {
      if (signal?.aborted) throw error;
      throw systemError("cannot read it", "read", url, error);
    } finally {
      await handle.close();
    }
  }

  async *stream(url: string, options: StreamOptions = {}): AsyncIterable<Uint8Array> {
    const { start = 0, reuseChunks = false, signal } = options;
    const handle = await openForReading(url);
    // Two chunks in turn: one is read while the other is looked at.
    const kept = reuseChunks ? [0, 1].map(() => Buffer.allocUnsafeSlow(streamChunkBytes)) : [];
    const readAt = async (position: number, turn: number): Promise<Uint8Array> => {
      const chunk = kept[turn % 2] ?? Buffer.allocUnsafeSlow(streamChunkBytes);
      const { bytesRead } = await reading(() => handle.read(chunk, 0, streamChunkBytes, position));
      return chunk.subarray(0, bytesRead);
    };
    let next: Promise<Uint8Array> | undefined;
    try {
      let position = start;
      for (let turn = 0; ; turn++) {
        signal?.throwIfAborted();
        const chunk = await (next ?? readAt(position, turn));
        if (chunk.length === 0) return;
        position += chunk.length;
        next = readAt(position, turn + 1);
        next.catch(() => {}); // surfaces when it is waited for
        yield chunk;
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      throw systemError("cannot read it", "read", url, error);
    } finally {
      await next?.catch(() => {});
      await handle.close();
    }
  }

  async list(url: string, { namePrefix = "" }: ListOptions = {}): Promise<ObjectInfo[]> {
    try {
      return await listLocalFolder(bytePath(url) === undefined ? localPath(url) : url, namePrefix);
    } catch (error) {
      throw systemError("cannot list it", "read", url, error);
    }
  }

  async create(url: string, { ifAbsent = false }: CreateOptions = {}): Promise<ObjectWriter> {
    const target = localPath(url);
    const temporary = temporaryFor(target);
    holdTemporary(temporary);
    try {
      await makeFolder(path.dirname(target));
      return new FileWriter(url, target, temporary, await open(temporary, "wx"), ifAbsent);
    } catch (error) {
      releaseTemporary(temporary);
      throw systemError("cannot write there", "create", url, error);
    }
  }

  async remove(url: string): Promise<void> {
    const file = localPath(url);
    await unlink(file)
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code === "EISDIR" || error.code === "EPERM") return removeEmptyFolder(file);
        if (!isMissing(error)) throw error;
      })
      .catch((error) => {
        throw systemError("cannot remove it", "create", url, error);
      });
  }

  /** The system's own lock: it ends with the process, however that ends. */
  async lock(folder: string): Promise<Lock | undefined> {
    try {
      const path = localPath(folder);
      await makeFolder(path);
      const descriptor = lockPath(path);
      if (descriptor === undefined) return undefined;
      return { lost: undefined, release: async () => closeSync(descriptor) };
    } catch (error) {
      throw systemError("cannot write there", "create", folder, error);
    }
  }

  async close(): Promise<void> {}

  async sweep(folder: string, isName: (name: string) => boolean): Promise<void> {
    for (const file of await namesIn(folder)) {
      const name = temporaryName.exec(file)?.[1];
      if (name === undefined || !isName(name)) continue;
      const left = path.join(localPath(folder), file);
      await rm(left, { force: true }).catch((error) => {
        throw systemError("cannot remove it", "create", left, error);
      });
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(localPath(folder)).catch((error) => {
    throw systemError("cannot list it", "read", folder, error);
  });
}

async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST" && !isMissing(error)) throw error;
  });
}

/** `.name.uuid.tmp`: what `create` calls a file until it is committed. */
const temporaryName = /^\.(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Names may have 255 bytes: of those that leave no room for what is added, the beginning is kept. */
const mostNameBytes = 200;

function temporaryFor(target: string): string {
  const name = Buffer.from(path.basename(target));
  const kept =
    name.length <= mostNameBytes
      ? name.toString()
      : name
          .subarray(0, mostNameBytes)
          .toString()
          .replace(/\uFFFD+$/, "");
  return path.join(path.dirname(target), `.${kept}.${randomUUID()}.tmp`);
}

class FileWriter implements ObjectWriter {
  constructor(
    private readonly url: string,
    private readonly target: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
    private readonly ifAbsent: boolean,
  ) {}

  async write(chunk: Uint8Array): Promise<void> {
    let written = 0;
    while (written < chunk.length) {
      try {
        const left = chunk.length - written;
        written += (await writing(left, () => this.handle.write(chunk, written, left))).bytesWritten;
      } catch (error) {
        throw systemError("cannot write it", "write", this.url, error);
      }
    }
  }

  async commit(): Promise<ObjectInfo> {
    try {
      await writing(0, () => this.handle.sync());
      await this.handle.close();
    } catch (error) {
      throw systemError("cannot write it", "write", this.url, error);
    }
    try {
      if (this.ifAbsent) await this.publishNew();
      else await rename(this.temporary, this.target);
      releaseTemporary(this.temporary);
      await syncFolder(path.dirname(this.target));
      const { size, mtimeMs } = await stat(this.target);
      return { url: this.url, byteLength: size, version: `${size}-${Math.round(mtimeMs)}`, kind: "object" };
    } catch (error) {
      throw systemError("cannot publish it", "create", this.url, error);
    }
  }

  /** Another name for the same file, which the system gives only if it is free. */
  private async publishNew(): Promise<void> {
    await link(this.temporary, this.target).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw cause;
      throw new ToolkitError("OBJECT_EXISTS", "somebody else has written it meanwhile", { source: this.url, cause });
    });
    await rm(this.temporary);
  }

  /**
   * Never fails: why it comes to this is what is reported, and what cannot be removed now is by the next run's sweep.
   */
  async abort(): Promise<void> {
    await this.handle.close().catch(() => {}); // already closed when commit failed half way
    await rm(this.temporary, { force: true }).catch(() => {});
    releaseTemporary(this.temporary);
  }
}

/**
 * The codes of file systems that cannot flush a folder, or do not let us open it: what lies in it is none the worse.
 */
const cannotFlush = new Set(["EINVAL", "ENOTSUP", "EBADF", "EACCES", "EPERM", "EISDIR"]);

/** The new name itself must survive a power cut, not only the bytes under it. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, "r");
    await handle.sync();
  } catch (error) {
    if (!cannotFlush.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await handle?.close();
  }
}

async function openForReading(url: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(bytePath(url) ?? localPath(url), readOnly);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENXIO") throw notAFile(url); // the system's code for a socket
    throw systemError("cannot open it", "read", url, error);
  }
  const found = await handle.stat();
  if (found.isFile() || found.isDirectory()) return handle;
  await handle.close();
  throw notAFile(url);
}

function notAFile(url: string): ToolkitError {
  return new ToolkitError("UNSUPPORTED_ENTRY", "a pipe, a socket or a device: only files can be read", { source: url });
}

/** The path of a `file://` URL or a path. UNSUPPORTED_URL for what no file can be called. */
export function localPath(url: string): string {
  if (url.includes("\0")) throw unsupported(url, "a path cannot hold a NUL character");
  if (!url.startsWith("file://")) return url;
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw unsupported(url, (cause as Error).message, cause);
  }
}

function unsupported(url: string, message: string, cause?: unknown): ToolkitError {
  return new ToolkitError("UNSUPPORTED_URL", message, { source: url.replaceAll("\0", "\\0"), cause });
}
