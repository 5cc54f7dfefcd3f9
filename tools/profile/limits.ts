// What the machine can do at most, measured where a profile is taken.
import { setMaxListeners } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { copyBytes, expandPacked, type StoredImage, unpackCoefficients } from "../../src/native/index.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import { sourcesInUse } from "../../src/shards/seek-file.js";
import { isFarAway } from "../../src/shards/source-files.js";
import { at } from "../../src/storage/at.js";
import { storageCounters } from "../../src/storage/counters.js";
import { localPath, readOnly } from "../../src/storage/disk/store.js";
import { joinUrl } from "../../src/storage/url.js";
import { medianOf } from "./quantile.js";

/** Bytes a second that one thread copies in memory that no cache holds. */
export function memoryCopyRate(): number {
  const bytes = 64 << 20;
  const [from, to] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes)];
  let best = 0;
  for (let pass = 0; pass < 4; pass++) {
    const began = performance.now();
    copyBytes(to, from);
    best = Math.max(best, (1000 * bytes) / (performance.now() - began));
  }
  return best;
}

interface StoredObject {
  readonly url: string;
  readonly byteLength: number;
}

/** The tars that files stayed in, where there are any; otherwise the shards. Class folders have too many objects. */
function objectsOf({ folder, shards, sources }: LoadedManifest): StoredObject[] {
  const tars = sourcesInUse(shards)
    .flatMap((number) => sources[number] ?? [])
    .filter(({ kind }) => kind === "tar");
  if (tars.length > 0) return tars;
  return shards.map(({ name, byteLength }) => ({ url: joinUrl(folder, name), byteLength }));
}

const readBytes = 8 << 20;
const rangesAtOnce = 8;

/**
 * Bytes a second at which shards can be read, for about so long: from disk one after the other, from a service in
 * ranges side by side.
 */
export async function shardReadRate(manifest: LoadedManifest, seconds: number): Promise<number> {
  const objects = objectsOf(manifest);
  return isFarAway(manifest) ? remoteRate(objects, seconds) : localRate(objects, seconds);
}

function localRate(objects: readonly StoredObject[], seconds: number): number {
  const target = new Uint8Array(readBytes);
  const began = performance.now();
  let [total, elapsed] = [0, 0];
  for (let i = 0; elapsed < 1000 * seconds; i++) {
    const file = openSync(localPath((objects[i % objects.length] as StoredObject).url), readOnly);
    try {
      for (let read = 1; read > 0 && elapsed < 1000 * seconds; elapsed = performance.now() - began) {
        read = readSync(file, target);
        total += read;
      }
    } finally {
      closeSync(file);
    }
  }
  return (1000 * total) / elapsed;
}

async function remoteRate(objects: readonly StoredObject[], seconds: number): Promise<number> {
  const ranges = objects.flatMap(({ url, byteLength }) =>
    Array.from({ length: Math.ceil(byteLength / readBytes) }, (_, i) => {
      const start = i * readBytes;
      return { url, range: { start, end: Math.min(byteLength, start + readBytes) } };
    }),
  );
  let next = 0;
  return landingRate(seconds, async (signal) => {
    const lane = async () => {
      for (;;) {
        const { url, range } = ranges[next++ % ranges.length] as (typeof ranges)[number];
        await at(url).read(range, undefined, signal);
      }
    };
    await Promise.all(Array.from({ length: rangesAtOnce }, lane));
  });
}

/**
 * Bytes a second that come from services while `work` reads, which is stopped when the time is up: a read may take
 * longer than that.
 */
export async function landingRate(seconds: number, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const before = storageCounters().bytesRead;
  const began = performance.now();
  const enough = new AbortController();
  const { signal } = enough;
  setMaxListeners(0, signal); // every read listens to it
  const landed = () => storageCounters().bytesRead - before;
  // Of a slow service at least something must have come.
  const timer = setInterval(() => {
    const passed = performance.now() - began;
    if (passed >= 1000 * seconds && (landed() > 0 || passed >= 20_000 * seconds)) enough.abort();
  }, 10);
  try {
    await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(timer);
  }
  return (1000 * landed()) / (performance.now() - began);
}

/**
 * Milliseconds of a lone read of so many bytes, or of the most that show latency rather than bandwidth: the median of a
 * few.
 */
export async function loneReadMs(manifest: LoadedManifest, byteLength: number): Promise<number> {
  const [object] = objectsOf(manifest);
  if (object === undefined) return 0;
  const { url } = object;
  const length = Math.max(1, Math.min(Math.round(byteLength), 256 << 10, object.byteLength));
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const start = Math.floor(((object.byteLength - length) * i) / 3);
    const began = performance.now();
    await at(url).read({ start, end: start + length });
    times.push(performance.now() - began);
  }
  return medianOf(times);
}

/**
 * How long samples of a data set take to unpack when they are stored without compression, as a share of what they take
 * now; undefined where they are not compressed, or not stored at all.
 */
export async function unpackingWithoutCompression(manifest: LoadedManifest): Promise<number | undefined> {
  const [shard] = manifest.shards;
  if (manifest.codec === "none" || shard === undefined || shard.seek !== undefined) return undefined;
  for await (const batch of readShard(manifest, shard)) {
    const stored = Array.from({ length: batch.length }, (_, i) => ({ ...batch.image(i), codec: manifest.codec }));
    const expanded = stored.map((image) => ({ ...image, codec: "none" as const, packed: expandPacked(image) }));
    const time = (images: readonly StoredImage[]) => {
      const began = performance.now();
      for (const { components, packed, codec } of images) unpackCoefficients(packed, components, codec);
      return performance.now() - began;
    };
    time(stored);
    return Math.min(1, time(expanded) / time(stored));
  }
  return undefined;
}
