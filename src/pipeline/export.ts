// Data sets -> JPEG files again: into a folder, or into a WebDataset tar with labels beside the images.
import type { ErrorCode } from "../error-codes.js";
import { asToolkitError, type ToolkitError, toWire, type WireError } from "../errors.js";
import { recordFlags } from "../shards/flags.js";
import { readManifest } from "../shards/manifest.js";
import type { SampleRecord } from "../shards/record.js";
import { originalFile, readRows, type ShardRow } from "../shards/shard-rows.js";
import { sourceFaults } from "../shards/source-files.js";
import { joinUrl } from "../storage/url.js";
import { ExportFolder } from "./export-folder.js";
import { ExportNames } from "./export-names.js";
import { TarWriter } from "./tar-writer.js";

/** What `exportImages` can be asked for. */
export interface ExportOptions {
  readonly manifest: string;
  /** A folder, or a name that ends in .tar. */
  readonly out: string;
  readonly onProgress?: (exported: number, samples: number) => void;
  readonly signal?: AbortSignal;
}

/** What an export wrote, and what it left out. */
export interface ExportReport {
  readonly exported: number;
  /** Files that are the originals, which their checksums prove: all but the converted and resized ones. */
  readonly byteExact: number;
  /** Files that got another name because theirs was taken. */
  readonly renamed: number;
  /** Files that were called otherwise and end in .jpg now, because JPEGs are what they are. */
  readonly retyped: number;
  /** Records that no file was made of, and what is wrong with the first hundred of them. */
  readonly refused: number;
  readonly refusals: readonly WireError[];
  readonly out: string;
}

interface ExportTarget {
  /** Endings that a sample's files have beside the image's own. */
  readonly endings: readonly string[];
  /** What is in the way of this sample alone comes back. */
  add(sample: SampleRecord, name: string, extension: string, jpeg: Uint8Array): Promise<ToolkitError | undefined>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

const listedRefusals = 100;

/** What is wrong with a record that no file can be made of. */
const refused: ReadonlySet<ErrorCode> = new Set(["CORRUPT_RECORD", "CANNOT_REBUILD", "CORRUPT_INDEX"]);

/**
 * Writes every sample's file under its key, with an extension that is a JPEG's: the original byte for byte, but for
 * converted and resized samples. A record that no file can be made of is left out and counted in `refused`.
 *
 * Errors: CHECKSUM_MISMATCH at the first damaged record or file, SOURCE_CHANGED where a file stayed in a source that is
 * not what it was, NOT_FOUND, BAD_MANIFEST, IO_ERROR.
 *
 * @example
 * ```ts
 * import { exportImages } from "dctstream";
 *
 * const { exported, byteExact } = await exportImages({ manifest: "shards/val", out: "val.tar" });
 * console.log(`${exported} files, ${byteExact} of them the originals`);
 * ```
 */
export async function exportImages(options: ExportOptions): Promise<ExportReport> {
  const manifest = await readManifest(options.manifest);
  const target = options.out.endsWith(".tar") ? await TarTarget.open(options.out) : new FolderTarget(options.out);
  const exporter = new Exporter(target);
  try {
    for (const fault of (await sourceFaults(manifest)).values()) throw fault;
    for (const shard of manifest.shards) {
      const source = joinUrl(manifest.folder, shard.name);
      for await (const row of readRows(manifest, shard, { signal: options.signal })) {
        options.signal?.throwIfAborted();
        await exporter.add(row, source);
        options.onProgress?.(exporter.exported, manifest.samples);
      }
    }
    await target.commit();
  } catch (error) {
    await target.abort();
    throw error;
  }
  return { ...exporter.report(), out: options.out };
}

class Exporter {
  exported = 0;
  private byteExact = 0;
  private refused = 0;
  private readonly refusals: WireError[] = [];
  private readonly names = new ExportNames();

  constructor(private readonly target: ExportTarget) {}

  report(): Omit<ExportReport, "out"> {
    const { exported, byteExact, refused, refusals } = this;
    const { renamed, retyped } = this.names;
    return { exported, byteExact, renamed, retyped, refused, refusals };
  }

  async add(shardRow: ShardRow, source: string): Promise<void> {
    const { batch, row } = shardRow;
    const refusal = await this.write(shardRow, source).catch((error: unknown) => {
      const known = asToolkitError(error, { source, key: batch.key(row) });
      if (refused.has(known.code)) return known;
      throw error;
    });
    if (refusal === undefined) return;
    this.refused++;
    if (this.refusals.length < listedRefusals) this.refusals.push(toWire(refusal));
  }

  private async write(row: ShardRow, source: string): Promise<ToolkitError | undefined> {
    const { batch } = row;
    const sample = batch.sample(row.row);
    batch.checkPacked(sample);
    const jpeg = originalFile(row, sample, source);
    const extension = this.names.extensionOf(sample.extension);
    const name = this.names.take(sample.key, [extension, ...this.target.endings]);
    const refusal = await this.target.add(sample, name, extension, jpeg);
    if (refusal !== undefined) return refusal;
    this.exported++;
    if ((sample.flags & (recordFlags.converted | recordFlags.resized)) === 0) this.byteExact++;
    return undefined;
  }
}

class FolderTarget implements ExportTarget {
  readonly endings = [];
  private readonly folder: ExportFolder;

  constructor(folder: string) {
    this.folder = new ExportFolder(folder);
  }

  add(_sample: SampleRecord, name: string, extension: string, jpeg: Uint8Array): Promise<ToolkitError | undefined> {
    return this.folder.add(name + extension, jpeg);
  }

  commit(): Promise<void> {
    return this.folder.commit();
  }

  abort(): Promise<void> {
    return this.folder.abort();
  }
}

class TarTarget implements ExportTarget {
  readonly endings = [".cls", ".json"];

  private constructor(private readonly tar: TarWriter) {}

  static async open(url: string): Promise<TarTarget> {
    return new TarTarget(await TarWriter.open(url));
  }

  async add(sample: SampleRecord, name: string, extension: string, jpeg: Uint8Array): Promise<undefined> {
    await this.tar.entry(name + extension, jpeg);
    await this.tar.entry(`${name}.cls`, String(sample.label));
    if (sample.json !== undefined) await this.tar.entry(`${name}.json`, sample.json);
  }

  commit(): Promise<void> {
    return this.tar.commit();
  }

  abort(): Promise<void> {
    return this.tar.abort();
  }
}
