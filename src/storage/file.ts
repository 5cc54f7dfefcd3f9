// Local files. Writing goes to a hidden temporary name beside the target, is flushed to the disk, then renamed.
import { randomUUID } from "node:crypto";
import { closeSync } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ToolkitError } from "../errors.js";
import { lockPath } from "../native/index.js";
import { reading, writing } from "./activity.js";
import type {
  ByteRange,
  CreateOptions,
  ListOptions,
  Lock,
  ObjectInfo,
  ObjectStore,
  ObjectWriter,
  StreamOptions,
} from "./store.js";

/** One good-sized read: large enough for a disk's queue, small enough to stay in the cache. */
const streamChunkBytes = 1 << 20;

export class FileStore implements ObjectStore {
  async stat(url: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await stat(localPath(url));
      const kind = found.isDirectory() ? "folder" : "object";
      return { url, byteLength: found.size, version: `${found.size}-${Math.round(found.mtimeMs)}`, kind };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw ioError("cannot look at", url, error);
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
      if (signal?.aborted || error instanceof ToolkitError) throw error;
      throw ioError("cannot read", url, error);
    } finally {
      await next?.catch(() => {});
      await handle.close();
    }
  }

  async list(url: string, { namePrefix = "" }: ListOptions = {}): Promise<ObjectInfo[]> {
    const names = (await readdir(localPath(url))).filter((name) => name.startsWith(namePrefix)).sort();
    const found = await Promise.all(names.map((name) => this.stat(path.join(localPath(url), name))));
    return found.filter((info) => info !== undefined);
  }

  async create(url: string, { ifAbsent = false }: CreateOptions = {}): Promise<ObjectWriter> {
    const target = localPath(url);
    const temporary = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.tmp`);
    try {
      await mkdir(path.dirname(target), { recursive: true });
      return new FileWriter(url, target, temporary, await open(temporary, "wx"), ifAbsent);
    } catch (error) {
      throw new ToolkitError("OUTPUT_NOT_WRITABLE", `cannot write there: ${(error as Error).message}`, {
        source: url,
        cause: error,
      });
    }
  }

  async remove(url: string): Promise<void> {
    await unlink(localPath(url)).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === "EISDIR" || error.code === "EPERM") await removeEmptyFolder(localPath(url));
      else if (!isMissing(error)) throw ioError("cannot remove", url, error);
    });
  }

  /** The system's own lock: it ends with the process, however that ends. */
  async lock(folder: string): Promise<Lock | undefined> {
    try {
      const path = localPath(folder);
      await mkdir(path, { recursive: true });
      const descriptor = lockPath(path);
      if (descriptor === undefined) return undefined;
      return { lost: undefined, release: async () => closeSync(descriptor) };
    } catch (cause) {
      const message = `cannot write there: ${(cause as Error).message}`;
      throw new ToolkitError("OUTPUT_NOT_WRITABLE", message, { source: folder, cause });
    }
  }

  async close(): Promise<void> {}

  async sweep(folder: string, isName: (name: string) => boolean): Promise<void> {
    for (const file of await readdir(localPath(folder))) {
      const name = temporaryName.exec(file)?.[1];
      if (name !== undefined && isName(name)) await rm(path.join(localPath(folder), file), { force: true });
    }
  }
}

async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST" && !isMissing(error)) throw error;
  });
}

/** `.name.uuid.tmp`: what `create` calls a file until it is committed. */
const temporaryName = /^\.(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

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
        throw ioError("cannot write", this.url, error);
      }
    }
  }

  async commit(): Promise<ObjectInfo> {
    await writing(0, () => this.handle.sync());
    await this.handle.close();
    if (this.ifAbsent) await this.publishNew();
    else await rename(this.temporary, this.target);
    await syncFolder(path.dirname(this.target));
    const { size, mtimeMs } = await stat(this.target);
    return { url: this.url, byteLength: size, version: `${size}-${Math.round(mtimeMs)}`, kind: "object" };
  }

  /** Another name for the same file, which the system gives only if it is free. */
  private async publishNew(): Promise<void> {
    await link(this.temporary, this.target).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw ioError("cannot publish", this.url, cause);
      throw new ToolkitError("OBJECT_EXISTS", "somebody else has written it meanwhile", { source: this.url, cause });
    });
    await rm(this.temporary);
  }

  async abort(): Promise<void> {
    await this.handle.close().catch(() => {}); // already closed when commit failed half way
    await rm(this.temporary, { force: true });
  }
}

/** The new name itself must survive a power cut, not only the bytes under it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openForReading(url: string): Promise<FileHandle> {
  try {
    return await open(localPath(url), "r");
  } catch (error) {
    throw ioError("cannot open", url, error);
  }
}

/** The path of a `file://` URL or a path. */
export function localPath(url: string): string {
  return url.startsWith("file://") ? fileURLToPath(url) : url;
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

function ioError(doing: string, url: string, cause: unknown): ToolkitError {
  const code = isMissing(cause) ? "NOT_FOUND" : "IO_ERROR";
  return new ToolkitError(code, `${doing} it: ${(cause as Error).message}`, { source: url, cause });
}
