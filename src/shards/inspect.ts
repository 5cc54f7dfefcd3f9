// What is inside a data set or a shard, counted; and one sample as a picture.
import { ToolkitError } from "../errors.js";
import { type Codec, readJpeg, renderForm, unchangedColor } from "../native/index.js";
import { defaultMaxPixels } from "../native/limits.js";
import { joinUrl } from "../storage/url.js";
import { recordFlags } from "./flags.js";
import { type LoadedManifest, readManifest } from "./manifest.js";
import { readShard, readShardFile } from "./reader.js";
import type { SampleRecord } from "./record.js";
import type { RecordBatchView } from "./record-view.js";
import { originalFile, readStayedFile, readStayedFiles, type ShardRow } from "./shard-rows.js";
import { bytesOfShard, type ShardEntry } from "./writer.js";

/** Counts over a data set or a shard. */
export interface Inspection {
  readonly samples: number;
  /** Distinct labels. */
  readonly classes: number;
  /** Of a data set's shards and seek files, or of a single shard's packed coefficients. */
  readonly bytes: number;
  readonly codec: Codec;
  readonly width: { readonly min: number; readonly max: number };
  readonly height: { readonly min: number; readonly max: number };
  /** Samples by chroma sampling, as in "4:2:0", "grey", or "2x1,1x1,1x1" where there is no short name. */
  readonly sampling: Readonly<Record<string, number>>;
  readonly progressive: number;
  /** Samples that keep the original file because coefficients alone cannot rebuild it. */
  readonly rawStored: number;
  /** Samples that are not lossless copies of their files, and samples stored in a resized form. */
  readonly converted: number;
  readonly resized: number;
  /** Samples whose files stayed in their sources. */
  readonly inSources: number;
  readonly withWarnings: number;
  readonly labels: Readonly<Record<string, number>>;
  readonly failed?: number;
  readonly errors?: Readonly<Record<string, number>>;
  readonly frequencies?: LoadedManifest["frequencies"];
  readonly classNames?: LoadedManifest["classes"];
}

const isShardUrl = (url: string) => url.endsWith(".arrow");

/** What a batch is of, where there is a manifest. */
interface Home {
  readonly manifest: LoadedManifest;
  readonly shard: ShardEntry;
}

interface HousedBatch {
  readonly batch: RecordBatchView;
  readonly home: Home | undefined;
}

async function* batchesOf(url: string): AsyncGenerator<HousedBatch> {
  if (isShardUrl(url)) {
    for await (const batch of readShardFile(url)) yield { batch, home: undefined };
    return;
  }
  const manifest = await readManifest(url);
  for (const shard of manifest.shards)
    for await (const batch of readShard(manifest, shard)) yield { batch, home: { manifest, shard } };
}

/** A record of a batch. Throws CORRUPT_RECORD for whatever a damaged one makes of its columns. */
function sampleOf(batch: RecordBatchView, row: number, source: string): SampleRecord {
  try {
    return batch.sample(row);
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    const message = `record ${row} of a batch cannot be read: ${(cause as Error).message}`;
    throw new ToolkitError("CORRUPT_RECORD", message, { source, cause });
  }
}

const shortNames: Readonly<Record<string, string>> = {
  "1x1,1x1,1x1": "4:4:4",
  "2x2,1x1,1x1": "4:2:0",
  "2x1,1x1,1x1": "4:2:2",
  "1x2,1x1,1x1": "4:4:0",
  "4x1,1x1,1x1": "4:1:1",
  "1x1": "grey",
};

export function samplingName(sample: Pick<SampleRecord, "components">): string {
  const factors = sample.components.map(({ h, v }) => `${h}x${v}`).join(",");
  return shortNames[factors] ?? factors;
}

/** Counts over every record of a manifest or a single shard. */
export async function inspect(url: string): Promise<Inspection> {
  const count = (counts: Record<string, number>, name: string | number) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const labels: Record<string, number> = {};
  const sampling: Record<string, number> = {};
  const size = { width: { min: Infinity, max: 0 }, height: { min: Infinity, max: 0 } };
  const totals = {
    samples: 0,
    bytes: 0,
    progressive: 0,
    rawStored: 0,
    converted: 0,
    resized: 0,
    inSources: 0,
    withWarnings: 0,
  };
  let codec: Codec = "none";
  for await (const { batch } of batchesOf(url)) {
    codec = batch.codec;
    for (let row = 0; row < batch.length; row++) {
      const sample = sampleOf(batch, row, url);
      count(labels, sample.label);
      count(sampling, samplingName(sample));
      for (const side of ["width", "height"] as const) {
        size[side].min = Math.min(size[side].min, sample[side]);
        size[side].max = Math.max(size[side].max, sample[side]);
      }
      totals.samples++;
      totals.bytes += sample.packed.length;
      totals.progressive += sample.flags & recordFlags.progressive ? 1 : 0;
      totals.rawStored += sample.flags & recordFlags.rawStored ? 1 : 0;
      totals.converted += sample.flags & recordFlags.converted ? 1 : 0;
      totals.resized += sample.flags & recordFlags.resized ? 1 : 0;
      totals.inSources += batch.isInSource(row) ? 1 : 0;
      totals.withWarnings += sample.warnings > 0 ? 1 : 0;
    }
  }
  const common = { ...totals, classes: Object.keys(labels).length, codec, ...size, sampling, labels };
  if (isShardUrl(url)) return common;
  const { failed, errors, frequencies, classes, shards } = await readManifest(url);
  return {
    ...common,
    bytes: shards.reduce((sum, shard) => sum + bytesOfShard(shard), 0),
    failed,
    errors,
    frequencies,
    classNames: classes,
  };
}

export interface FoundSample {
  readonly sample: SampleRecord;
  readonly codec: Codec;
}

/**
 * The first sample with that key; what a file that stayed in its source contains is read from there, up to `maxPixels`.
 * UNKNOWN_KEY when there is none, INVALID_ARGUMENT when it stayed and `url` is a single shard's, which does not tell
 * where; what reading its file throws.
 */
export async function findSample(url: string, key: string, maxPixels = defaultMaxPixels): Promise<FoundSample> {
  let example: string | undefined;
  let shard: ShardEntry | undefined;
  let stayedBefore = 0;
  for await (const { batch, home } of batchesOf(url)) {
    if (home?.shard !== shard) stayedBefore = 0;
    shard = home?.shard;
    for (let row = 0; row < batch.length; row++) {
      const found = batch.key(row);
      example ??= found;
      if (found !== key) {
        stayedBefore += batch.isInSource(row) ? 1 : 0;
        continue;
      }
      const sample = sampleOf(batch, row, url);
      batch.checkPacked(sample);
      if (!batch.isInSource(row)) return { sample, codec: batch.codec };
      return { sample: await readInSource(sample, { batch, row }, home, stayedBefore, maxPixels), codec: batch.codec };
    }
  }
  throw new ToolkitError(
    "UNKNOWN_KEY",
    `no sample has the key ${key}${example === undefined ? "" : `; keys look like ${example}`}`,
    { source: joinUrl(url, "") },
  );
}

/** A sample whose file is the shard's seek file's of that number, with what a record of its coefficients would have. */
async function readInSource(
  sample: SampleRecord,
  { batch, row }: Pick<ShardRow, "batch" | "row">,
  home: Home | undefined,
  number: number,
  maxPixels: number,
): Promise<SampleRecord> {
  const { key } = sample;
  if (home === undefined) {
    const message = `the file of ${key} stayed in its source, which the manifest names: give that instead of the shard`;
    throw new ToolkitError("INVALID_ARGUMENT", message, { key });
  }
  const { manifest, shard } = home;
  const stayed = (await readStayedFiles(manifest, shard))[number];
  const file = stayed && (await readStayedFile(batch, row, stayed));
  const bytes = originalFile({ batch, row, file }, sample, joinUrl(manifest.folder, shard.name));
  const { packed, crc32c, quantTables, headerBytes, trailerStart } = readJpeg(bytes, maxPixels, batch.codec);
  const parts = { header: bytes.subarray(0, headerBytes), trailer: bytes.subarray(trailerStart) };
  return { ...sample, ...parts, packed, crc32c, quantTables };
}

/** Sides of what is rendered at a time. */
const tileColumns = 16384;
const tileRows = 1024;

/** A sample at its own size: [height, width, 3] 8-bit RGB. TOO_MANY_PIXELS above `maxPixels`, CORRUPT_RECORD. */
export function renderSample(found: FoundSample, maxPixels = defaultMaxPixels): Uint8Array {
  const { width, height, key } = found.sample;
  if (width * height > maxPixels) {
    const message = `${width} x ${height} pixels, at most ${maxPixels} are rendered`;
    throw new ToolkitError("TOO_MANY_PIXELS", message, { key });
  }
  const rgb = new Uint8Array(width * height * 3);
  for (let top = 0; top < height; top += tileRows)
    for (let left = 0; left < width; left += tileColumns) {
      const [rows, columns] = [Math.min(tileRows, height - top), Math.min(tileColumns, width - left)];
      const tile = renderTile(found, { top, left, rows, columns });
      for (let row = 0; row < rows; row++)
        rgb.set(tile.subarray(3 * row * columns, 3 * (row + 1) * columns), 3 * ((top + row) * width + left));
    }
  return rgb;
}

interface Tile {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

function renderTile({ sample, codec }: FoundSample, { top, left, rows, columns }: Tile): Uint8Array {
  const part = (size: number, outStart: number, outCount: number) => {
    return { boxStart: 0, boxEnd: size, scaledSize: size, outStart, outCount, flip: false };
  };
  const tile = new Uint8Array(rows * columns * 3);
  const form = { kind: "pixels", type: "uint8", chromaStep: 2, color: "rgb", width: columns, height: rows } as const;
  const [x, y] = [part(sample.width, left, columns), part(sample.height, top, rows)];
  renderForm({ ...sample, codec }, x, y, form, unchangedColor, [tile]);
  return tile;
}
