// One sample as it stands in a shard: its fields, and the Arrow schema that names them. docs/shards.md is the specification
// in words; record-batch.ts writes records, record-view.ts reads them.
import { Binary, Field, Int32, List, Schema, Struct, Uint8, Uint16, Uint32, Utf8 } from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { type Codec, type ComponentGeometry, isCodec, rowsPerFrame } from "../native/index.js";
import type { ArrowSchema } from "./arrow/schema.js";

/** Raised when a reader of the old version would misread the new one. */
export const formatVersion = 2;

export interface SampleRecord {
  /** The entry's path without its extension, unique within a source. */
  readonly key: string;
  /** The image's file extension with the dot. */
  readonly extension: string;
  readonly label: number;
  readonly width: number;
  readonly height: number;
  readonly components: readonly ComponentGeometry[];
  /** Quantisation tables, [components, 64] in natural order. */
  readonly quantTables: Uint16Array;
  readonly packed: Uint8Array;
  /** CRC-32C of `packed`. */
  readonly crc32c: number;
  /** The file's bytes before and after its scan; empty when `raw` is stored. */
  readonly header: Uint8Array;
  readonly trailer: Uint8Array;
  readonly raw: Uint8Array | undefined;
  /** CRC-32C of the original file, so that what is rebuilt can be checked. */
  readonly imageCrc32c: number;
  readonly flags: number;
  readonly warnings: number;
  /** The file's EXIF orientation, 1 to 8; 0 when it has none. What is stored is not turned by it. */
  readonly orientation: number;
  /** The sample's own JSON, as it was. */
  readonly json: string | undefined;
}

/** The part of a record that views are made from. */
export type ViewableSample = Pick<
  SampleRecord,
  "label" | "width" | "height" | "components" | "quantTables" | "packed" | "crc32c"
>;

export const componentType = new Struct<Record<string, Uint8 | Uint16>>([
  new Field("h", new Uint8()),
  new Field("v", new Uint8()),
  new Field("blocks_wide", new Uint16()),
  new Field("blocks_high", new Uint16()),
  new Field("stored_wide", new Uint16()),
  new Field("stored_high", new Uint16()),
  new Field("quant_table", new Uint8()),
]);

/** uint16 values of a quantisation table. */
export const tableValues = 64;

/** The columns, in their order. */
export const recordFields = [
  new Field("key", new Utf8()),
  new Field("extension", new Utf8()),
  new Field("label", new Int32()),
  new Field("width", new Int32()),
  new Field("height", new Int32()),
  new Field("components", new List(new Field("item", componentType))),
  new Field("quant_tables", new Binary()),
  new Field("coefficients", new Binary()),
  new Field("crc32c", new Uint32()),
  new Field("image_crc32c", new Uint32()),
  new Field("flags", new Uint32()),
  new Field("warnings", new Int32()),
  new Field("orientation", new Uint8()),
  new Field("header", new Binary()),
  new Field("trailer", new Binary()),
  new Field("raw", new Binary(), true),
  new Field("json", new Utf8(), true),
];

export function shardSchema(codec: Codec): Schema {
  const metadata = new Map([
    ["dctstream.format", String(formatVersion)],
    ["dctstream.codec", codec],
    ["dctstream.transform", "jpeg-dct-8x8"],
    ["dctstream.order", "scan"],
    ["dctstream.rows_per_frame", String(rowsPerFrame)],
  ]);
  return new Schema(recordFields, metadata);
}

/** The codec of a shard, from its schema. UNSUPPORTED_MANIFEST_VERSION for a later format, CORRUPT_SHARD for none of ours. */
export function codecOfSchema(schema: ArrowSchema, source: string): Codec {
  const version = Number(schema.metadata("dctstream.format"));
  const codec = schema.metadata("dctstream.codec");
  if (!Number.isInteger(version))
    throw new ToolkitError(
      "CORRUPT_SHARD",
      "an Arrow file, but not a dctstream shard: no dctstream.format in its metadata",
      { source },
    );
  if (version !== formatVersion)
    throw new ToolkitError(
      "UNSUPPORTED_MANIFEST_VERSION",
      `shard format ${version}, this version of dctstream reads ${formatVersion}`,
      { source },
    );
  if (!isCodec(codec))
    throw new ToolkitError("CORRUPT_SHARD", `unknown codec ${JSON.stringify(codec?.slice(0, 20))}`, { source });
  return codec;
}
