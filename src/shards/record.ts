// One sample as it stands in a shard: the Arrow schema, samples -> record batch, record batch -> samples. Pure: no I/O.
// docs/shards.md is the specification in words.
import {
  Binary,
  type Data,
  Field,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Uint8,
  Uint16,
  Uint32,
  Utf8,
} from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { type Codec, type ComponentGeometry, crc32c, rowsPerFrame } from "../native/index.js";

/** Raised when a reader of the old version would misread the new one. */
export const formatVersion = 1;

/** Bits of the `flags` column. */
export const recordFlags = {
  progressive: 1,
  arithmetic: 2,
  /** The JPEG cannot be rebuilt from coefficients; the `raw` column holds it. */
  rawStored: 4,
} as const;

export interface SampleRecord {
  /** The entry's path without its extension, unique within a source. */
  readonly key: string;
  /** The image's file extension with the dot. */
  readonly extension: string;
  readonly label: number;
  readonly width: number;
  readonly height: number;
  readonly components: readonly ComponentGeometry[];
  /** [components, 64], natural order. */
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
  /** The sample's own JSON, as it was. */
  readonly json: string | undefined;
}

/** The part of a record that views are made from. */
export type ViewableSample = Pick<
  SampleRecord,
  "label" | "width" | "height" | "components" | "quantTables" | "packed" | "crc32c"
>;

const componentType = new Struct<Record<string, Uint8 | Uint16>>([
  new Field("h", new Uint8()),
  new Field("v", new Uint8()),
  new Field("blocks_wide", new Uint16()),
  new Field("blocks_high", new Uint16()),
  new Field("stored_wide", new Uint16()),
  new Field("stored_high", new Uint16()),
  new Field("quant_table", new Uint8()),
]);

const fields = [
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
  return new Schema(fields, metadata);
}

/** The codec of a shard, from its schema. UNSUPPORTED_MANIFEST_VERSION for a later format, CORRUPT_SHARD for none of ours. */
export function codecOfSchema(schema: Schema, source: string): Codec {
  const version = Number(schema.metadata.get("dctstream.format"));
  const codec = schema.metadata.get("dctstream.codec");
  if (!Number.isInteger(version))
    throw new ToolkitError(
      "CORRUPT_SHARD",
      "an Arrow file, but not a dctstream shard: no dctstream.format in its metadata",
      { source },
    );
  if (version > formatVersion)
    throw new ToolkitError(
      "UNSUPPORTED_MANIFEST_VERSION",
      `shard format ${version}, this version reads up to ${formatVersion}`,
      { source },
    );
  if (codec !== "none" && codec !== "zstd")
    throw new ToolkitError("CORRUPT_SHARD", `unknown codec ${String(codec)}`, { source });
  return codec;
}

// -- writing

const encoder = new TextEncoder();

function bytesColumn<T extends Binary | Utf8>(type: T, values: readonly (Uint8Array | undefined)[]): Data<T> {
  const valueOffsets = new Int32Array(values.length + 1);
  values.forEach((value, i) => {
    valueOffsets[i + 1] = (valueOffsets[i] as number) + (value?.length ?? 0);
  });
  const data = new Uint8Array(valueOffsets.at(-1) as number);
  values.forEach((value, i) => {
    if (value !== undefined) data.set(value, valueOffsets[i]);
  });
  const nullCount = values.filter((value) => value === undefined).length;
  const validity = nullCount === 0 ? {} : { nullBitmap: validityBitmap(values), nullCount };
  return makeData({ type, length: values.length, valueOffsets, data, ...validity } as unknown as Parameters<
    typeof makeData
  >[0]) as unknown as Data<T>;
}

function validityBitmap(values: readonly unknown[]): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(values.length / 64) * 8);
  values.forEach((value, i) => {
    if (value !== undefined) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7));
  });
  return bitmap;
}

const text = (value: string | undefined) => (value === undefined ? undefined : encoder.encode(value));

function componentsColumn(samples: readonly SampleRecord[], tables: readonly DistinctTables[]): Data<List> {
  const all = samples.flatMap((sample) => sample.components);
  const valueOffsets = new Int32Array(samples.length + 1);
  samples.forEach((sample, i) => {
    valueOffsets[i + 1] = (valueOffsets[i] as number) + sample.components.length;
  });
  const bytes = (values: Iterable<number>) => makeData({ type: new Uint8(), data: Uint8Array.from(values) });
  const shorts = (pick: (c: ComponentGeometry) => number) =>
    makeData({ type: new Uint16(), data: Uint16Array.from(all, pick) });
  const children = [
    bytes(all.map((c) => c.h)),
    bytes(all.map((c) => c.v)),
    shorts((c) => c.blocksWide),
    shorts((c) => c.blocksHigh),
    shorts((c) => c.storedWide),
    shorts((c) => c.storedHigh),
    bytes(tables.flatMap(({ indices }) => indices)),
  ];
  const child = makeData({ type: componentType, length: all.length, nullCount: 0, children });
  return makeData({
    type: fields[5]?.type as List,
    length: samples.length,
    nullCount: 0,
    valueOffsets,
    child,
  }) as Data<List>;
}

const tableValues = 64;

/** Components often share a table; each is stored once per sample. */
interface DistinctTables {
  /** Little-endian uint16, as the column stores them. */
  readonly bytes: Uint8Array;
  /** Per component, which table. */
  readonly indices: number[];
}

function distinctTables(tables: Uint16Array): DistinctTables {
  const distinct: Uint16Array[] = [];
  const indices: number[] = [];
  for (let start = 0; start < tables.length; start += tableValues) {
    const table = tables.subarray(start, start + tableValues);
    const known = distinct.findIndex((other) => other.every((value, k) => value === table[k]));
    indices.push(known >= 0 ? known : distinct.push(table) - 1);
  }
  const joined = new Uint16Array(distinct.length * tableValues);
  for (const [i, table] of distinct.entries()) joined.set(table, i * tableValues);
  return { bytes: new Uint8Array(joined.buffer), indices };
}

export function buildRecordBatch(schema: Schema, samples: readonly SampleRecord[]): RecordBatch {
  const ints = (pick: (s: SampleRecord) => number) =>
    makeData({ type: new Int32(), data: Int32Array.from(samples, pick) });
  const unsigned = (pick: (s: SampleRecord) => number) =>
    makeData({ type: new Uint32(), data: Uint32Array.from(samples, pick) });
  const binary = (pick: (s: SampleRecord) => Uint8Array | undefined) => bytesColumn(new Binary(), samples.map(pick));
  const utf8 = (pick: (s: SampleRecord) => string | undefined) =>
    bytesColumn(
      new Utf8(),
      samples.map((s) => text(pick(s))),
    );
  const tables = samples.map((sample) => distinctTables(sample.quantTables));
  const children = [
    utf8((s) => s.key),
    utf8((s) => s.extension),
    ints((s) => s.label),
    ints((s) => s.width),
    ints((s) => s.height),
    componentsColumn(samples, tables),
    bytesColumn(
      new Binary(),
      tables.map(({ bytes }) => bytes),
    ),
    binary((s) => s.packed),
    unsigned((s) => s.crc32c),
    unsigned((s) => s.imageCrc32c),
    unsigned((s) => s.flags),
    ints((s) => s.warnings),
    binary((s) => s.header),
    binary((s) => s.trailer),
    binary((s) => s.raw),
    utf8((s) => s.json),
  ];
  return new RecordBatch(
    schema,
    makeData({
      type: new Struct(schema.fields),
      length: samples.length,
      nullCount: 0,
      children: children as unknown as Data[],
    }),
  );
}

// -- reading

const decoder = new TextDecoder();

interface RawColumn {
  readonly values: Uint8Array | Int32Array | Uint32Array | Uint16Array;
  readonly valueOffsets: Int32Array;
}

/** Random access to the samples of a record batch, without copying: the arrays it returns are views of the batch's bytes. */
export class RecordBatchView {
  readonly length: number;
  private readonly columns = new Map<string, Data>();

  constructor(
    batch: RecordBatch,
    readonly codec: Codec,
    private readonly source: string,
  ) {
    this.length = batch.numRows;
    batch.schema.fields.forEach((field, i) => {
      this.columns.set(field.name, batch.data.children[i] as Data);
    });
    for (const field of fields) {
      if (!this.columns.has(field.name)) throw new ToolkitError("CORRUPT_SHARD", `no column ${field.name}`, { source });
    }
  }

  label(row: number): number {
    return this.number("label", row);
  }

  key(row: number): string {
    return decoder.decode(ownBytes(this.bytes("key", row)));
  }

  private components(row: number): { components: ComponentGeometry[]; tables: number[] } {
    const list = this.columns.get("components") as Data;
    const children = (list.children[0] as Data).children.map((child) => child.values as Uint8Array | Uint16Array);
    const [start, end] = [list.valueOffsets[row] as number, list.valueOffsets[row + 1] as number];
    const rows = Array.from({ length: end - start }, (_, i) => children.map((values) => values[start + i] as number));
    const components = (rows as [number, number, number, number, number, number][]).map(
      ([h, v, blocksWide, blocksHigh, storedWide, storedHigh]) => ({
        h,
        v,
        blocksWide,
        blocksHigh,
        storedWide,
        storedHigh,
      }),
    );
    return { components, tables: rows.map((values) => values[6] as number) };
  }

  /** [components, 64]: each component's own table again. */
  private quantTables(row: number, indices: readonly number[]): Uint16Array {
    const bytes = ownBytes(this.bytes("quant_tables", row));
    const distinct = new Uint16Array(bytes.buffer, 0, bytes.byteLength >> 1);
    const tables = new Uint16Array(indices.length * tableValues);
    for (const [i, index] of indices.entries()) {
      tables.set(distinct.subarray(index * tableValues, (index + 1) * tableValues), i * tableValues);
    }
    return tables;
  }

  /** What a view needs of a sample, and nothing that costs more. */
  image(row: number): ViewableSample {
    const { components, tables } = this.components(row);
    return {
      label: this.label(row),
      width: this.number("width", row),
      height: this.number("height", row),
      components,
      quantTables: this.quantTables(row, tables),
      packed: this.bytes("coefficients", row),
      crc32c: this.number("crc32c", row),
    };
  }

  sample(row: number): SampleRecord {
    const raw = this.isNull("raw", row) ? undefined : this.bytes("raw", row);
    const json = this.isNull("json", row) ? undefined : decoder.decode(ownBytes(this.bytes("json", row)));
    return {
      ...this.image(row),
      key: this.key(row),
      extension: decoder.decode(ownBytes(this.bytes("extension", row))),
      header: this.bytes("header", row),
      trailer: this.bytes("trailer", row),
      raw,
      imageCrc32c: this.number("image_crc32c", row),
      flags: this.number("flags", row),
      warnings: this.number("warnings", row),
      json,
    };
  }

  /** CHECKSUM_MISMATCH unless the packed bytes are those that were written. */
  checkPacked(sample: Pick<SampleRecord, "packed" | "crc32c"> & { readonly key?: string }): void {
    const found = crc32c(sample.packed);
    if (found === sample.crc32c) return;
    throw new ToolkitError(
      "CHECKSUM_MISMATCH",
      `coefficients have crc32c ${hex(found)}, expected ${hex(sample.crc32c)}`,
      { source: this.source, key: sample.key },
    );
  }

  private number(column: string, row: number): number {
    return (this.columns.get(column) as unknown as RawColumn).values[row] as number;
  }

  private bytes(column: string, row: number): Uint8Array {
    const { values, valueOffsets } = this.columns.get(column) as unknown as RawColumn;
    return (values as Uint8Array).subarray(valueOffsets[row], valueOffsets[row + 1]);
  }

  private isNull(column: string, row: number): boolean {
    return !(this.columns.get(column) as Data).getValid(row);
  }
}

/** A copy in memory of its own, at offset 0: text decoders refuse shared memory, and wider arrays need alignment. */
function ownBytes(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
