// Files that stayed in their sources, of an opened data set: where each is, and how to enter it.
import { asToolkitError, ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import type { SeekFacts } from "../native/index.js";
import { at } from "../storage/at.js";
import { isRemote, joinUrl } from "../storage/url.js";
import { keyProblem } from "./key.js";
import type { LoadedManifest, SourceEntry } from "./manifest.js";
import type { SampleIndex } from "./sample-index.js";
import { placeOf } from "./search.js";
import { readSeekFile, type SeekEntry, sourcesInUse } from "./seek-file.js";
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

/** Whether samples of a data set are read from a service. */
export function isFarAway({ folder, sources, shards }: Pick<LoadedManifest, "folder" | "sources" | "shards">): boolean {
  return isRemote(folder) || sourcesInUse(shards).some((number) => isRemote(sources[number]?.url ?? ""));
}

/** Whether a sample's file stayed in its source. */
export const isInSource = (files: SourceFiles | undefined, sample: number) =>
  files !== undefined && (files.block[sample] as number) >= 0;

/** What has to be known of a data set to find its samples. */
interface Findable {
  readonly index: SampleIndex;
  readonly firstSamples: Float64Array;
  readonly files: SourceFiles | undefined;
}

/** The object that a sample is read from: its shard, or what its file stayed in. */
export function urlOfSample(
  { folder, shards }: { readonly folder: string; readonly shards: readonly Pick<ShardEntry, "name">[] },
  { index, firstSamples, files }: Findable,
  sample: number,
): string {
  const shard = placeOf(firstSamples, sample);
  if (files === undefined || !isInSource(files, sample)) return joinUrl(folder, shards[shard]?.name ?? "");
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
  for (const fault of (await sourceFaults(manifest)).values()) throw fault;
  const reader = new SourceFilesReader(manifest, index, stored);
  for (const number of manifest.shards.keys()) await reader.read(number);
  return reader.files;
}

class SourceFilesReader {
  private readonly blocks: Uint8Array<SharedArrayBuffer>[] = [];
  private readonly extensions = [""];
  private readonly extensionNumbers = new Map<string, number>();
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
    const { offset, byteLength, width, height, crc32c } = fact;
    if (index.width[sample] !== width || index.height[sample] !== height)
      throw this.corrupt(`sample ${sample} has ${width} x ${height} pixels here, others in the index`, name);
    if (index.crc32c[sample] !== crc32c)
      throw this.corrupt(`sample ${sample} is another file than in the index, by their checksums`, name);
    const problem = placeProblem(fact, manifest.sources[source] as SourceEntry);
    if (problem !== undefined) throw this.corrupt(`sample ${sample} ${problem}`, name);
    files.block[sample] = this.blocks.length;
    files.blockSample[sample] = inBlock;
    files.offsets[sample] = offset;
    files.byteLengths[sample] = byteLength;
  }

  private nameExtensions(stayed: readonly number[], { extensions = [], name }: SeekEntry): void {
    let next = 0;
    for (const { extension, samples } of extensions) {
      const number = this.extensionNumbers.get(extension) ?? this.extensions.push(extension) - 1;
      this.extensionNumbers.set(extension, number);
      if (number > maxExtensions) throw this.corrupt(`more than ${maxExtensions} different extensions`, name);
      for (let i = 0; i < samples; i++) this.nameFile(stayed[next++] as number, number, name);
    }
  }

  /** The key becomes part of a path: it must not lead out of the source. */
  private nameFile(sample: number, extension: number, name: string): void {
    const problem = keyProblem(this.index.key(sample) + (this.extensions[extension] as string));
    if (problem !== undefined)
      throw this.corrupt(`sample ${sample} cannot be a file of its source, with a name that ${problem}`, name);
    this.files.extension[sample] = extension;
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

/** Why a file cannot be where an index says, in words to follow "it"; undefined when it can. */
export function placeProblem({ offset, byteLength }: SeekFacts, source: SourceEntry): string | undefined {
  const end = offset + byteLength;
  if (source.kind === "tar" && end > source.byteLength)
    return `ends at byte ${end} of a source of ${source.byteLength}`;
  return source.kind === "tar" || offset === 0 ? undefined : `begins at byte ${offset} of a file of its own`;
}

/**
 * What is wrong with the sources that files stayed in, by their numbers in the manifest: SOURCE_CHANGED where one is
 * not there or is a tar that is not what it was, and what keeps it from being looked at. The files of class folders are
 * not looked at.
 */
export async function sourceFaults({ sources, shards }: LoadedManifest): Promise<Map<number, ToolkitError>> {
  const look = async (number: number) => ({ number, fault: await faultOf(sources[number] as SourceEntry) });
  const faults = new Map<number, ToolkitError>();
  for await (const { number, fault } of mapOrdered(sourcesInUse(shards), look, { limit: looksInFlight }))
    if (fault !== undefined) faults.set(number, fault);
  return faults;
}

async function faultOf(source: SourceEntry): Promise<ToolkitError | undefined> {
  const changed = (found: string) => {
    const message = `it is not what was indexed, of ${source.byteLength} bytes, version ${source.version}: ${found}; index it again, with \`overwrite\``;
    return new ToolkitError("SOURCE_CHANGED", message, { source: source.url });
  };
  try {
    const info = await at(source.url).stat();
    if (info === undefined) return changed("it is not there");
    if (source.kind !== "tar") return undefined;
    const { byteLength, version } = info;
    if (byteLength === source.byteLength && version === source.version) return undefined;
    return changed(`it has ${byteLength} bytes, version ${version}`);
  } catch (error) {
    return asToolkitError(error, { source: source.url });
  }
}
