// What the machine and its stores can do at most for preprocessing, measured where a profile is taken.
import { createHash, randomUUID } from "node:crypto";
import { factNumbers, readJpegFacts } from "../../../src/native/index.js";
import { isSample } from "../../../src/pipeline/preprocess/sample.js";
import { readSource, type Source } from "../../../src/pipeline/preprocess/sources.js";
import { at, writableAt } from "../../../src/storage/at.js";
import { putObject } from "../../../src/storage/objects.js";
import { isRemote, joinUrl } from "../../../src/storage/url.js";
import { landingRate, memoryCopyRate } from "../limits.js";

const limitSeconds = 0.5;

export interface PreprocessLimits {
  /** Bytes a second. */
  readonly sourceReadBytesPerSecond: number;
  readonly memoryCopyBytesPerSecond: number;
  readonly sha256BytesPerSecond: number;
  readonly outputWriteBytesPerSecond?: number | undefined;
  /** The speed of one thread. */
  readonly libjpegImagesPerSecond: number | undefined;
}

/** `out`: where a large file may be written and removed. */
export async function measurePreprocessLimits(
  sources: readonly Source[],
  out: string | undefined,
  signal: AbortSignal | undefined,
): Promise<PreprocessLimits> {
  return {
    sourceReadBytesPerSecond: await sourceReadRate(sources, signal),
    memoryCopyBytesPerSecond: memoryCopyRate(),
    sha256BytesPerSecond: hashRate(),
    ...(out !== undefined && { outputWriteBytesPerSecond: await writeRate(out) }),
    libjpegImagesPerSecond: libjpegRate(await firstImages(sources, signal)),
  };
}

async function sourceReadRate(sources: readonly Source[], signal: AbortSignal | undefined): Promise<number> {
  const remote = sources.some(({ address }) => isRemote(address));
  let bytes = 0;
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  const readAll = async (stop: AbortSignal) => {
    const both = AbortSignal.any([stop, ...(signal === undefined ? [] : [signal])]);
    while (elapsed() < 1000 * limitSeconds) {
      const before = bytes;
      for (const { address, kind } of sources)
        for (const file of kind === "tar" ? [address] : await filesBelow(address))
          for await (const chunk of at(file).stream({ reuseChunks: true, signal: both })) {
            bytes += chunk.length;
            if (elapsed() > 1000 * limitSeconds) return;
          }
      if (bytes === before) return; // nothing but empty files
    }
  };
  const landed = await landingRate(limitSeconds, readAll);
  signal?.throwIfAborted();
  return remote ? landed : (1000 * bytes) / elapsed();
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const { url, kind } of await at(folder).list()) {
    if (kind === "folder") found.push(...(await filesBelow(url)));
    else found.push(url);
    if (found.length > 1000) break;
  }
  return found;
}

function hashRate(): number {
  const bytes = new Uint8Array(16 << 20);
  const began = performance.now();
  createHash("sha256").update(bytes).digest();
  return (1000 * bytes.length) / (performance.now() - began);
}

/**
 * Bytes a second of one object, flushed, and removed again; larger ones where the rate so far lets them be short. A
 * write that has begun is not broken off: a service may finish what its client has given up, after the object was
 * removed.
 */
async function writeRate(folder: string): Promise<number> {
  let rate = 0;
  for (const byteLength of [256 << 10, 4 << 20, 64 << 20]) {
    if (rate > 0 && byteLength / rate > 3 * limitSeconds) break;
    const url = joinUrl(folder, `profile-${randomUUID()}`);
    const began = performance.now();
    await putObject(url, new Uint8Array(byteLength).fill(1));
    rate = Math.max(rate, (1000 * byteLength) / (performance.now() - began));
    await writableAt(url).remove();
  }
  return rate;
}

const fewImages = 48;

async function firstImages(sources: readonly Source[], signal: AbortSignal | undefined): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  const rules = { classes: undefined, classesAreGiven: false, labelField: undefined, byName: undefined };
  const allocate = (byteLength: number) => new Uint8Array(byteLength);
  for (const source of sources)
    for await (const items of readSource(source, { rules, maxEntryBytes: 64 << 20, allocate, signal }))
      for (const item of items) {
        if (isSample(item)) images.push(item.image);
        if (images.length === fewImages) return images;
      }
  return images;
}

/** Images a second of one thread; undefined where there are no JPEGs. */
function libjpegRate(images: readonly Uint8Array[]): number | undefined {
  const facts = new Float64Array(factNumbers);
  const began = performance.now();
  let [read, elapsed] = [0, 0];
  for (let i = 0; elapsed < 1000 * limitSeconds && images.length > 0; i++) {
    try {
      readJpegFacts(
        images[i % images.length] as Uint8Array,
        { maxPixels: 1e8, codec: "none", decoder: "libjpeg" },
        facts,
      );
      read++;
    } catch {
      // What is not a JPEG is not libjpeg's work.
    }
    elapsed = performance.now() - began;
  }
  return read === 0 ? undefined : (1000 * read) / elapsed;
}
