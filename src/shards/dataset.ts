// An opened data set: its manifest, its index, and where every sample's bytes lie.
import { ToolkitError } from "../errors.js";
import { joinUrl } from "../storage/url.js";
import { checkIsThere, readWithCrc } from "./checked-read.js";
import { type LoadedManifest, readManifest } from "./manifest.js";
import { hex } from "./record-view.js";
import { parseSampleIndex, type SampleIndex } from "./sample-index.js";
import { openSourceFiles, type SourceFiles } from "./source-files.js";

/** An opened data set. */
export interface Dataset {
  readonly manifest: LoadedManifest;
  readonly index: SampleIndex;
  /** The index's bytes, in memory that threads share. */
  readonly indexBytes: Uint8Array<SharedArrayBuffer>;
  /** Where each sample begins in what it lies in: its coefficients in the shard, or its file in the source. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
  /** Bytes that it has there. */
  readonly byteLengths: Uint32Array;
  /** Files that stayed in their sources; undefined when none did. */
  readonly files: SourceFiles | undefined;
  /** The first sample of every shard, and behind them the number of samples. */
  readonly firstSamples: Float64Array<SharedArrayBuffer>;
}

/**
 * Opens a data set by the URL of its manifest or folder: reads manifest and index (51 bytes a sample in memory), no
 * shard. Rows of `index` are samples, in the manifest's order. Of files that stayed in their sources it also reads how
 * to enter them, about a hundredth of the files' bytes, which stay in memory with 19 bytes a sample more.
 *
 * Errors: NOT_FOUND, BAD_MANIFEST, UNSUPPORTED_MANIFEST_VERSION, CHECKSUM_MISMATCH, CORRUPT_INDEX, SOURCE_CHANGED.
 *
 * @example
 * ```ts
 * import { openDataset, selectSamples } from "dctstream";
 *
 * const dataset = await openDataset("s3://shards/train");
 * const { samples, classes } = dataset.manifest;
 * const tenth = selectSamples(dataset, { fraction: 0.1 }); // Uint8Array [samples]: 1 takes part
 * console.log(samples, classes.length, tenth.reduce((sum, one) => sum + one, 0));
 * ```
 */
export async function openDataset(manifest: string | LoadedManifest): Promise<Dataset> {
  const loaded = typeof manifest === "string" ? await readManifest(manifest) : manifest;
  const { stored, ...opened } = await openIndex(loaded);
  const files = await openSourceFiles(loaded, opened.index, stored);
  const { firstSamples } = stored;
  const offsets = files?.offsets ?? stored.offsets;
  const byteLengths = files?.byteLengths ?? opened.index.byteLength;
  return { ...opened, offsets, firstSamples, byteLengths, files };
}

/** A data set of which only the index was read. */
export interface IndexedDataset extends Pick<Dataset, "manifest" | "index" | "indexBytes"> {
  /** Where samples are, as far as their shards have them. */
  readonly stored: Pick<Dataset, "offsets" | "firstSamples">;
}

/** Opens a data set without a look at files that stayed in their sources. Errors as openDataset, without theirs. */
export async function openIndex(manifest: LoadedManifest): Promise<IndexedDataset> {
  const url = joinUrl(manifest.folder, manifest.index.name);
  const indexBytes = await readIndexBytes(manifest, url);
  const index = parseSampleIndex(indexBytes, url);
  const corrupt = (message: string) => new ToolkitError("CORRUPT_INDEX", message, { source: url });
  if (index.length !== manifest.samples) throw corrupt(`${index.length} samples, the manifest has ${manifest.samples}`);
  const negative = index.label.findIndex((label) => label < 0);
  if (negative >= 0) throw corrupt(`sample ${negative} has the label ${index.label[negative]}`);
  return { manifest, index, indexBytes, stored: sampleOffsets(manifest, index, url) };
}

async function readIndexBytes({ index }: LoadedManifest, url: string): Promise<Uint8Array<SharedArrayBuffer>> {
  const { byteLength, crc32c: expected } = index;
  await checkIsThere(url, { start: 0, end: byteLength });
  const target = new Uint8Array(new SharedArrayBuffer(byteLength));
  const found = await readWithCrc(url, { start: 0, end: byteLength }, target, expected);
  if (found === undefined) return target;
  const message = `index has crc32c ${hex(found)}, expected ${hex(expected)}`;
  throw new ToolkitError("CHECKSUM_MISMATCH", message, { source: url });
}

/**
 * The location of every sample. Throws CORRUPT_INDEX when a record batch is too short for the samples that the index
 * has in it.
 */
function sampleOffsets(manifest: LoadedManifest, index: SampleIndex, source: string) {
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
      if (offset > batch.offset + batch.byteLength) {
        const message = `the coefficients of ${shard.name} take more bytes than its record batch at byte ${batch.offset} has`;
        throw new ToolkitError("CORRUPT_INDEX", message, { source });
      }
    }
  }
  firstSamples[manifest.shards.length] = sample;
  return { offsets, firstSamples };
}
