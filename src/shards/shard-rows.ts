// The rows of a shard with their files, byte for byte: what a record holds is made of it, and what stayed in its source
// is read from there, ahead of its use.
import { asToolkitError, ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import type { OpenSeekBlock, SeekFacts } from "../native/index.js";
import { isRemote, joinUrl } from "../storage/url.js";
import { checkIsThere, readWithCrc } from "./checked-read.js";
import { recordFlags } from "./flags.js";
import type { LoadedManifest, SourceEntry } from "./manifest.js";
import { type ReadShardOptions, readShard } from "./reader.js";
import type { SampleRecord } from "./record.js";
import { hex, type RecordBatchView } from "./record-view.js";
import { checkIsJpeg, restoreJpeg } from "./restore.js";
import { readSeekFile, type SeekEntry } from "./seek-file.js";
import { placeProblem } from "./source-files.js";
import type { ShardEntry } from "./writer.js";

/** A file that stayed in its source, as the shard's seek file describes it. */
export interface StayedFile {
  readonly facts: SeekFacts;
  /** The block that tells how to enter it, and its number there. */
  readonly block: OpenSeekBlock;
  readonly number: number;
  /** Given where the file is an object of its own, which its key and this name. */
  readonly extension: string | undefined;
  /** What it is in: a tar, or the folder of class folders. */
  readonly source: SourceEntry;
}

/** One row of a shard. */
export interface ShardRow {
  readonly batch: RecordBatchView;
  readonly row: number;
  /** Of a file that stayed in its source: what the seek file has of it, undefined where that has too few. */
  readonly stayed?: StayedFile | undefined;
  /** Its bytes, or why they cannot be had; undefined where they were not asked for. */
  readonly file?: Uint8Array | ToolkitError | undefined;
}

/** The files of a shard that stayed in their source, in the order of its rows. What readSeekFile throws. */
export async function readStayedFiles(
  { folder, sources }: LoadedManifest,
  { seek }: ShardEntry,
  signal?: AbortSignal,
): Promise<StayedFile[]> {
  if (seek === undefined) return [];
  const source = sources[seek.source] as SourceEntry;
  const extensions = extensionsOf(seek);
  const files: StayedFile[] = [];
  for await (const { block, facts } of readSeekFile(folder, seek, signal))
    for (const [number, fact] of facts.entries()) {
      const problem = placeProblem(fact, source);
      if (problem !== undefined)
        throw new ToolkitError("CORRUPT_INDEX", `file ${files.length} ${problem}`, {
          source: joinUrl(folder, seek.name),
        });
      files.push({ facts: fact, block, number, extension: extensions.next().value, source });
    }
  return files;
}

/** The extension of one sample after another; undefined where they have none of their own. */
function* extensionsOf({ extensions = [] }: SeekEntry): Generator<string, undefined> {
  for (const { extension, samples } of extensions) for (let i = 0; i < samples; i++) yield extension;
  return undefined;
}

export interface ReadRowsOptions extends ReadShardOptions {
  /** The shard's files that stayed in their source, where they are known already. */
  readonly stayed?: readonly StayedFile[];
  /** Whether these are read. Default true. */
  readonly files?: boolean;
}

/** Rows whose files are read at once: as many as make a large request of a tar, or keep a service busy. */
const groupRows = 32;
const groupBytes = 8 << 20;
/** Groups that are being read, or used. */
const remoteGroups = 4;
const localGroups = 2;

/**
 * The rows of a manifest's shard in order. What is wrong with one file is in its row. Throws what readShard and
 * readSeekFile throw, CORRUPT_INDEX when the seek file describes more files than there are rows for, and what keeps a
 * source from being read.
 */
export async function* readRows(
  manifest: LoadedManifest,
  shard: ShardEntry,
  { stayed, files = true, ...options }: ReadRowsOptions = {},
): AsyncGenerator<ShardRow> {
  const known = stayed ?? (await readStayedFiles(manifest, shard, options.signal));
  if (known.length === 0 || !files) {
    yield* pairRows(manifest, shard, known, options);
    return;
  }
  const limit = known.some(({ source }) => isRemote(source.url)) ? remoteGroups : localGroups;
  const read = (group: readonly ShardRow[], signal: AbortSignal) =>
    Promise.all(group.map((row) => withFile(row, signal)));
  const asked = (signal: AbortSignal) => inGroups(pairRows(manifest, shard, known, { ...options, signal }));
  const groups = mapOrdered(asked, read, { limit, signal: options.signal });
  for await (const group of groups)
    for (const row of group) {
      if (row.file instanceof ToolkitError && !isOfOneFile(row.file)) throw row.file;
      yield row;
    }
}

async function* pairRows(
  manifest: LoadedManifest,
  shard: ShardEntry,
  stayed: readonly StayedFile[],
  options: ReadShardOptions,
): AsyncGenerator<ShardRow> {
  let next = 0;
  for await (const batch of readShard(manifest, shard, options))
    for (let row = 0; row < batch.length; row++)
      yield batch.isInSource(row) ? { batch, row, stayed: stayed[next++] } : { batch, row };
  if (next >= stayed.length) return;
  const message = `it describes ${stayed.length} files, ${next} rows of the shard are without theirs`;
  throw new ToolkitError("CORRUPT_INDEX", message, {
    source: joinUrl(manifest.folder, shard.seek?.name ?? shard.name),
  });
}

/** Neighbours in a tar that are asked for together become one request. */
async function* inGroups(rows: AsyncIterable<ShardRow>): AsyncGenerator<ShardRow[]> {
  let group: ShardRow[] = [];
  let bytes = 0;
  for await (const row of rows) {
    const own = row.stayed?.facts.byteLength ?? 0;
    if (group.length === groupRows || (group.length > 0 && bytes + own > groupBytes)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(row);
    bytes += own;
  }
  if (group.length > 0) yield group;
}

async function withFile(row: ShardRow, signal: AbortSignal): Promise<ShardRow> {
  return row.stayed === undefined
    ? row
    : { ...row, file: await readStayedFile(row.batch, row.row, row.stayed, signal) };
}

/** A file that stayed in its source, checked, or why it cannot be had. */
export async function readStayedFile(
  batch: RecordBatchView,
  row: number,
  stayed: StayedFile,
  signal?: AbortSignal,
): Promise<Uint8Array | ToolkitError> {
  const { source, extension, facts } = stayed;
  let url = source.url;
  try {
    const sample = batch.sample(row);
    checkStayed(sample, stayed, url);
    if (extension !== undefined) url = joinUrl(url, sample.key + extension);
    return await readAsRecorded(url, facts, sample, signal);
  } catch (error) {
    signal?.throwIfAborted();
    return asToolkitError(error, { source: url, key: batch.key(row) });
  }
}

async function readAsRecorded(
  source: string,
  { offset, byteLength }: SeekFacts,
  { imageCrc32c: expected, key }: SampleRecord,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const range = { start: offset, end: offset + byteLength };
  await checkIsThere(source, range, signal);
  const bytes = new Uint8Array(byteLength);
  const found = await readWithCrc(source, range, bytes, expected, signal);
  if (found !== undefined) {
    const message = `the file has crc32c ${hex(found)}, expected ${hex(expected)}: it is damaged, or another than was indexed`;
    throw new ToolkitError("CHECKSUM_MISMATCH", message, { source, key, offset });
  }
  checkIsJpeg(bytes, source, key);
  return bytes;
}

/** Throws CORRUPT_RECORD or CORRUPT_INDEX, naming `source`, unless record and seek file mean the same file. */
export function checkStayed(sample: SampleRecord, { facts, extension }: StayedFile, source: string): void {
  const { key, packed, header, trailer, raw, flags } = sample;
  const at = { source, key };
  if (flags !== recordFlags.inSource || packed.length + header.length + trailer.length > 0 || raw !== undefined)
    throw new ToolkitError("CORRUPT_RECORD", "its file stayed in its source, but the record has parts of one", at);
  if (
    facts.width !== sample.width ||
    facts.height !== sample.height ||
    facts.crc32c !== sample.imageCrc32c ||
    (extension !== undefined && extension !== sample.extension)
  )
    throw new ToolkitError("CORRUPT_INDEX", "the seek file describes another file than the record", at);
}

/** As opposed to what is wrong with the machine or a service, which would be so with the next file, too. */
function isOfOneFile({ code }: ToolkitError): boolean {
  return ["CHECKSUM_MISMATCH", "CORRUPT_INDEX", "CORRUPT_RECORD", "CORRUPT_SHARD", "IO_ERROR", "NOT_FOUND"].includes(
    code,
  );
}

/**
 * The original file of a row, of which `sample` is the record. Throws what restoreJpeg throws, and what reading the
 * file threw; CORRUPT_INDEX when no seek file describes it.
 */
export function originalFile({ batch, file }: ShardRow, sample: SampleRecord, source: string): Uint8Array {
  if ((sample.flags & recordFlags.inSource) === 0) return restoreJpeg(sample, batch.codec, source);
  if (file === undefined) throw notDescribed(source, sample.key);
  if (file instanceof ToolkitError) throw file;
  return file;
}

/** The error for a row without a file that no seek file describes. */
export function notDescribed(source: string, key: string): ToolkitError {
  return new ToolkitError("CORRUPT_INDEX", "its file stayed in its source, but no seek file describes it", {
    source,
    key,
  });
}
