// What is inside a data set or a shard, counted; and one sample as a picture.
import { ToolkitError } from "../errors.js";
import { type Codec, renderView } from "../native/index.js";
import { joinUrl } from "../storage/store.js";
import { recordFlags } from "./flags.js";
import { type LoadedManifest, readManifest } from "./manifest.js";
import { readShard, readShardFile } from "./reader.js";
import type { SampleRecord } from "./record.js";
import type { RecordBatchView } from "./record-view.js";

export interface Inspection {
  readonly samples: number;
  /** Distinct labels. */
  readonly classes: number;
  /** Packed coefficients and whole shards, in bytes. */
  readonly bytes: number;
  readonly codec: Codec;
  readonly width: { readonly min: number; readonly max: number };
  readonly height: { readonly min: number; readonly max: number };
  /** Samples by chroma sampling, as in "4:2:0", "grey", or "2x1,1x1,1x1" where there is no short name. */
  readonly sampling: Readonly<Record<string, number>>;
  readonly progressive: number;
  /** Samples that keep the original file because coefficients alone cannot rebuild it. */
  readonly rawStored: number;
  /** Samples that are no lossless copies of their files, and samples stored in a resized form. */
  readonly converted: number;
  readonly resized: number;
  readonly withWarnings: number;
  readonly labels: Readonly<Record<string, number>>;
  readonly failed?: number;
  readonly errors?: Readonly<Record<string, number>>;
  readonly frequencies?: LoadedManifest["frequencies"];
  readonly classNames?: LoadedManifest["classes"];
}

const isShardUrl = (url: string) => url.endsWith(".arrow");

async function* batchesOf(url: string): AsyncGenerator<RecordBatchView> {
  if (isShardUrl(url)) {
    yield* readShardFile(url);
    return;
  }
  const manifest = await readManifest(url);
  for (const shard of manifest.shards) yield* readShard(manifest, shard);
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
  const totals = { samples: 0, bytes: 0, progressive: 0, rawStored: 0, converted: 0, resized: 0, withWarnings: 0 };
  let codec: Codec = "none";
  for await (const batch of batchesOf(url)) {
    codec = batch.codec;
    for (let row = 0; row < batch.length; row++) {
      const sample = batch.sample(row);
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
      totals.withWarnings += sample.warnings > 0 ? 1 : 0;
    }
  }
  const common = { ...totals, classes: Object.keys(labels).length, codec, ...size, sampling, labels };
  if (isShardUrl(url)) return common;
  const { failed, errors, frequencies, classes, shards } = await readManifest(url);
  return {
    ...common,
    bytes: shards.reduce((sum, shard) => sum + shard.byteLength, 0),
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

/** The first sample with that key. UNKNOWN_KEY when there is none. */
export async function findSample(url: string, key: string): Promise<FoundSample> {
  let example: string | undefined;
  for await (const batch of batchesOf(url)) {
    for (let row = 0; row < batch.length; row++) {
      const found = batch.key(row);
      example ??= found;
      if (found !== key) continue;
      const sample = batch.sample(row);
      batch.checkPacked(sample);
      return { sample, codec: batch.codec };
    }
  }
  throw new ToolkitError(
    "UNKNOWN_KEY",
    `no sample has the key ${key}${example === undefined ? "" : `; keys look like ${example}`}`,
    { source: joinUrl(url, "") },
  );
}

/** A sample at its own size: [height, width, 3] 8-bit RGB. */
export function renderSample({ sample, codec }: FoundSample): Uint8Array {
  const { width, height } = sample;
  const rgb = new Float32Array(width * height * 3);
  const whole = (size: number) => ({
    boxStart: 0,
    boxEnd: size,
    scaledSize: size,
    outStart: 0,
    outCount: size,
    flip: false,
  });
  renderView({ ...sample, codec }, whole(width), whole(height), { kind: "rgb", rgb });
  return Uint8Array.from(new Uint8ClampedArray(rgb)); // clamped conversion rounds to nearest and clips to 0..255
}
