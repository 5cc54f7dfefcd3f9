// Shard file -> record batches. Reads by ranges taken from the manifest, or, without one, the file from its beginning.
import { createHash } from "node:crypto";
import { ToolkitError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import { type Codec, crc32c } from "../native/index.js";
import { at } from "../storage/at.js";
import { isRemote, joinUrl } from "../storage/url.js";
import { readColumns } from "./arrow/columns.js";
import { ArrowError } from "./arrow/flatbuffer.js";
import { readBatchMessage } from "./arrow/message.js";
import { type ArrowSchema, parseSchema } from "./arrow/schema.js";
import { streamMessages } from "./arrow/stream.js";
import { checkIsThere, maxReads, readWithCrc } from "./checked-read.js";
import { codecOfSchema, recordFields } from "./record.js";
import { hex, RecordBatchView } from "./record-view.js";
import type { BatchEntry, ShardEntry } from "./writer.js";

/** Parses one record batch of a shard of that codec; the view shares `batchBytes`. CORRUPT_SHARD. */
export function parseBatch(codec: Codec, batchBytes: Uint8Array, source: string): RecordBatchView {
  try {
    const batch = readColumns(recordFields, readBatchMessage(batchBytes));
    return new RecordBatchView(batch, recordFields, codec, source, batchBytes);
  } catch (cause) {
    throw corruptShard("record batch cannot be read", cause, source);
  }
}

/** What bytes that are not Arrow data are reported as. */
function corruptShard(what: string, cause: unknown, source: string): unknown {
  if (!(cause instanceof ArrowError)) return cause;
  return new ToolkitError("CORRUPT_SHARD", `${what}: ${cause.message}`, { source, cause });
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

/**
 * The key of the first sample whose coefficients are not what was written; undefined when the damage lies elsewhere.
 */
function firstDamaged(codec: Codec, bytes: Uint8Array, source: string): string | undefined {
  try {
    const view = parseBatch(codec, bytes, source);
    for (let row = 0; row < view.length; row++) {
      const { packed, crc32c: expected } = view.image(row);
      if (crc32c(packed) !== expected) return view.key(row);
    }
  } catch {
    // too damaged to know
  }
  return undefined;
}

export interface ReadShardOptions {
  /**
   * Whether damage is an error; false hands out what is there, damaged or not, to report which samples are. Default
   * true.
   */
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
    await checkIsThere(url, range, both);
    const bytes = await (checked ? readBatchBytes(url, codec, batch, both) : at(url).read(range, undefined, both));
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

/** The record batches of a shard of which only the file is known. NOT_FOUND, CORRUPT_SHARD. */
export async function* readShardFile(url: string): AsyncGenerator<RecordBatchView> {
  const file = at(url);
  const info = await file.stat();
  if (info === undefined) throw new ToolkitError("NOT_FOUND", "no such shard", { source: url });
  try {
    let schema: ArrowSchema | undefined;
    let codec: Codec | undefined;
    for await (const { kind, header, body, bytes } of streamMessages(file.stream(), info.byteLength)) {
      if (kind === "schema") {
        if (schema !== undefined) throw new ArrowError("a second schema");
        schema = parseSchema(header);
        codec = codecOfSchema(schema, url);
      } else {
        if (schema === undefined || codec === undefined) throw new ArrowError("a record batch in front of the schema");
        const { fields } = schema;
        yield new RecordBatchView(readColumns(fields, { header, body }), fields, codec, url, bytes);
      }
    }
    if (schema === undefined) throw new ArrowError("no schema");
  } catch (cause) {
    throw corruptShard("not a shard", cause, url);
  }
}

export async function sha256Of(url: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of at(url).stream()) hash.update(chunk);
  return hash.digest("hex");
}
