// Files that stayed in their sources, of an opened data set: where each is, and how to enter it.
import { ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import type { SeekFacts } from "../native/index.js";
import { publicUrl } from "../public-url.js";
import { at } from "../storage/at.js";
import { joinUrl } from "../storage/url.js";
import type { LoadedManifest } from "./manifest.js";
import type { SampleIndex } from "./sample-index.js";
import { readSeekFile, type SeekEntry } from "./seek-file.js";
import type { ShardEntry } from "./writer.js";

/** Looks at sources at a time. */
const looksInFlight = 16;
/** Distinct extensions of a data set's files that can be told from each other. */
const maxExtensions = 65_535;

/** Threads share all of it but the names. */
export interface SourceFiles {
  /** Open blocks: how to enter the files. */
  readonly blocks: readonly Uint8Array<SharedArrayBuffer>[];
  /** Of every sample of the data set, the block that describes its file and its number in it; -1: it is a record. */
  readonly block: Int32Array<SharedArrayBuffer>;
  readonly blockSample: Uint8Array<SharedArrayBuffer>;
  /** Where each sample's file begins in what it lies in, and its bytes; of records what the data set says. */
  readonly offsets: Float64Array<SharedArrayBuffer>;
  readonly byteLengths: Uint32Array<SharedArrayBuffer>;
  /** The source of every shard: a tar, or the folder of class folders. */
  readonly urls: readonly string[];
  /** Of every sample the number of its extension, which with its key is a path in the folder; 0: it is in a tar. */
  readonly extension: Uint16Array<SharedArrayBuffer>;
  readonly extensions: readonly string[];
}

/** The object that a sample's file is in. */
export function urlOfFile(files: SourceFiles, index: SampleIndex, shard: number, sample: number): string {
  const url = files.urls[shard] as string;
  const extension = files.extension[sample] as number;
  return extension === 0 ? url : joinUrl(url, index.key(sample) + (files.extensions[extension] as string));
}

/** Where samples' bytes are, as the shards say. */
interface Stored {
  readonly offsets: Float64Array;
  readonly firstSamples: Float64Array;
}

/**
 * How to enter the files that stayed in their sources; undefined when none did. SOURCE_CHANGED when a tar is not what
 * it was; CORRUPT_INDEX, CHECKSUM_MISMATCH, NOT_FOUND.
 */
export async function openSourceFiles(
  manifest: LoadedManifest,
  index: SampleIndex,
  stored: Stored,
): Promise<SourceFiles | undefined> {
  if (manifest.shards.every(({ seek }) => seek === undefined)) return undefined;
  await checkSources(manifest);
  const reader = new SourceFilesReader(manifest, index, stored);
  for (const number of manifest.shards.keys()) await reader.read(number);
  return reader.files;
}

class SourceFilesReader {
  private readonly blocks: Uint8Array<SharedArrayBuffer>[] = [];
  private readonly extensions = [""];
  readonly files: SourceFiles;

  constructor(
    private readonly manifest: LoadedManifest,
    private readonly index: SampleIndex,
    private readonly stored: Stored,
  ) {
    const shared = (bytes: number) => new SharedArrayBuffer(bytes * index.length);
    this.files = {
      blocks: this.blocks,
      block: new Int32Array(shared(4)).fill(-1),
      blockSample: new Uint8Array(shared(1)),
      offsets: new Float64Array(shared(8)),
      byteLengths: new Uint32Array(shared(4)),
      urls: manifest.shards.map(({ seek }) => (seek === undefined ? "" : (manifest.sources[seek.source]?.url ?? ""))),
      extension: new Uint16Array(shared(2)),
      extensions: this.extensions,
    };
    this.files.offsets.set(stored.offsets);
    this.files.byteLengths.set(index.byteLength);
  }

  async read(number: number): Promise<void> {
    const { folder, shards } = this.manifest;
    const { seek, samples, name } = shards[number] as ShardEntry;
    if (seek === undefined) return;
    const first = this.stored.firstSamples[number] as number;
    const stayed = samplesWithoutBytes(this.index, first, samples);
    if (stayed.length !== seek.samples)
      throw this.corrupt(`${stayed.length} samples without coefficients, of which ${seek.samples} are entered`, name);
    let next = 0;
    for await (const { block, facts } of readSeekFile(folder, seek)) {
      for (const [i, fact] of facts.entries()) this.note(stayed[next++] as number, i, fact, seek);
      const shared = new Uint8Array(new SharedArrayBuffer(block.length));
      shared.set(block);
      this.blocks.push(shared);
    }
    this.nameExtensions(stayed, seek);
  }

  private note(sample: number, inBlock: number, fact: SeekFacts, { source, name }: SeekEntry): void {
    const { files, index, manifest } = this;
    const { offset, byteLength, width, height } = fact;
    if (index.width[sample] !== width || index.height[sample] !== height)
      throw this.corrupt(`sample ${sample} has ${width} x ${height} pixels here, others in the index`, name);
    const inTar = manifest.sources[source]?.kind === "tar";
    const end = manifest.sources[source]?.byteLength as number;
    if (inTar && offset + byteLength > end)
      throw this.corrupt(`sample ${sample} ends at byte ${offset + byteLength} of a source of ${end}`, name);
    files.block[sample] = this.blocks.length;
    files.blockSample[sample] = inBlock;
    files.offsets[sample] = offset;
    files.byteLengths[sample] = byteLength;
  }

  private nameExtensions(stayed: readonly number[], { extensions = [], name }: SeekEntry): void {
    let next = 0;
    for (const { extension, samples } of extensions) {
      let number = this.extensions.indexOf(extension, 1);
      if (number < 0) number = this.extensions.push(extension) - 1;
      if (number > maxExtensions) throw this.corrupt(`more than ${maxExtensions} different extensions`, name);
      for (let i = 0; i < samples; i++) this.files.extension[stayed[next++] as number] = number;
    }
  }

  private corrupt(message: string, name: string): ToolkitError {
    return new ToolkitError("CORRUPT_INDEX", message, { source: joinUrl(this.manifest.folder, name) });
  }
}

/** Samples [first, first + count) that have no coefficients in their shard. */
function samplesWithoutBytes({ byteLength }: SampleIndex, first: number, count: number): number[] {
  const samples: number[] = [];
  for (let sample = first; sample < first + count; sample++) if (byteLength[sample] === 0) samples.push(sample);
  return samples;
}

/** Throws SOURCE_CHANGED unless the tars that files stayed in are as they were. */
async function checkSources({ sources, shards }: LoadedManifest): Promise<void> {
  const used = [...new Set(shards.flatMap(({ seek }) => (seek === undefined ? [] : [seek.source])))];
  const tars = used.flatMap((number) => sources[number] ?? []).filter(({ kind }) => kind === "tar");
  const look = async (source: (typeof tars)[number]) => ({ source, info: await at(source.url).stat() });
  for await (const { source, info } of mapOrdered(tars, look, { limit: looksInFlight })) {
    if (info?.byteLength === source.byteLength && info.version === source.version) continue;
    const found = info === undefined ? "it is not there" : `it has ${info.byteLength} bytes, version ${info.version}`;
    const message = `it is not the file that was indexed, of ${source.byteLength} bytes, version ${source.version}: ${found}; index it again, with \`overwrite\``;
    throw new ToolkitError("SOURCE_CHANGED", message, { source: publicUrl(source.url) });
  }
}
