// Checks that a data set on disk is what its manifest says: every file, checksum, count and record.
import { asToolkitError, ToolkitError, toWire, type WireError } from "../errors.js";
import { publicUrl } from "../public-url.js";
import { joinUrl, openStore, readText } from "../storage/store.js";
import { openDataset } from "./dataset.js";
import { type LoadedManifest, parseSidecar, readManifest, sidecarName } from "./manifest.js";
import { readShard, sha256Of } from "./reader.js";
import { restoreJpeg } from "./restore.js";
import { indexHolds, type SampleIndex } from "./sample-index.js";
import type { ShardEntry } from "./writer.js";

export interface VerifyOptions {
  /** Also rebuild every JPEG and compare its checksum. Default true. */
  readonly rebuild?: boolean;
  readonly onProgress?: (doneShards: number, shards: number, samples: number) => void;
  readonly signal?: AbortSignal;
}

export interface VerifyReport {
  readonly samples: number;
  readonly shards: number;
  /** One entry per thing that is wrong; empty when all is well. */
  readonly corrupt: readonly WireError[];
}

/** Reads everything once; damage is reported, not thrown. A manifest that cannot be read at all is thrown. */
export async function verify(manifestUrl: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const manifest = await readManifest(manifestUrl);
  const corrupt: WireError[] = [];
  const dataset = await openDataset(manifest).catch((error: unknown) => {
    corrupt.push(toWire(error, { source: manifest.url }));
    return undefined;
  });
  let samples = 0;
  for (const [number, shard] of manifest.shards.entries()) {
    options.signal?.throwIfAborted();
    const index = dataset && { index: dataset.index, first: dataset.firstSamples[number] as number };
    samples += await verifyShard(manifest, shard, options, index, corrupt);
    options.onProgress?.(number + 1, manifest.shards.length, samples);
  }
  return { samples, shards: manifest.shards.length, corrupt };
}

/** The index, and where a shard's samples begin in it. */
interface ShardIndex {
  readonly index: SampleIndex;
  readonly first: number;
}

async function verifyShard(
  manifest: LoadedManifest,
  shard: ShardEntry,
  options: VerifyOptions,
  index: ShardIndex | undefined,
  corrupt: WireError[],
): Promise<number> {
  const source = joinUrl(manifest.folder, shard.name);
  const note = (error: unknown) => {
    const { code, message, key } = asToolkitError(error, { source });
    corrupt.push({ code, message, source: publicUrl(source), key });
  };
  await verifySidecar(manifest.folder, shard).catch(note);
  try {
    await verifyFile(source, shard);
  } catch (error) {
    note(error);
    if (asToolkitError(error).code === "MISSING_SHARD") return 0;
  }
  // Even when the file's checksum is wrong, the records say which samples are affected.
  return verifyRecords(manifest, shard, options, index, note).catch((error) => {
    note(error);
    return 0;
  });
}

async function verifySidecar(folder: string, shard: ShardEntry): Promise<void> {
  const url = joinUrl(folder, sidecarName(shard.name));
  const text = await readText(url);
  if (text === undefined)
    throw new ToolkitError("MISSING_SIDECAR", `no ${sidecarName(shard.name)} beside it`, { source: url });
  const found = parseSidecar(text, url).shard?.sha256;
  if (found !== shard.sha256)
    throw new ToolkitError("CHECKSUM_MISMATCH", `sidecar states sha256 ${found}, the manifest ${shard.sha256}`, {
      source: url,
    });
}

async function verifyFile(source: string, shard: ShardEntry): Promise<void> {
  const info = await openStore(source).stat(source);
  if (info === undefined) throw new ToolkitError("MISSING_SHARD", "no such file", { source });
  if (info.byteLength !== shard.byteLength)
    throw new ToolkitError("CHECKSUM_MISMATCH", `${info.byteLength} bytes, expected ${shard.byteLength}`, { source });
  const found = await sha256Of(source);
  if (found !== shard.sha256)
    throw new ToolkitError("CHECKSUM_MISMATCH", `sha256 ${found}, expected ${shard.sha256}`, { source });
}

async function verifyRecords(
  manifest: LoadedManifest,
  shard: ShardEntry,
  options: VerifyOptions,
  index: ShardIndex | undefined,
  note: (error: unknown) => void,
): Promise<number> {
  const source = joinUrl(manifest.folder, shard.name);
  let good = 0;
  let number = index?.first ?? 0;
  for await (const batch of readShard(manifest, shard, { checked: false, signal: options.signal })) {
    options.signal?.throwIfAborted();
    for (let row = 0; row < batch.length; row++) {
      try {
        const sample = batch.sample(row);
        batch.checkPacked(sample);
        if (index !== undefined && !indexHolds(index.index, number, sample))
          throw new ToolkitError("CORRUPT_INDEX", "the index says something else of this sample", {
            source,
            key: sample.key,
          });
        if (options.rebuild ?? true) restoreJpeg(sample, batch.codec, source);
        good++;
      } catch (error) {
        note(asToolkitError(error, { source, key: batch.key(row) }));
      }
      number++;
    }
  }
  return good;
}
