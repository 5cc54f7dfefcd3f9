// The messages that an Arrow stream consists of, and the footer of a file: framing, kinds, and where bodies lie.
// https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
import { ArrowError, FlatTable } from "./flatbuffer.js";
import { type ArrowSchema, parseSchema } from "./schema.js";

/** A file begins and ends with it. */
export const magic = "ARROW1";
/** The magic and two bytes of padding, behind which a file can be read as a stream. */
export const magicBytes = 8;
/** A marker, and the length of the metadata. */
export const prefixBytes = 8;

const kinds = { schema: 1, recordBatch: 3 } as const;
const blockBytes = 24;
/** What stands behind the footer: its length, and the magic. */
const fileEndBytes = 4 + magic.length;

export interface ArrowMessage {
  readonly kind: "schema" | "record batch";
  /** The Schema or RecordBatch table. */
  readonly header: FlatTable;
  readonly bodyBytes: number;
}

export function hasMagic(bytes: Uint8Array, at = 0): boolean {
  return bytes.length >= at + magic.length && [...magic].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
}

/** The length of the metadata that begins behind a prefix; 0 at the end of a stream. */
export function metadataBytes(prefix: Uint8Array): number {
  if (prefix.length < prefixBytes) throw new ArrowError("a message of less than 8 bytes");
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes);
  if (view.getInt32(0, true) !== -1) throw new ArrowError("no Arrow message where one should begin");
  const length = view.getInt32(4, true);
  if (length < 0) throw new ArrowError(`a message with metadata of ${length} bytes`);
  return length;
}

export function parseMessage(metadata: Uint8Array): ArrowMessage {
  const message = FlatTable.root(metadata);
  const [kind, header] = [message.uint8(1), message.table(2)];
  if (header === undefined || (kind !== kinds.schema && kind !== kinds.recordBatch))
    throw new ArrowError(`a message of kind ${kind}: expected a schema or a record batch`);
  return { kind: kind === kinds.schema ? "schema" : "record batch", header, bodyBytes: message.uint64(3) };
}

/** A record batch whose message is the whole of `bytes`, or its beginning. */
export interface BatchMessage {
  readonly header: FlatTable;
  readonly body: Uint8Array;
}

/** The record batch that `bytes` begin with. */
export function readBatchMessage(bytes: Uint8Array): BatchMessage {
  const length = metadataBytes(bytes);
  if (length > bytes.length - prefixBytes)
    throw new ArrowError(`metadata of ${length} bytes in a message of ${bytes.length}`);
  const message = parseMessage(bytes.subarray(prefixBytes, prefixBytes + length));
  if (message.kind !== "record batch") throw new ArrowError("a schema where a record batch should be");
  const start = prefixBytes + length;
  if (message.bodyBytes > bytes.length - start)
    throw new ArrowError(`values of ${message.bodyBytes} bytes in a message of ${bytes.length}`);
  return { header: message.header, body: bytes.subarray(start, start + message.bodyBytes) };
}

/** A whole file of one record batch, by its footer. */
export function readSingleBatchFile(bytes: Uint8Array): { readonly schema: ArrowSchema } & BatchMessage {
  const end = bytes.length - fileEndBytes;
  if (end < magicBytes || !hasMagic(bytes) || !hasMagic(bytes, end + 4))
    throw new ArrowError("an Arrow file begins and ends with ARROW1");
  const footerBytes = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getInt32(0, true);
  if (footerBytes < 0 || footerBytes > end - magicBytes)
    throw new ArrowError(`a footer of ${footerBytes} bytes in a file of ${bytes.length}`);
  const footer = FlatTable.root(bytes.subarray(end - footerBytes, end));
  const schema = footer.table(1);
  const blocks = footer.structs(3, blockBytes);
  if (schema === undefined) throw new ArrowError("a footer without a schema");
  if (blocks.length !== 1) throw new ArrowError(`${blocks.length} record batches, expected one`);
  const start = blocks.uint64(0, 0);
  if (start > end - footerBytes) throw new ArrowError("a record batch behind the end of the file");
  return { schema: parseSchema(schema), ...readBatchMessage(bytes.subarray(start, end - footerBytes)) };
}
