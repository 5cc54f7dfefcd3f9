// Checks that a data set on disk is what its manifest claims: every file, checksum, count and record, and that these
// agree with each other.
import { asToolkitError, ToolkitError, toWire, type WireError } from "../errors.js";
import { defaultMaxPixels } from "../native/limits.js";
import { publicUrl } from "../public-url.js";
import { at } from "../storage/at.js";
import { readText } from "../storage/objects.js";
import { joinUrl } from "../storage/url.js";
import { openDataset } from "./dataset.js";
import { type LoadedManifest, parseSidecar, readManifest, type Sidecar, sidecarName } from "./manifest.js";
import { readShard, sha256Of } from "./reader.js";
import type { RecordBatchView } from "./record-view.js";
import { indexHolds, type SampleIndex } from "./sample-index.js";
import { mergeStatistics, StatisticSums } from "./statistics.js";
import { verifyRecord } from "./verify-record.js";
import type { BatchEntry, ShardEntry } from "./writer.js";

/** What `verify` can be asked for. */
export interface VerifyOptions {
  /**
   * Whether to rebuild every JPEG, compare its checksum, and read it anew to compare all that the record contains.
   * Default true.
   */
  readonly rebuild?: boolean;
  /** Images of more pixels are not rebuilt but reported. Default 100,000,000, as in preprocess. */
  readonly maxPixels?: number;
  readonly onProgress?: (doneShards: number, shards: number, samples: number) => void;
  readonly signal?: AbortSignal;
}

/** What `verify` read, and what is wrong with it. */
export interface VerifyReport {
  readonly samples: number;
  readonly shards: number;
  /** One entry per thing that is wrong; empty when all is well. */
  readonly corrupt: readonly WireError[];
}

/**
 * Reads everything that a manifest names once and compares checksums, counts, records and statistics. Damage is
 * reported in `corrupt`, not thrown.
 *
 * Errors: NOT_FOUND, BAD_MANIFEST and UNSUPPORTED_MANIFEST_VERSION where the manifest itself cannot be read.
 *
 * @example
 * ```ts
 * import { verify } from "dctstream";
 *
 * const { samples, corrupt } = await verify("shards/train");
 * for (const { code, message, source, key } of corrupt) console.error(code, message, source, key);
 * console.log(`${samples} samples, ${corrupt.length} problems`);
 * ```
 */
export async function verify(manifestUrl: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const manifest = await readManifest(manifestUrl);
  const corrupt: WireError[] = [];
  const dataset = await openDataset(manifest).catch((error: unknown) => {
    corrupt.push(toWire(error, { source: manifest.url }));
    return undefined;
  });
  const statistics: (readonly string[])[] = [];
  let samples = 0;
  for (const [number, shard] of manifest.shards.entries()) {
    options.signal?.throwIfAborted();
    const index = dataset && { index: dataset.index, first: dataset.firstSamples[number] as number };
    const verifier = new ShardVerifier(manifest, shard, options, index, corrupt);
    samples += await verifier.run();
    if (verifier.statistics !== undefined) statistics.push(verifier.statistics);
    options.onProgress?.(number + 1, manifest.shards.length, samples);
  }
  const complete = statistics.length === manifest.shards.length;
  if (complete && JSON.stringify(mergeStatistics(statistics)) !== JSON.stringify(manifest.frequencies)) {
    const message = "its frequencies are not what the sidecars' statistics say";
    corrupt.push({ code: "BAD_MANIFEST", message, source: manifest.url });
  }
  return { samples, shards: manifest.shards.length, corrupt };
}

/** The index, and where a shard's samples begin in it. */
interface ShardIndex {
  readonly index: SampleIndex;
  readonly first: number;
}

class ShardVerifier {
  /** What the sidecar has; undefined when there is none that can be read. */
  statistics: readonly string[] | undefined;
  private readonly source: string;
  private readonly classes: ReadonlySet<number>;
  /** Sums over the records that were read anew. */
  private readonly sums = new StatisticSums();

  constructor(
    private readonly manifest: LoadedManifest,
    private readonly shard: ShardEntry,
    private readonly options: VerifyOptions,
    private readonly index: ShardIndex | undefined,
    private readonly corrupt: WireError[],
  ) {
    this.source = joinUrl(manifest.folder, shard.name);
    this.classes = new Set(manifest.classes.map((entry) => entry.index));
  }

  /** The number of good samples. */
  async run(): Promise<number> {
    const sidecar = await this.verifySidecar().catch((error) => this.note(error));
    this.statistics = sidecar?.statistics;
    try {
      await this.verifyFile();
    } catch (error) {
      this.note(error);
      if (asToolkitError(error).code === "MISSING_SHARD") return 0;
    }
    // Even when the file's checksum is wrong, the records show which samples are affected.
    const before = this.corrupt.length;
    const good = (await this.verifyRecords().catch((error) => this.note(error))) ?? 0;
    if (this.corrupt.length === before && sidecar !== undefined && (this.options.rebuild ?? true))
      this.verifyStatistics(sidecar);
    return good;
  }

  /** Networks are normalised by them. */
  private verifyStatistics({ statistics }: Sidecar): void {
    if (JSON.stringify(statistics) === JSON.stringify(this.sums.toStrings())) return;
    this.note(new ToolkitError("BAD_MANIFEST", "its sidecar's statistics are not those of its records"));
  }

  private note(error: unknown, key?: string): undefined {
    const known = asToolkitError(error, { source: this.source, key });
    this.corrupt.push({ code: known.code, message: known.message, source: publicUrl(this.source), key: known.key });
  }

  private async verifySidecar(): Promise<Sidecar> {
    const { manifest, shard } = this;
    const name = sidecarName(shard.name);
    const source = joinUrl(manifest.folder, name);
    const text = await readText(source);
    if (text === undefined) throw new ToolkitError("MISSING_SIDECAR", `no ${name} beside it`, { source });
    const sidecar = parseSidecar(text, source);
    const found = sidecar.shard?.sha256;
    if (found !== shard.sha256)
      throw new ToolkitError("CHECKSUM_MISMATCH", `sidecar states sha256 ${found}, the manifest ${shard.sha256}`, {
        source,
      });
    if (JSON.stringify(sidecar.shard) !== JSON.stringify(shard))
      throw new ToolkitError("BAD_MANIFEST", "its sidecar describes the shard otherwise than the manifest", { source });
    return sidecar;
  }

  private async verifyFile(): Promise<void> {
    const { source, shard } = this;
    const info = await at(source).stat();
    if (info === undefined) throw new ToolkitError("MISSING_SHARD", "no such file", { source });
    if (info.byteLength !== shard.byteLength)
      throw new ToolkitError("CHECKSUM_MISMATCH", `${info.byteLength} bytes, expected ${shard.byteLength}`, { source });
    const found = await sha256Of(source);
    if (found !== shard.sha256)
      throw new ToolkitError("CHECKSUM_MISMATCH", `sha256 ${found}, expected ${shard.sha256}`, { source });
  }

  private async verifyRecords(): Promise<number> {
    const { manifest, shard, options } = this;
    let good = 0;
    let [batches, rows] = [0, 0];
    for await (const batch of readShard(manifest, shard, { checked: false, signal: options.signal })) {
      options.signal?.throwIfAborted();
      const entry = shard.batches[batches++] as BatchEntry;
      let start = entry.coefficients;
      for (let row = 0; row < batch.length; row++) {
        try {
          start += this.verifyRow(batch, row, rows++, start);
          good++;
        } catch (error) {
          this.note(error, batch.key(row));
          start = batch.coefficientsEnd(row);
        }
      }
    }
    return good;
  }

  /** The bytes of its coefficients, which a reader expects from `start` on, in bytes of the batch. */
  private verifyRow(batch: RecordBatchView, row: number, inShard: number, start: number): number {
    const { source, index, options } = this;
    const sample = batch.sample(row);
    const facts = { source, key: sample.key };
    batch.checkPacked(sample);
    if (batch.coefficientsStart(row) !== start) {
      const message = `its coefficients are at byte ${batch.coefficientsStart(row)} of their record batch, the manifest has them at ${start}`;
      throw new ToolkitError("CORRUPT_SHARD", message, facts);
    }
    if (!this.classes.has(sample.label))
      throw new ToolkitError("CORRUPT_RECORD", `the manifest has no class ${sample.label}, its label`, facts);
    if (index !== undefined && !indexHolds(index.index, index.first + inShard, sample))
      throw new ToolkitError("CORRUPT_INDEX", "the index says something else of this sample", facts);
    if (options.rebuild ?? true)
      this.sums.add(verifyRecord(sample, batch.codec, source, options.maxPixels ?? defaultMaxPixels).frequencies);
    return sample.packed.length;
  }
}
