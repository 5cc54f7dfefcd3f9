// Shard file -> record batches. Reads by ranges taken from the manifest, or, without one, by the file's own footer.
import { createHash } from "node:crypto";
import { RecordBatchReader, type Schema } from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { joinUrl, openStore } from "../storage/store.js";
import { codecOfSchema } from "./record.js";
import { RecordBatchView } from "./record-view.js";
import type { BatchEntry, ShardEntry } from "./writer.js";

/** An Arrow file starts with this and two bytes of padding; what follows is a stream. */
const magic = "ARROW1";
const magicBytes = 8;
const decoder = new TextDecoder();

/** The schema message of a shard: the bytes between the magic and the first record batch. The same for all shards of a data set. */
export async function readSchemaBytes(url: string, firstBatchOffset: number): Promise<Uint8Array> {
  const head = await openStore(url).read(url, { start: 0, end: firstBatchOffset });
  if (decoder.decode(head.subarray(0, magic.length)) !== magic) {
    throw new ToolkitError("CORRUPT_SHARD", "does not start with the bytes of an Arrow file", { source: url });
  }
  return head.subarray(magicBytes);
}

/** Parses one record batch given the schema message before it; the view shares `batchBytes`. CORRUPT_SHARD. */
export function parseBatch(schemaBytes: Uint8Array, batchBytes: Uint8Array, source: string): RecordBatchView {
  try {
    const reader = RecordBatchReader.from([schemaBytes, batchBytes]);
    const { value } = reader.open().next();
    if (value == null) throw new Error("no record batch in these bytes");
    return new RecordBatchView(value, codecOfSchema(reader.schema as Schema, source), source);
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    throw new ToolkitError("CORRUPT_SHARD", `record batch cannot be read: ${(cause as Error).message}`, {
      source,
      cause,
    });
  }
}

export async function readBatch(
  url: string,
  schemaBytes: Uint8Array,
  batch: BatchEntry,
  target?: Uint8Array,
  signal?: AbortSignal,
): Promise<RecordBatchView> {
  const range = { start: batch.offset, end: batch.offset + batch.byteLength };
  const bytes = await openStore(url).read(url, range, target, signal);
  const view = parseBatch(schemaBytes, bytes, url);
  if (view.length !== batch.samples)
    throw new ToolkitError("CORRUPT_SHARD", `batch of ${view.length} samples, expected ${batch.samples}`, {
      source: url,
      offset: batch.offset,
    });
  return view;
}

/** Every record batch of a shard in order, one in memory at a time. */
export async function* readShard(folder: string, shard: ShardEntry): AsyncGenerator<RecordBatchView> {
  const url = joinUrl(folder, shard.name);
  const first = shard.batches[0];
  if (first === undefined) return;
  const schemaBytes = await readSchemaBytes(url, first.offset);
  for (const batch of shard.batches) yield await readBatch(url, schemaBytes, batch);
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
