// The columns of an Arrow record batch, without copying. Every buffer is known to lie in the batch and to be as long as
// its column needs, and offsets to rise within what they point into, before a column is handed out.
import { type ColumnTable, fieldOf } from "./column-table.js";
import { ArrowError, type FlatStructs } from "./flatbuffer.js";
import type { BatchMessage } from "./message.js";
import type { ArrowField } from "./schema.js";

export type ColumnValues = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** One column. What its type has no use for is undefined. */
export interface ArrowColumn {
  readonly length: number;
  readonly nullCount: number;
  /** The bytes of `utf8` and `binary`, the numbers of `uint8`, `uint16`, `uint32` and `int32`. */
  readonly values: ColumnValues | undefined;
  /** Where the values of row i begin; those of row i + 1 end them. */
  readonly offsets: Int32Array | undefined;
  readonly children: readonly ArrowColumn[];
  isNull(row: number): boolean;
}

export interface ArrowBatch {
  readonly length: number;
  /** Columns by the names of the schema's fields. */
  readonly columns: ReadonlyMap<string, ArrowColumn>;
}

const nodeBytes = 16;
const bufferBytes = 16;

/** Reads a record batch of that schema. */
export function readColumns(fields: readonly ArrowField[], { header, body }: BatchMessage): ArrowBatch {
  if (header.table(3) !== undefined)
    throw new ArrowError("its values are compressed by Arrow, which is not supported: write them as they are");
  const length = header.uint64(0);
  const cursor = new BatchCursor(header.structs(1, nodeBytes), header.structs(2, bufferBytes), body);
  const columns = new Map<string, ArrowColumn>();
  for (const field of fields) {
    const column = cursor.column(field);
    if (column.length !== length)
      throw new ArrowError(`column ${field.name} has ${column.length} rows, the record batch ${length}`);
    columns.set(field.name, column);
  }
  cursor.end();
  return { length, columns };
}

/** The columns of a table by name, each of its type and without nulls unless the table allows them. */
export function columnsOf<Table extends ColumnTable>(
  { columns }: ArrowBatch,
  fields: readonly ArrowField[],
  table: Table,
): { readonly [Name in keyof Table]: ArrowColumn } {
  const found = Object.entries(table).map(([name, { type, nullable = false }]) => {
    const column = columns.get(name);
    const typeFound = fields.find((field) => field.name === name)?.type;
    const expected = fieldOf(name, type).type;
    if (column === undefined || typeFound === undefined) throw new ArrowError(`no column ${name}`);
    if (typeFound !== expected) throw new ArrowError(`column ${name} is of type ${typeFound}, expected ${expected}`);
    if (!nullable && column.nullCount > 0) throw new ArrowError(`column ${name} has rows without a value`);
    return [name, column] as const;
  });
  return Object.fromEntries(found) as { [Name in keyof Table]: ArrowColumn };
}

/** Takes nodes and buffers in the order of the schema: depth first. */
class BatchCursor {
  private node = 0;
  private buffer = 0;

  constructor(
    private readonly nodes: FlatStructs,
    private readonly buffers: FlatStructs,
    private readonly body: Uint8Array,
  ) {}

  column(field: ArrowField): ArrowColumn {
    if (this.node >= this.nodes.length) throw new ArrowError(`no length for column ${field.name}`);
    const [length, nullCount] = [this.nodes.uint64(this.node, 0), this.nodes.uint64(this.node, 8)];
    this.node++;
    if (nullCount > length) throw new ArrowError(`column ${field.name} has ${nullCount} nulls in ${length} rows`);
    const { layout } = field;
    const validity = layout.kind === "null" ? undefined : this.validity(field, length, nullCount);
    const isNull = (row: number) =>
      layout.kind === "null" || (validity !== undefined && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0);
    const head = { length, nullCount, isNull };
    switch (layout.kind) {
      case "null":
        return { ...head, values: undefined, offsets: undefined, children: [] };
      case "fixed":
        return { ...head, values: this.numbers(field, layout.bits, length), offsets: undefined, children: [] };
      case "bytes": {
        const at = this.take(field);
        const values = this.take(field);
        return {
          ...head,
          values,
          offsets: risingOffsets(field, layout.offsetBytes, at, length, values.length),
          children: [],
        };
      }
      case "list": {
        const at = this.take(field);
        const child = this.column(field.children[0] as ArrowField);
        const offsets = risingOffsets(field, layout.offsetBytes, at, length, child.length);
        return { ...head, values: undefined, offsets, children: [child] };
      }
      case "fixed-list": {
        const child = this.column(field.children[0] as ArrowField);
        if (child.length < length * layout.size) throw tooShort(field);
        return { ...head, values: undefined, offsets: undefined, children: [child] };
      }
      case "struct": {
        const children = field.children.map((child) => this.column(child));
        if (children.some((child) => child.length < length)) throw tooShort(field);
        return { ...head, values: undefined, offsets: undefined, children };
      }
    }
  }

  /** Nothing may be left over: the schema would be another batch's. */
  end(): void {
    if (this.node !== this.nodes.length || this.buffer !== this.buffers.length)
      throw new ArrowError("a record batch of other columns than its schema's");
  }

  private take(field: ArrowField): Uint8Array {
    if (this.buffer >= this.buffers.length) throw new ArrowError(`no values for column ${field.name}`);
    const [offset, length] = [this.buffers.uint64(this.buffer, 0), this.buffers.uint64(this.buffer, 8)];
    this.buffer++;
    if (offset + length > this.body.length)
      throw new ArrowError(`the values of column ${field.name} end outside the record batch`);
    return this.body.subarray(offset, offset + length);
  }

  private validity(field: ArrowField, length: number, nullCount: number): Uint8Array | undefined {
    const bitmap = this.take(field);
    if (nullCount === 0) return undefined;
    if (bitmap.length < length / 8) throw tooShort(field);
    return bitmap;
  }

  private numbers(field: ArrowField, bits: number, length: number): ColumnValues | undefined {
    const bytes = this.take(field);
    if (bytes.length * 8 < length * bits) throw tooShort(field);
    switch (field.type) {
      case "uint8":
        return bytes.subarray(0, length);
      case "uint16":
        return new Uint16Array(...memoryFor(bytes, 2, length));
      case "uint32":
        return new Uint32Array(...memoryFor(bytes, 4, length));
      case "int32":
        return new Int32Array(...memoryFor(bytes, 4, length));
      default:
        return undefined;
    }
  }
}

function tooShort({ name }: ArrowField): ArrowError {
  return new ArrowError(`column ${name} has fewer values than rows`);
}

/** What a typed array is made of: these bytes, or a copy of them where they do not lie as its elements must. */
function memoryFor(bytes: Uint8Array, elementBytes: number, length: number): [ArrayBufferLike, number, number] {
  if (bytes.byteOffset % elementBytes === 0) return [bytes.buffer, bytes.byteOffset, length];
  return [bytes.slice(0, elementBytes * length).buffer, 0, length];
}

/**
 * The offsets of `rows` rows, none of which lies outside `limit` values. Of 64-bit offsets, which no column of ours
 * has, nothing is read.
 */
function risingOffsets(
  field: ArrowField,
  offsetBytes: number,
  bytes: Uint8Array,
  rows: number,
  limit: number,
): Int32Array | undefined {
  if (offsetBytes !== 4) return undefined;
  if (rows === 0) return new Int32Array(1);
  if (bytes.length / 4 < rows + 1) throw tooShort(field);
  const offsets = new Int32Array(...memoryFor(bytes, 4, rows + 1));
  let before = 0;
  for (const offset of offsets) {
    if (offset < before) throw new ArrowError(`a row of column ${field.name} ends before it begins`);
    before = offset;
  }
  if (before > limit) throw new ArrowError(`the last row of column ${field.name} ends behind its values`);
  return offsets;
}
