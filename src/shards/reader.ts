// Shard file -> record batches. Reads by ranges taken from the manifest, or, without one, the file from its beginning.
import { createHash } from "node:crypto";
import { RecordBatchReader, RecordBatchStreamWriter } from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import { type Codec, crc32c } from "../native/index.js";
import { isRemote, joinUrl, openStore } from "../storage/store.js";
import { maxReads, readWithCrc } from "./checked-read.js";
import { codecOfSchema, shardSchema } from "./record.js";
import { hex, RecordBatchView } from "./record-view.js";
import type { BatchEntry, ShardEntry } from "./writer.js";

/** An Arrow file starts with this and two bytes of padding; what follows is a stream. */
const magic = "ARROW1";
const magicBytes = 8;
const decoder = new TextDecoder();

const schemaMessages = new Map<Codec, Uint8Array>();

/** The schema message in front of the record batches: the same in every shard of a codec. */
function schemaMessage(codec: Codec): Uint8Array {
  const known = schemaMessages.get(codec);
  if (known !== undefined) return known;
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, shardSchema(codec));
  const stream = writer.finish().toUint8Array(true);
  const message = stream.subarray(0, bodilessMessageBytes(stream));
  schemaMessages.set(codec, message);
  return message;
}

/** The length of a message without a body, such as a schema: a marker, the length of what follows, and that. */
function bodilessMessageBytes(message: Uint8Array): number {
  return 8 + new DataView(message.buffer, message.byteOffset).getInt32(4, true);
}

/** Parses one record batch of a shard of that codec; the view shares `batchBytes`. CORRUPT_SHARD. */
export function parseBatch(codec: Codec, batchBytes: Uint8Array, source: string): RecordBatchView {
  try {
    const reader = RecordBatchReader.from([schemaMessage(codec), batchBytes]);
    const { value } = reader.open().next();
    if (value == null) throw new Error("no record batch in these bytes");
    return new RecordBatchView(value, codec, source);
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    throw new ToolkitError("CORRUPT_SHARD", `record batch cannot be read: ${(cause as Error).message}`, {
      source,
      cause,
    });
  }
}

/** A record batch's bytes, checked. CHECKSUM_MISMATCH when they stay wrong however often they are read. */
async function readBatchBytes(url: string, codec: Codec, batch: BatchEntry, signal: AbortSignal): Promise<Uint8Array> {
  const range = { start: batch.offset, end: batch.offset + batch.byteLength };
  const bytes = new Uint8Array(batch.byteLength);
  const found = await readWithCrc(url, range, bytes, batch.crc32c, signal);
  if (found !== undefined) throw batchMismatch(found, codec, bytes, batch, url);
  return bytes;
}

function batchMismatch(
  found: number,
  codec: Codec,
  bytes: Uint8Array,
  { crc32c: expected, offset }: BatchEntry,
  source: string,
): ToolkitError {
  const message = `record batch has crc32c ${hex(found)}, expected ${hex(expected)}, read ${maxReads} times; verify lists all damage`;
  return new ToolkitError("CHECKSUM_MISMATCH", message, { source, offset, key: firstDamaged(codec, bytes, source) });
}

/** The key of the first sample whose coefficients are not what was written; undefined when the damage lies elsewhere. */
function firstDamaged(codec: Codec, bytes: Uint8Array, source: string): string | undefined {
  try {
    const view = parseBatch(codec, bytes, source);
    for (let row = 0; row < view.length; row++) {
      const { packed, crc32c: expected } = view.image(row);
      if (crc32c(packed) !== expected) return view.key(row);
    }
  } catch {
    // too damaged to tell
  }
  return undefined;
}

export interface ReadShardOptions {
  /** False: hand out what is there, damaged or not, to say which samples are. Default true. */
  readonly checked?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Record batches read ahead of their use from a service, where each takes a round trip. */
const remoteReadsInFlight = 4;

/** Every record batch of a manifest's shard in order, one in memory at a time, or a few from a service. */
export async function* readShard(
  { folder, codec }: { readonly folder: string; readonly codec: Codec },
  shard: ShardEntry,
  { checked = true, signal }: ReadShardOptions = {},
): AsyncGenerator<RecordBatchView> {
  const url = joinUrl(folder, shard.name);
  const read = async (batch: BatchEntry, both: AbortSignal) => {
    const range = { start: batch.offset, end: batch.offset + batch.byteLength };
    const bytes = await (checked
      ? readBatchBytes(url, codec, batch, both)
      : openStore(url).read(url, range, undefined, both));
    return { batch, bytes };
  };
  const limit = isRemote(url) ? remoteReadsInFlight : 1;
  for await (const { batch, bytes } of mapOrdered(shard.batches, read, { limit, signal })) {
    const view = parseBatch(codec, bytes, url);
    if (view.length !== batch.samples) {
      const message = `batch of ${view.length} samples, expected ${batch.samples}`;
      throw new ToolkitError("CORRUPT_SHARD", message, { source: url, offset: batch.offset });
    }
    yield view;
  }
}

/** The record batches of a shard of which only the file is known. */
export async function* readShardFile(url: string): AsyncGenerator<RecordBatchView> {
  const store = openStore(url);
  if ((await store.stat(url)) === undefined) throw new ToolkitError("NOT_FOUND", "no such shard", { source: url });
  let reader: Awaited<ReturnType<typeof openArrowStream>>;
  try {
    reader = await openArrowStream(store.stream(url));
  } catch (cause) {
    throw new ToolkitError("CORRUPT_SHARD", `not an Arrow file: ${(cause as Error).message}`, { source: url, cause });
  }
  const codec = codecOfSchema(reader.schema, url);
  for await (const batch of reader) yield new RecordBatchView(batch, codec, url);
}

/** Read as a stream behind its magic, a file needs one record batch in memory at a time; its footer is not looked at. */
async function openArrowStream(bytes: AsyncIterable<Uint8Array>) {
  const reader = await RecordBatchReader.from(withoutMagic(bytes));
  await reader.open();
  if (reader.schema == null) throw new Error("no schema");
  return reader;
}

async function* withoutMagic(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head = new Uint8Array(0);
  for await (const chunk of bytes) {
    if (head.length >= magicBytes) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < magicBytes) continue;
    if (decoder.decode(head.subarray(0, magic.length)) !== magic) throw new Error("it does not start with ARROW1");
    yield head.subarray(magicBytes);
  }
}

export async function sha256Of(url: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of openStore(url).stream(url)) hash.update(chunk);
  return hash.digest("hex");
}
