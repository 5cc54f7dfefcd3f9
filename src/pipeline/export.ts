// Shards -> JPEG files again: into a folder, or into a WebDataset tar with labels beside the images.
import { ToolkitError } from "../errors.js";
import { InFlight } from "../in-flight.js";
import { recordFlags } from "../shards/flags.js";
import { readManifest } from "../shards/manifest.js";
import { readShard } from "../shards/reader.js";
import type { SampleRecord } from "../shards/record.js";
import { restoreJpeg } from "../shards/restore.js";
import { isRemote, joinUrl, putObject } from "../storage/store.js";
import { TarWriter } from "./tar-writer.js";

export interface ExportOptions {
  readonly manifest: string;
  /** A folder, or a name that ends in .tar. */
  readonly out: string;
  readonly onProgress?: (exported: number, samples: number) => void;
  readonly signal?: AbortSignal;
}

export interface ExportReport {
  readonly exported: number;
  /** Files that are the originals, which their checksums prove: all but the converted and resized ones. */
  readonly byteExact: number;
  /** Files that got another name because two samples have the same one. */
  readonly renamed: number;
  readonly out: string;
}

interface ExportTarget {
  add(sample: SampleRecord, name: string, jpeg: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** Writes every sample's original file under its key and extension. CHECKSUM_MISMATCH at the first damaged record. */
export async function exportImages(options: ExportOptions): Promise<ExportReport> {
  const manifest = await readManifest(options.manifest);
  const target = options.out.endsWith(".tar") ? await TarTarget.open(options.out) : new FolderTarget(options.out);
  const names = new UniqueNames();
  let exported = 0;
  let byteExact = 0;
  try {
    for (const shard of manifest.shards) {
      const source = joinUrl(manifest.folder, shard.name);
      for await (const batch of readShard(manifest, shard, { signal: options.signal })) {
        for (let row = 0; row < batch.length; row++) {
          options.signal?.throwIfAborted();
          const sample = batch.sample(row);
          batch.checkPacked(sample);
          await target.add(
            sample,
            names.take(safeKey(sample.key), sample.extension),
            restoreJpeg(sample, batch.codec, source),
          );
          exported++;
          if ((sample.flags & (recordFlags.converted | recordFlags.resized)) === 0) byteExact++;
          options.onProgress?.(exported, manifest.samples);
        }
      }
    }
    await target.commit();
  } catch (error) {
    await target.abort();
    throw error;
  }
  return { exported, byteExact, renamed: names.renamed, out: options.out };
}

/** A key comes from a tar that anybody may have made: it must not lead out of the folder. */
function safeKey(key: string): string {
  const parts = key.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || parts.includes(".."))
    throw new ToolkitError("CORRUPT_RECORD", "the key is no name inside a folder", { key });
  return parts.join("/");
}

class UniqueNames {
  renamed = 0;
  private readonly taken = new Set<string>();

  take(key: string, extension: string): string {
    let name = key;
    for (let n = 2; this.taken.has(name + extension); n++) name = `${key}~${n}`;
    this.taken.add(name + extension);
    if (name !== key) this.renamed++;
    return name;
  }
}

/** Files on their way to a service, each of which takes a round trip. */
const remoteWritesInFlight = 24;

class FolderTarget implements ExportTarget {
  private readonly writing: InFlight;

  constructor(private readonly folder: string) {
    this.writing = new InFlight(isRemote(folder) ? remoteWritesInFlight : 1);
  }

  add(sample: SampleRecord, name: string, jpeg: Uint8Array): Promise<void> {
    return this.writing.add(putObject(joinUrl(this.folder, name + sample.extension), jpeg));
  }

  commit(): Promise<void> {
    return this.writing.finish();
  }

  /** Whole files are each good; the next run writes the same ones. */
  abort(): Promise<void> {
    return this.writing.settle();
  }
}

class TarTarget implements ExportTarget {
  private constructor(private readonly tar: TarWriter) {}

  static async open(url: string): Promise<TarTarget> {
    return new TarTarget(await TarWriter.open(url));
  }

  async add(sample: SampleRecord, name: string, jpeg: Uint8Array): Promise<void> {
    await this.tar.entry(name + sample.extension, jpeg);
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
