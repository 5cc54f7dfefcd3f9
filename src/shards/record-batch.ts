// Samples -> an Arrow record batch. Columns grow as whole buffers, which are used again for the next batch: Arrow's builders take a call per
// value, and keeping the samples would keep the memory that they lie in.
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
import { copyBytes } from "../native/index.js";
import { componentType, type SampleRecord, tableValues } from "./record.js";

const listType = new List(new Field("item", componentType));

const encoder = new TextEncoder();

/** A column of byte strings. */
class BytesColumn {
  private bytes = new Uint8Array(1 << 16);
  private offsets: number[] = [0];
  private readonly nulls: number[] = [];

  get byteLength(): number {
    return this.offsets.at(-1) as number;
  }

  get memory(): ArrayBufferLike {
    return this.bytes.buffer;
  }

  push(value: Uint8Array | undefined): void {
    const start = this.byteLength;
    const end = start + (value?.length ?? 0);
    if (value === undefined) this.nulls.push(this.offsets.length - 1);
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length));
      grown.set(this.bytes.subarray(0, start));
      this.bytes = grown;
    }
    if (value !== undefined && value.length > 0) copyBytes(this.bytes.subarray(start, end), value);
    this.offsets.push(end);
  }

  /** Valid until the next `clear`. */
  data<T extends Binary | Utf8>(type: T): Data<T> {
    const length = this.offsets.length - 1;
    const validity = this.nulls.length === 0 ? {} : { nullBitmap: this.validity(length), nullCount: this.nulls.length };
    const column = {
      type,
      length,
      valueOffsets: Int32Array.from(this.offsets),
      data: this.bytes.subarray(0, this.byteLength),
      ...validity,
    };
    return makeData(column as unknown as Parameters<typeof makeData>[0]) as unknown as Data<T>;
  }

  clear(): void {
    this.offsets = [0];
    this.nulls.length = 0;
  }

  private validity(length: number): Uint8Array {
    const bitmap = new Uint8Array(Math.ceil(length / 64) * 8).fill(0xff);
    for (const i of this.nulls) bitmap[i >> 3] = (bitmap[i >> 3] as number) & ~(1 << (i & 7));
    for (let i = length; i < bitmap.length * 8; i++) bitmap[i >> 3] = (bitmap[i >> 3] as number) & ~(1 << (i & 7));
    return bitmap;
  }
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

/** The columns of numbers, one per sample. */
type Numbers = Record<
  "label" | "width" | "height" | "crc32c" | "imageCrc32c" | "flags" | "warnings" | "orientation",
  number[]
>;

const noNumbers = (): Numbers => ({
  label: [],
  width: [],
  height: [],
  crc32c: [],
  imageCrc32c: [],
  flags: [],
  warnings: [],
  orientation: [],
});

export class RecordBatchBuilder {
  private readonly bytes = {
    key: new BytesColumn(),
    extension: new BytesColumn(),
    quantTables: new BytesColumn(),
    coefficients: new BytesColumn(),
    header: new BytesColumn(),
    trailer: new BytesColumn(),
    raw: new BytesColumn(),
    json: new BytesColumn(),
  };
  private numbers = noNumbers();
  /** Per component of all samples: the seven fields of componentType. */
  private components: number[][] = [];
  private componentOffsets = [0];

  constructor(private readonly schema: Schema) {}

  get samples(): number {
    return this.numbers.label.length;
  }

  /** The memory of that column, and of nothing else, until the next `append`. */
  get coefficientMemory(): ArrayBufferLike {
    return this.bytes.coefficients.memory;
  }

  /** Bytes of the columns that matter for size. */
  get byteLength(): number {
    const { coefficients, header, trailer, raw } = this.bytes;
    return coefficients.byteLength + header.byteLength + trailer.byteLength + raw.byteLength;
  }

  /** Copies everything of the sample that may lie in memory of others. */
  append(sample: SampleRecord): void {
    const { bytes, numbers } = this;
    const tables = distinctTables(sample.quantTables);
    bytes.key.push(encoder.encode(sample.key));
    bytes.extension.push(encoder.encode(sample.extension));
    bytes.quantTables.push(tables.bytes);
    bytes.coefficients.push(sample.packed);
    bytes.header.push(sample.header);
    bytes.trailer.push(sample.trailer);
    bytes.raw.push(sample.raw);
    bytes.json.push(sample.json === undefined ? undefined : encoder.encode(sample.json));
    for (const name of Object.keys(numbers) as (keyof Numbers)[]) numbers[name].push(sample[name]);
    for (const [i, c] of sample.components.entries()) {
      const table = tables.indices[i] as number;
      this.components.push([c.h, c.v, c.blocksWide, c.blocksHigh, c.storedWide, c.storedHigh, table]);
    }
    this.componentOffsets.push(this.components.length);
  }

  /** The batch of what was appended; it shares the builder's memory and is to be written before the next `clear`. */
  build(): RecordBatch {
    const { bytes, numbers } = this;
    const ints = (values: readonly number[]) => makeData({ type: new Int32(), data: Int32Array.from(values) });
    const unsigned = (values: readonly number[]) => makeData({ type: new Uint32(), data: Uint32Array.from(values) });
    const children = [
      bytes.key.data(new Utf8()),
      bytes.extension.data(new Utf8()),
      ints(numbers.label),
      ints(numbers.width),
      ints(numbers.height),
      this.componentsColumn(),
      bytes.quantTables.data(new Binary()),
      bytes.coefficients.data(new Binary()),
      unsigned(numbers.crc32c),
      unsigned(numbers.imageCrc32c),
      unsigned(numbers.flags),
      ints(numbers.warnings),
      makeData({ type: new Uint8(), data: Uint8Array.from(numbers.orientation) }),
      bytes.header.data(new Binary()),
      bytes.trailer.data(new Binary()),
      bytes.raw.data(new Binary()),
      bytes.json.data(new Utf8()),
    ];
    const type = new Struct(this.schema.fields);
    return new RecordBatch(
      this.schema,
      makeData({ type, length: this.samples, nullCount: 0, children: children as unknown as Data[] }),
    );
  }

  clear(): void {
    for (const column of Object.values(this.bytes)) column.clear();
    this.numbers = noNumbers();
    this.components = [];
    this.componentOffsets = [0];
  }

  private componentsColumn(): Data<List> {
    const field = (i: number) => this.components.map((component) => component[i] as number);
    const bytes = (i: number) => makeData({ type: new Uint8(), data: Uint8Array.from(field(i)) });
    const shorts = (i: number) => makeData({ type: new Uint16(), data: Uint16Array.from(field(i)) });
    const children = [bytes(0), bytes(1), shorts(2), shorts(3), shorts(4), shorts(5), bytes(6)];
    const child = makeData({ type: componentType, length: this.components.length, nullCount: 0, children });
    const valueOffsets = Int32Array.from(this.componentOffsets);
    return makeData({ type: listType, length: this.samples, nullCount: 0, valueOffsets, child }) as Data<List>;
  }
}
