// Rows -> the columns of an Arrow record batch. Columns grow as whole buffers: Arrow's own builders take a call per
// value.
import {
  Binary,
  type Data,
  type DataType,
  Field,
  FixedSizeList,
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
import { copyBytes } from "../../native/index.js";
import type {
  BytesType,
  ColumnSpec,
  ColumnTable,
  FixedListType,
  NumberType,
  RowOf,
  StructListType,
} from "./column-table.js";

interface ColumnWriter<Value> {
  readonly type: DataType;
  /** Copies what may lie in memory of others. */
  push(value: Value): void;
  /** Valid until the next `clear`. */
  data(): Data;
  clear(): void;
}

const numberTypes = {
  uint8: { type: new Uint8(), Values: Uint8Array },
  uint16: { type: new Uint16(), Values: Uint16Array },
  uint32: { type: new Uint32(), Values: Uint32Array },
  int32: { type: new Int32(), Values: Int32Array },
} as const;

const bytesTypes = { utf8: new Utf8(), binary: new Binary() } as const;

class NumbersColumn implements ColumnWriter<number> {
  private values: number[] = [];

  constructor(private readonly name: NumberType) {}

  get type(): DataType {
    return numberTypes[this.name].type;
  }

  get length(): number {
    return this.values.length;
  }

  push(value: number): void {
    this.values.push(value);
  }

  data(): Data {
    const { type, Values } = numberTypes[this.name];
    return makeData({ type, data: Values.from(this.values) } as Parameters<typeof makeData>[0]);
  }

  clear(): void {
    this.values = [];
  }
}

class BytesColumn implements ColumnWriter<Uint8Array | undefined> {
  readonly type: DataType;
  private bytes = new Uint8Array(1 << 16);
  private offsets: number[] = [0];
  private readonly nulls: number[] = [];

  constructor(name: BytesType) {
    this.type = bytesTypes[name];
  }

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

  data(): Data {
    const length = this.offsets.length - 1;
    const validity = this.nulls.length === 0 ? {} : { nullBitmap: this.validity(length), nullCount: this.nulls.length };
    const valueOffsets = Int32Array.from(this.offsets);
    const data = this.bytes.subarray(0, this.byteLength);
    const column = { type: this.type, length, valueOffsets, data, ...validity };
    return makeData(column as unknown as Parameters<typeof makeData>[0]);
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

class StructListColumn implements ColumnWriter<readonly Readonly<Record<string, number>>[]> {
  readonly type: DataType;
  private readonly struct: Struct;
  private readonly members: (readonly [name: string, values: NumbersColumn])[];
  private offsets = [0];

  constructor({ listOf }: StructListType) {
    this.members = Object.entries(listOf).map(([name, type]) => [name, new NumbersColumn(type)]);
    this.struct = new Struct(this.members.map(([name, { type }]) => new Field(name, type)));
    this.type = new List(new Field("item", this.struct));
  }

  push(rows: readonly Readonly<Record<string, number>>[]): void {
    for (const row of rows) for (const [name, values] of this.members) values.push(row[name] as number);
    this.offsets.push((this.offsets.at(-1) as number) + rows.length);
  }

  data(): Data {
    const children = this.members.map(([, values]) => values.data());
    const child = makeData({ type: this.struct, length: this.offsets.at(-1) as number, nullCount: 0, children });
    const length = this.offsets.length - 1;
    return makeData({
      type: this.type as List,
      length,
      nullCount: 0,
      valueOffsets: Int32Array.from(this.offsets),
      child,
    });
  }

  clear(): void {
    for (const [, values] of this.members) values.clear();
    this.offsets = [0];
  }
}

class FixedListColumn implements ColumnWriter<Iterable<number>> {
  readonly type: DataType;
  private readonly values: NumbersColumn;
  private readonly count: number;

  constructor({ of, count }: FixedListType) {
    this.values = new NumbersColumn(of);
    this.count = count;
    this.type = new FixedSizeList(count, new Field("item", this.values.type));
  }

  push(row: Iterable<number>): void {
    for (const value of row) this.values.push(value);
  }

  data(): Data {
    const length = this.values.length / this.count;
    return makeData({ type: this.type as FixedSizeList, length, nullCount: 0, child: this.values.data() });
  }

  clear(): void {
    this.values.clear();
  }
}

function writerOf({ type }: ColumnSpec): ColumnWriter<never> {
  if (type === "utf8" || type === "binary") return new BytesColumn(type);
  if (typeof type === "string") return new NumbersColumn(type);
  return "of" in type ? new FixedListColumn(type) : new StructListColumn(type);
}

/** Names of the columns of a table that hold bytes. */
type BytesName<Table extends ColumnTable> = {
  [Name in keyof Table]: Table[Name]["type"] extends BytesType ? Name : never;
}[keyof Table];

/** Collects rows of a table's columns. */
export class TableWriter<Table extends ColumnTable> {
  /** The columns as a schema has them. */
  readonly fields: readonly Field[];
  private readonly columns: ReadonlyMap<keyof Table, ColumnWriter<never>>;
  private rows = 0;

  constructor(table: Table) {
    this.columns = new Map(Object.entries(table).map(([name, spec]) => [name, writerOf(spec)]));
    this.fields = Object.entries(table).map(
      ([name, { nullable }]) => new Field(name, (this.columns.get(name) as ColumnWriter<never>).type, nullable),
    );
  }

  get length(): number {
    return this.rows;
  }

  bytes(name: BytesName<Table>): Pick<BytesColumn, "byteLength" | "memory"> {
    return this.columns.get(name) as unknown as BytesColumn;
  }

  /** Copies everything of the row that may lie in memory of others. */
  push(row: RowOf<Table>): void {
    for (const [name, column] of this.columns) column.push(row[name] as never);
    this.rows++;
  }

  /** The batch of what was pushed; it shares the columns' memory and is to be written before the next `clear`. */
  batch(schema: Schema): RecordBatch {
    const children = [...this.columns.values()].map((column) => column.data());
    const type = new Struct(schema.fields);
    return new RecordBatch(schema, makeData({ type, length: this.rows, nullCount: 0, children }));
  }

  /** Columns keep their memory for the next rows. */
  clear(): void {
    for (const column of this.columns.values()) column.clear();
    this.rows = 0;
  }
}
