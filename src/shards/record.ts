// One sample as it stands in a shard: its fields, and the table of its columns. docs/shards.md is the specification in
// words; record-batch.ts writes records, record-view.ts reads them.
import { ToolkitError } from "../errors.js";
import { type Codec, type ComponentGeometry, isCodec, rowsPerFrame } from "../native/index.js";
import { type ColumnTable, fieldOf } from "./arrow/column-table.js";
import type { ArrowField, ArrowSchema } from "./arrow/schema.js";

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

/** uint16 values of a quantisation table. */
export const tableValues = 64;

/** The columns, in their order. */
export const recordColumns = {
  key: { type: "utf8" },
  extension: { type: "utf8" },
  label: { type: "int32" },
  width: { type: "int32" },
  height: { type: "int32" },
  components: {
    type: {
      listOf: {
        h: "uint8",
        v: "uint8",
        blocks_wide: "uint16",
        blocks_high: "uint16",
        stored_wide: "uint16",
        stored_high: "uint16",
        quant_table: "uint8",
      },
    },
  },
  quant_tables: { type: "binary" },
  coefficients: { type: "binary" },
  crc32c: { type: "uint32" },
  image_crc32c: { type: "uint32" },
  flags: { type: "uint32" },
  warnings: { type: "int32" },
  orientation: { type: "uint8" },
  header: { type: "binary" },
  trailer: { type: "binary" },
  raw: { type: "binary", nullable: true },
  json: { type: "utf8", nullable: true },
} as const satisfies ColumnTable;

/** The columns as the schema of a shard of ours states them. */
export const recordFields: readonly ArrowField[] = Object.entries(recordColumns).map(([name, { type }]) =>
  fieldOf(name, type),
);

/** What a shard's schema says of the whole shard. */
export function shardMetadata(codec: Codec): Map<string, string> {
  return new Map([
    ["dctstream.format", String(formatVersion)],
    ["dctstream.codec", codec],
    ["dctstream.transform", "jpeg-dct-8x8"],
    ["dctstream.order", "scan"],
    ["dctstream.rows_per_frame", String(rowsPerFrame)],
  ]);
}

/**
 * The codec of a shard, from its schema. UNSUPPORTED_MANIFEST_VERSION for a later format, CORRUPT_SHARD for none of
 * ours.
 */
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
