// The seek file of a shard: for each of its samples whose file stayed in its source, what is needed to decode any part
// of that file. Blocks of up to 128 samples, one after another, in the order of the samples.
import { ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import { type OpenSeekBlock, openSeekBlock, readSeekFacts, type SeekFacts, sealSeekBlock } from "../native/index.js";
import { maxBlockSamples } from "../native/limits.js";
import { joinUrl } from "../storage/url.js";
import { checkIsThere, readChecked } from "./checked-read.js";
import { type FileEntry, HashedFile } from "./hashed-file.js";

/** Where a block lies in its file. */
export interface BlockEntry {
  readonly offset: number;
  readonly byteLength: number;
  readonly samples: number;
}

/** What a manifest says of a seek file. */
export interface SeekEntry extends FileEntry {
  readonly samples: number;
  /** Index of the source, in the manifest's list, that the files are in. */
  readonly source: number;
  readonly blocks: readonly BlockEntry[];
  /**
   * For class folders: the extensions of the files, of so many samples one after another. A sample's key and extension
   * are its file's path in the source.
   */
  readonly extensions?: readonly ExtensionRun[] | undefined;
}

interface ExtensionRun {
  readonly extension: string;
  readonly samples: number;
}

/** `shard-00003-00000.seek`, of that shard's name. */
export function seekName(shardName: string): string {
  return shardName.replace(/\.arrow$/, ".seek");
}

/** The numbers of the sources that files stayed in, each once. */
export function sourcesInUse(shards: readonly { readonly seek?: SeekEntry | undefined }[]): number[] {
  return [...new Set(shards.flatMap(({ seek }) => (seek === undefined ? [] : [seek.source])))];
}

/** A file that stays in its source. */
export interface FileInSource {
  readonly block: OpenSeekBlock;
  /** Where it begins there, in bytes. */
  readonly offset: number;
  /** Given where the file is an object of its own. */
  readonly extension: string | undefined;
}

export class SeekFileWriter {
  private samples = 0;
  private readonly blocks: BlockEntry[] = [];
  private readonly extensions: { extension: string; samples: number }[] = [];
  private parts: OpenSeekBlock[] = [];
  private offsets: number[] = [];
  private waitingBytes = 0;

  private constructor(
    private readonly file: HashedFile,
    private readonly source: number,
  ) {}

  static async open(folder: string, name: string, source: number, signal?: AbortSignal): Promise<SeekFileWriter> {
    return new SeekFileWriter(await HashedFile.open(folder, name, signal), source);
  }

  /** Bytes written so far, and bytes waiting for their block. */
  get byteLength(): number {
    return this.file.byteLength + this.waitingBytes;
  }

  /** The block's memory is free again when this returns. */
  async append({ block, offset, extension }: FileInSource): Promise<void> {
    this.parts.push(block.slice());
    this.offsets.push(offset);
    this.waitingBytes += block.length;
    this.samples++;
    if (extension !== undefined) this.noteExtension(extension);
    if (this.parts.length === maxBlockSamples) await this.flush();
  }

  async finish(): Promise<SeekEntry> {
    await this.flush();
    const { samples, source, blocks, extensions } = this;
    const entry = { ...(await this.file.commit()), samples, source, blocks };
    return extensions.length === 0 ? entry : { ...entry, extensions };
  }

  async abort(): Promise<void> {
    await this.file.abort();
  }

  private noteExtension(extension: string): void {
    const last = this.extensions.at(-1);
    if (last?.extension === extension) last.samples++;
    else this.extensions.push({ extension, samples: 1 });
  }

  private async flush(): Promise<void> {
    const samples = this.parts.length;
    if (samples === 0) return;
    const sealed = sealSeekBlock(this.parts, this.offsets);
    this.blocks.push({ offset: this.file.byteLength, byteLength: sealed.length, samples });
    this.parts = [];
    this.offsets = [];
    this.waitingBytes = 0;
    await this.file.write(sealed);
  }
}

/** Blocks read ahead of their use. */
const readsInFlight = 4;

/** A block of a seek file, open, with what it says of its samples. */
export interface ReadBlock {
  readonly block: Uint8Array<ArrayBuffer>;
  readonly facts: readonly SeekFacts[];
}

/**
 * The blocks of a seek file in order. CHECKSUM_MISMATCH when one stays wrong however often it is read, CORRUPT_INDEX
 * when one is not what the manifest says; NOT_FOUND.
 */
export async function* readSeekFile(folder: string, entry: SeekEntry, signal?: AbortSignal): AsyncGenerator<ReadBlock> {
  const url = joinUrl(folder, entry.name);
  const read = (block: BlockEntry, both: AbortSignal) => readBlock(url, block, both);
  yield* mapOrdered(entry.blocks, read, { limit: readsInFlight, signal });
}

async function readBlock(source: string, entry: BlockEntry, signal: AbortSignal): Promise<ReadBlock> {
  const range = { start: entry.offset, end: entry.offset + entry.byteLength };
  await checkIsThere(source, range, signal);
  let block = new Uint8Array(0);
  const sealed = new Uint8Array(entry.byteLength);
  const fault = await readChecked(
    source,
    range,
    sealed,
    () => {
      try {
        block = openSeekBlock(sealed);
        return undefined;
      } catch (error) {
        return error as Error & { readonly code?: string };
      }
    },
    signal,
  );
  if (fault?.code === "CHECKSUM_MISMATCH")
    throw new ToolkitError("CHECKSUM_MISMATCH", fault.message, { source, offset: entry.offset, cause: fault });
  if (fault !== undefined) throw corrupt(fault.message, source, entry);
  const facts = readSeekFacts(block);
  if (facts.length !== entry.samples)
    throw corrupt(`a block of ${facts.length} samples, the manifest says ${entry.samples}`, source, entry);
  return { block, facts };
}

function corrupt(message: string, source: string, { offset }: BlockEntry): ToolkitError {
  return new ToolkitError("CORRUPT_INDEX", message, { source, offset });
}
