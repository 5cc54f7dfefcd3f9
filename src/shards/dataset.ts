// An opened data set: its manifest, its index, and where every sample's bytes lie.
import { ToolkitError } from "../errors.js";
import { joinUrl } from "../storage/store.js";
import { readWithCrc } from "./checked-read.js";
import { type LoadedManifest, readManifest } from "./manifest.js";
import { hex } from "./record-view.js";
import { parseSampleIndex, type SampleIndex } from "./sample-index.js";

export interface Dataset {
  readonly manifest: LoadedManifest;
  readonly index: SampleIndex;
  /** The index's bytes, in memory that threads share. */
  readonly indexBytes: Uint8Array<SharedArrayBuffer>;
  /** Where each sample's coefficients begin in its shard, in bytes. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
  /** The first sample of every shard, and behind them the number of samples. */
  readonly firstSamples: Float64Array<SharedArrayBuffer>;
}

/** Opens a data set by the URL of its manifest or folder. NOT_FOUND, BAD_MANIFEST, CHECKSUM_MISMATCH, CORRUPT_INDEX. */
export async function openDataset(manifest: string | LoadedManifest): Promise<Dataset> {
  const loaded = typeof manifest === "string" ? await readManifest(manifest) : manifest;
  const url = joinUrl(loaded.folder, loaded.index.name);
  const { byteLength, crc32c: expected } = loaded.index;
  const target = new Uint8Array(new SharedArrayBuffer(byteLength));
  const found = await readWithCrc(url, { start: 0, end: byteLength }, target, expected);
  if (found !== undefined) {
    const message = `index has crc32c ${hex(found)}, expected ${hex(expected)}`;
    throw new ToolkitError("CHECKSUM_MISMATCH", message, { source: url });
  }
  const index = parseSampleIndex(target, url);
  if (index.length !== loaded.samples)
    throw new ToolkitError("CORRUPT_INDEX", `${index.length} samples, the manifest has ${loaded.samples}`, {
      source: url,
    });
  return { manifest: loaded, index, indexBytes: target, ...sampleOffsets(loaded, index) };
}

function sampleOffsets(manifest: LoadedManifest, index: SampleIndex) {
  const offsets = new Float64Array(new SharedArrayBuffer(8 * index.length));
  const firstSamples = new Float64Array(new SharedArrayBuffer(8 * (manifest.shards.length + 1)));
  let sample = 0;
  for (const [i, shard] of manifest.shards.entries()) {
    firstSamples[i] = sample;
    for (const batch of shard.batches) {
      let offset = batch.offset + batch.coefficients;
      for (let row = 0; row < batch.samples; row++) {
        offsets[sample] = offset;
        offset += index.byteLength[sample++] as number;
      }
    }
  }
  firstSamples[manifest.shards.length] = sample;
  return { offsets, firstSamples };
}
