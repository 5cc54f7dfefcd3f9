// Checks that a data set on disk is what its manifest claims: every file, checksum, count and record, and that these
// agree with each other.
import { asToolkitError, ToolkitError, toWire, type WireError } from "../errors.js";
import { defaultMaxPixels } from "../native/limits.js";
import { at } from "../storage/at.js";
import { readText } from "../storage/objects.js";
import { joinUrl } from "../storage/url.js";
import { openIndex } from "./dataset.js";
import type { FileEntry } from "./hashed-file.js";
import { type LoadedManifest, parseSidecar, readManifest, type Sidecar, sidecarName } from "./manifest.js";
import { sha256Of } from "./reader.js";
import type { SampleRecord } from "./record.js";
import { indexHolds, type SampleIndex } from "./sample-index.js";
import {
  checkStayed,
  notDescribed,
  originalFile,
  readRows,
  readStayedFiles,
  type ShardRow,
  type StayedFile,
} from "./shard-rows.js";
import { sourceFaults } from "./source-files.js";
import { mergeStatistics, StatisticSums } from "./statistics.js";
import { verifyRecord, verifyStayed } from "./verify-record.js";
import type { BatchEntry, ShardEntry } from "./writer.js";

/** What `verify` can be asked for. */
export interface VerifyOptions {
  /**
   * Whether to rebuild every JPEG, or read it in its source, compare its checksum, and read it anew to compare all that
   * the record contains and, where it stayed in its source, how it is entered. Default true.
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
 * Reads everything that a manifest names once and compares checksums, counts, records and statistics. Damage, and
 * sources that are not what they were, are reported in `corrupt`, not thrown.
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
  const dataset = await openIndex(manifest).catch((error: unknown) => {
    corrupt.push(toWire(error, { source: manifest.url }));
    return undefined;
  });
  const faults = await sourceFaults(manifest);
  for (const fault of faults.values()) corrupt.push(toWire(fault));
  const statistics: (readonly string[])[] = [];
  let samples = 0;
  for (const [number, shard] of manifest.shards.entries()) {
    options.signal?.throwIfAborted();
    const index = dataset && { index: dataset.index, first: dataset.stored.firstSamples[number] as number };
    const sourceIsThere = shard.seek === undefined || !faults.has(shard.seek.source);
    const verifier = new ShardVerifier(manifest, shard, { ...options, sourceIsThere }, index, corrupt);
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

interface ShardOptions extends VerifyOptions {
  /** Whether the files that stayed in their source can be compared with it. */
  readonly sourceIsThere: boolean;
}

class ShardVerifier {
  /** What the sidecar has; undefined when there is none that can be read. */
  statistics: readonly string[] | undefined;
  /** Samples. */
  private good = 0;
  private readonly source: string;
  private readonly classes: ReadonlySet<number>;
  private readonly rebuild: boolean;
  private readonly maxPixels: number;
  /** Sums over the records that were read anew. */
  private readonly sums = new StatisticSums();

  constructor(
    private readonly manifest: LoadedManifest,
    private readonly shard: ShardEntry,
    private readonly options: ShardOptions,
    private readonly index: ShardIndex | undefined,
    private readonly corrupt: WireError[],
  ) {
    this.source = joinUrl(manifest.folder, shard.name);
    this.classes = new Set(manifest.classes.map((entry) => entry.index));
    this.rebuild = options.rebuild ?? true;
    this.maxPixels = options.maxPixels ?? defaultMaxPixels;
  }

  /** The number of good samples. */
  async run(): Promise<number> {
    const sidecar = await this.verifySidecar().catch((error) => this.note(error));
    this.statistics = sidecar?.statistics;
    const isThere = await this.noteFile(this.shard);
    const stayed = await this.verifySeekFile();
    if (!isThere) return 0;
    // Even when the file's checksum is wrong, the records show which samples are affected.
    await this.verifyRecords(stayed).catch((error) => this.note(error));
    if (this.good === this.shard.samples && sidecar !== undefined && this.rebuild) this.verifyStatistics(sidecar);
    return this.good;
  }

  /** Networks are normalised by them. */
  private verifyStatistics({ statistics }: Sidecar): void {
    if (JSON.stringify(statistics) === JSON.stringify(this.sums.toStrings())) return;
    this.note(new ToolkitError("BAD_MANIFEST", "its sidecar's statistics are not those of its records"));
  }

  private note(error: unknown, key?: string): undefined {
    this.corrupt.push(toWire(error, { source: this.source, key }));
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
    if (shard.seek !== undefined && sidecar.source !== shard.seek.source)
      throw new ToolkitError("BAD_MANIFEST", "its sidecar is of another source than its seek file", { source });
    return sidecar;
  }

  /** Notes what is wrong with one of the shard's files; false when it is not there. */
  private async noteFile(file: FileEntry): Promise<boolean> {
    try {
      await verifyFile(joinUrl(this.manifest.folder, file.name), file);
    } catch (error) {
      this.note(error);
      return asToolkitError(error).code !== "MISSING_SHARD";
    }
    return true;
  }

  /** What the seek file describes; undefined where that cannot be known, which is noted then. */
  private async verifySeekFile(): Promise<readonly StayedFile[] | undefined> {
    const { manifest, shard, options } = this;
    if (shard.seek === undefined) return [];
    if (!(await this.noteFile(shard.seek))) return undefined;
    return readStayedFiles(manifest, shard, options.signal).catch((error) => this.note(error));
  }

  private async verifyRecords(stayed: readonly StayedFile[] | undefined): Promise<void> {
    const { manifest, shard, options } = this;
    const files = this.rebuild && options.sourceIsThere;
    const entries = shard.batches.filter(({ samples }) => samples > 0);
    const rows = readRows(manifest, shard, { checked: false, files, stayed: stayed ?? [], signal: options.signal });
    let [batches, inShard, start] = [0, 0, 0];
    for await (const row of rows) {
      options.signal?.throwIfAborted();
      if (row.row === 0) start = (entries[batches++] as BatchEntry).coefficients;
      const number = inShard++;
      // What is wrong with all of them was noted.
      if (row.batch.isInSource(row.row) && (stayed === undefined || !options.sourceIsThere)) continue;
      try {
        start += this.verifyRow(row, number, start);
        this.good++;
      } catch (error) {
        this.note(error, row.batch.key(row.row));
        start = row.batch.coefficientsEnd(row.row);
      }
    }
  }

  /** The bytes of its coefficients, which a reader expects from `start` on, in bytes of the batch. */
  private verifyRow(row: ShardRow, inShard: number, start: number): number {
    const { batch } = row;
    const sample = batch.sample(row.row);
    batch.checkPacked(sample);
    if (!this.classes.has(sample.label)) {
      const message = `the manifest has no class ${sample.label}, its label`;
      throw new ToolkitError("CORRUPT_RECORD", message, { source: this.source, key: sample.key });
    }
    if (batch.isInSource(row.row)) this.verifyInSource(row, sample, inShard);
    else this.verifyStored(row, sample, inShard, start);
    return sample.packed.length;
  }

  private verifyStored({ batch, row }: ShardRow, sample: SampleRecord, inShard: number, start: number): void {
    const { source } = this;
    if (batch.coefficientsStart(row) !== start) {
      const message = `its coefficients are at byte ${batch.coefficientsStart(row)} of their record batch, the manifest has them at ${start}`;
      throw new ToolkitError("CORRUPT_SHARD", message, { source, key: sample.key });
    }
    this.compareWithIndex(sample, inShard);
    if (this.rebuild) this.sums.add(verifyRecord(sample, batch.codec, source, this.maxPixels).frequencies);
  }

  /** Its tables are known when the file was read. */
  private verifyInSource(row: ShardRow, sample: SampleRecord, inShard: number): void {
    const { source, maxPixels } = this;
    if (row.stayed === undefined) throw notDescribed(source, sample.key);
    checkStayed(sample, row.stayed, source);
    if (!this.rebuild) {
      this.compareWithIndex(sample, inShard);
      return;
    }
    const found = verifyStayed(sample, row.stayed, originalFile(row, sample, source), source, maxPixels);
    this.compareWithIndex({ ...sample, quantTables: found.quantTables }, inShard);
    this.sums.add(found.frequencies);
  }

  private compareWithIndex(sample: SampleRecord, inShard: number): void {
    const { source, index } = this;
    if (index === undefined || indexHolds(index.index, index.first + inShard, sample)) return;
    throw new ToolkitError("CORRUPT_INDEX", "the index says something else of this sample", {
      source,
      key: sample.key,
    });
  }
}

async function verifyFile(source: string, file: FileEntry): Promise<void> {
  const info = await at(source).stat();
  if (info === undefined) throw new ToolkitError("MISSING_SHARD", "no such file", { source });
  const mismatch = (found: string, expected: string) =>
    new ToolkitError("CHECKSUM_MISMATCH", `${found}, expected ${expected}`, { source });
  if (info.byteLength !== file.byteLength) throw mismatch(`${info.byteLength} bytes`, String(file.byteLength));
  const found = await sha256Of(source);
  if (found !== file.sha256) throw mismatch(`sha256 ${found}`, file.sha256);
}
