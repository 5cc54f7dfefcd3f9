// A folder on the local disk that keeps what was read from far away: bounded, least recently used goes first, shared by
// any number of processes. It is a convenience: whatever goes wrong in it costs a read from the origin and never a run.
import { randomUUID } from "node:crypto";
import { closeSync } from "node:fs";
import { type FileHandle, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemError, ToolkitError } from "../../errors.js";
import { crc32c, lockPath } from "../../native/index.js";
import { makeFolder } from "./folder.js";

export interface CacheOptions {
  /** Made if it is not there. Everything is kept in a folder of our own inside; other files are left alone. */
  readonly folder: string;
  /** What all files together may take, of all processes. */
  readonly maxBytes: number;
}

/** Receives, once, that the cache cannot keep anything: what is in it is still used. */
export type OnCacheProblem = (problem: ToolkitError) => void;

/** What the cache did for this process. */
export interface CacheCounters {
  readonly hits: number;
  readonly misses: number;
  readonly filled: number;
  readonly evicted: number;
  /** Entries found damaged, and dropped. */
  readonly damaged: number;
}

const ownFolder = "dctstream-cache-1";
const lockName = "lock";
const usageName = "usage";
const entryName = /^[0-9a-z-]+\.entry$/;
const temporaryName = /^\.[0-9a-z-]+\.entry\.[0-9a-f-]{36}\.tmp$/;
/** CRC-32C of the content, at the end of each file. */
const trailerBytes = 4;
/** Made room for at once, so that most fills need not look through the folder. */
const roomShare = 0.05;
/** A temporary file this old has no writer any more. */
const abandonedMs = 10 * 60_000;
const lockPatienceMs = 10_000;
/** After a failure (a full disk, say) nothing is kept for so long. */
const restMs = 30_000;

interface Entry {
  readonly name: string;
  readonly byteLength: number;
  readonly usedMs: number;
}

export class DiskCache {
  private readonly tally = { hits: 0, misses: 0, filled: 0, evicted: 0, damaged: 0 };
  private restingUntil = 0;
  private told = false;

  private constructor(
    private readonly folder: string,
    private readonly maxBytes: number,
    private readonly onProblem: OnCacheProblem,
  ) {}

  /** Never fails: a cache that nothing can be written to is one that may be read. */
  static async open({ folder, maxBytes }: CacheOptions, onProblem: OnCacheProblem = () => {}): Promise<DiskCache> {
    const own = path.join(folder, ownFolder);
    const cache = new DiskCache(own, maxBytes, onProblem);
    try {
      await makeFolder(own);
      await writeFile(path.join(own, lockName), "", { flag: "a" });
      // Other limits may have held before, and a killed process leaves a wrong sum.
      await cache.locked(() => cache.makeRoom(0));
    } catch (error) {
      cache.rest(error);
    }
    return cache;
  }

  get counters(): CacheCounters {
    return { ...this.tally };
  }

  /** The entry's content in memory that `allocate` gives; undefined when there is none, or it is damaged. */
  async get(key: string, allocate: (byteLength: number) => Uint8Array): Promise<Uint8Array | undefined> {
    const file = this.fileOf(key);
    const handle = await open(file, "r").catch(() => undefined);
    if (handle === undefined) {
      this.tally.misses++;
      return undefined;
    }
    try {
      const content = await readEntry(handle, allocate);
      const now = new Date();
      await utimes(file, now, now).catch(() => {}); // evicted meanwhile, which takes nothing from what was read
      this.tally.hits++;
      return content;
    } catch {
      this.tally.damaged++;
      this.tally.misses++;
      await rm(file, { force: true }).catch(() => {}); // a disk that fails at this too changes nothing
      return undefined;
    } finally {
      await handle.close();
    }
  }

  /** Keeps `content`, if there is or can be made room for it. Never fails. */
  async put(key: string, content: Uint8Array): Promise<void> {
    if (performance.now() < this.restingUntil) return;
    const size = content.length + trailerBytes;
    const file = this.fileOf(key);
    const temporary = path.join(this.folder, `.${path.basename(file)}.${randomUUID()}.tmp`);
    try {
      if (size > this.maxBytes || (await exists(file))) return;
      const handle = await this.locked(async () => {
        const used = await this.usage();
        const left = used + size <= this.maxBytes ? used : await this.makeRoom(size);
        const reserved = await open(temporary, "wx");
        await reserved.truncate(size); // counted from now on by every process that looks through the folder
        await this.setUsage(left + size);
        return reserved;
      });
      try {
        await writeEntry(handle, content);
      } finally {
        await handle.close();
      }
      // Locked: a process that adds up meanwhile could see the file under neither name.
      await this.locked(() => rename(temporary, file));
      this.tally.filled++;
    } catch (error) {
      this.rest(error);
      await rm(temporary, { force: true }).catch(() => {}); // the next process that looks through the folder does it
    }
  }

  /** Keeps nothing for a while. */
  private rest(error: unknown): void {
    this.restingUntil = performance.now() + restMs;
    if (this.told) return;
    this.told = true;
    this.onProblem(systemError("the cache cannot keep anything", "create", this.folder, error));
  }

  private fileOf(key: string): string {
    return path.join(this.folder, `${key}.entry`);
  }

  /** Runs `work` while no other process, nor another call, changes the folder's sum. The lock ends with the process. */
  private async locked<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + lockPatienceMs;
    let descriptor = lockPath(path.join(this.folder, lockName));
    while (descriptor === undefined) {
      if (performance.now() > end)
        throw new ToolkitError("OUTPUT_IN_USE", "the cache's lock is held for too long", { source: this.folder });
      await sleep(1 + 4 * Math.random());
      descriptor = lockPath(path.join(this.folder, lockName));
    }
    try {
      return await work();
    } finally {
      closeSync(descriptor);
    }
  }

  /** Kept in a file, because adding thousands of files up for each new one would take longer than reading it. */
  private async usage(): Promise<number> {
    const used = Number(await readFile(path.join(this.folder, usageName), "utf8").catch(() => ""));
    return Number.isSafeInteger(used) && used > 0 ? used : this.makeRoom(0);
  }

  private async setUsage(bytes: number): Promise<void> {
    await writeFile(path.join(this.folder, usageName), String(bytes));
  }

  /**
   * Adds everything up, and removes what was not used for longest until `size` more fit. Resolves with what is left.
   */
  private async makeRoom(size: number): Promise<number> {
    const entries = await this.list();
    let used = entries.reduce((sum, entry) => sum + entry.byteLength, 0);
    const goal = used + size <= this.maxBytes ? this.maxBytes : this.maxBytes * (1 - roomShare);
    for (const { name, byteLength } of entries) {
      if (used + size <= goal) break;
      if (!entryName.test(name)) continue;
      await rm(path.join(this.folder, name), { force: true });
      used -= byteLength;
      this.tally.evicted++;
    }
    await this.setUsage(used);
    return used;
  }

  /** Our files, the one not used for longest first. */
  private async list(): Promise<Entry[]> {
    const names = (await readdir(this.folder)).filter((name) => entryName.test(name) || temporaryName.test(name));
    const found = await Promise.all(
      names.map(async (name): Promise<Entry[]> => {
        const file = path.join(this.folder, name);
        const info = await stat(file).catch(() => undefined);
        if (info === undefined) return [];
        const abandoned = temporaryName.test(name) && Date.now() - info.mtimeMs > abandonedMs;
        if (abandoned) await rm(file, { force: true });
        return abandoned ? [] : [{ name, byteLength: info.size, usedMs: info.mtimeMs }];
      }),
    );
    return found.flat().sort((a, b) => a.usedMs - b.usedMs);
  }
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

/** Throws when the content is not what was written: a power cut may leave a file of zeros under its final name. */
async function readEntry(handle: FileHandle, allocate: (byteLength: number) => Uint8Array): Promise<Uint8Array> {
  const { size } = await handle.stat();
  if (size < trailerBytes) throw new Error("shorter than its checksum");
  const content = allocate(size - trailerBytes);
  const trailer = new Uint8Array(trailerBytes);
  await readFully(handle, content, 0);
  await readFully(handle, trailer, content.length);
  if (new DataView(trailer.buffer).getUint32(0, true) !== crc32c(content)) throw new Error("its checksum is wrong");
  return content;
}

async function readFully(handle: FileHandle, target: Uint8Array, position: number): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) throw new Error("shorter than it was");
    filled += bytesRead;
  }
}

async function writeEntry(handle: FileHandle, content: Uint8Array): Promise<void> {
  const trailer = new Uint8Array(trailerBytes);
  new DataView(trailer.buffer).setUint32(0, crc32c(content), true);
  for (const [bytes, start] of [
    [content, 0],
    [trailer, content.length],
  ] as const) {
    for (let written = 0; written < bytes.length; )
      written += (await handle.write(bytes, written, bytes.length - written, start + written)).bytesWritten;
  }
}
