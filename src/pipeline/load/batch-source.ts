// Record batches into shared memory: from the cache where it has them, from their shards otherwise, checked in either case.
import type { Codec } from "../../native/index.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import type { BatchRef } from "../../shards/plan.js";
import { readBatchBytes } from "../../shards/reader.js";
import type { BatchEntry } from "../../shards/writer.js";
import type { DiskCache } from "../../storage/cache.js";
import { joinUrl } from "../../storage/store.js";
import type { SharedBuffers } from "../shared-buffers.js";

/** A batch in shared memory: `bytes` lie at the start of `buffer`. */
export interface BatchBytes {
  readonly url: string;
  readonly codec: Codec;
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
}

export interface BatchCache {
  readonly disk: DiskCache;
  /** Turns a batch into its expanded form, in another thread; undefined: the cache holds batches as they are stored. */
  readonly expand: ((batch: BatchBytes) => Promise<Uint8Array>) | undefined;
}

export class BatchSource {
  constructor(
    private readonly manifest: LoadedManifest,
    private readonly buffers: SharedBuffers,
    private readonly cache: BatchCache | undefined,
  ) {}

  /** The caller gives the buffer back. CHECKSUM_MISMATCH, CORRUPT_RECORD, and what the store throws. */
  async read(ref: BatchRef, signal: AbortSignal): Promise<BatchBytes> {
    const { url, sha256, batch } = this.place(ref);
    const { cache } = this;
    const expand = this.manifest.codec === "none" ? undefined : cache?.expand;
    const codec = expand === undefined ? this.manifest.codec : "none";
    const key = `${sha256}-${batch.offset}${expand === undefined ? "" : "-x"}`;
    const found = await this.fromCache(key);
    if (found !== undefined) return { url, codec, ...found };
    const buffer = this.buffers.take(sizeClass(batch.byteLength));
    try {
      const bytes = new Uint8Array(buffer, 0, batch.byteLength);
      await readBatchBytes(url, this.manifest.codec, batch, bytes, signal);
      const read = { url, codec: this.manifest.codec, buffer, bytes };
      // What is here already is used as it is: the next epoch reads the other form.
      if (cache !== undefined) await cache.disk.put(key, expand === undefined ? bytes : await expand(read));
      return read;
    } catch (error) {
      this.buffers.giveBack(buffer);
      throw error;
    }
  }

  private async fromCache(key: string) {
    let buffer: SharedArrayBuffer | undefined;
    const bytes = await this.cache?.disk.get(key, (byteLength) => {
      buffer = this.buffers.take(sizeClass(byteLength));
      return new Uint8Array(buffer, 0, byteLength);
    });
    if (bytes !== undefined && buffer !== undefined) return { buffer, bytes };
    if (buffer !== undefined) this.buffers.giveBack(buffer);
    return undefined;
  }

  private place({ shard, batch }: BatchRef): { url: string; sha256: string; batch: BatchEntry } {
    const entry = this.manifest.shards[shard];
    const place = entry?.batches[batch];
    if (entry === undefined || place === undefined)
      throw new RangeError(`plan names batch ${batch} of shard ${shard}, which the manifest lacks`);
    return { url: joinUrl(this.manifest.folder, entry.name), sha256: entry.sha256, batch: place };
  }
}

/** Batches differ in size by some per cent: rounded up to one of four sizes per power of two, their buffers fit each other. */
function sizeClass(byteLength: number): number {
  const step = 2 ** Math.max(12, Math.floor(Math.log2(byteLength)) - 2);
  return Math.ceil(byteLength / step) * step;
}
