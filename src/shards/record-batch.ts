// Samples -> an Arrow record batch. Pure. Columns are filled as whole buffers: Arrow's builders take a call per value.
import {
  Binary,
  type Data,
  Field,
  Int32,
  List,
  makeData,
  RecordBatch,
  type Schema,
  Struct,
  Uint8,
  Uint16,
  Uint32,
  Utf8,
} from "apache-arrow";
import type { ComponentGeometry } from "../native/index.js";
import { componentType, type SampleRecord, tableValues } from "./record.js";

const listType = new List(new Field("item", componentType));

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
    type: listType,
    length: samples.length,
    nullCount: 0,
    valueOffsets,
    child,
  }) as Data<List>;
}

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
