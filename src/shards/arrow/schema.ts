// The schema of an Arrow file: names and types of its columns, and its metadata. Types that no column of ours has are
// known as far as it takes to pass over them, since other programs may have added columns.
import { ArrowError, type FlatTable } from "./flatbuffer.js";

/** How the values of a column lie in buffers. */
export type ArrowLayout =
  /** Numbers of so many bits. */
  | { readonly kind: "fixed"; readonly bits: number }
  /** Bytes of any length, by 32-bit or 64-bit offsets. */
  | { readonly kind: "bytes"; readonly offsetBytes: 4 | 8 }
  | { readonly kind: "list"; readonly offsetBytes: 4 | 8 }
  /** So many values of the child for each. */
  | { readonly kind: "fixed-list"; readonly size: number }
  | { readonly kind: "struct" }
  | { readonly kind: "null" };

export interface ArrowField {
  readonly name: string;
  /** The type as Arrow's own documents write it: "int32", "utf8", "list<struct<h: uint8>>". */
  readonly type: string;
  readonly layout: ArrowLayout;
  readonly children: readonly ArrowField[];
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  /** Undefined when the metadata has no such key. */
  metadata(key: string): string | undefined;
}

/** The most levels of columns in columns. */
const maxDepth = 8;
/** The most columns, those in columns included. */
const maxFields = 1000;

/** Numbers of the type union in Arrow's Schema.fbs. */
const types = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  interval: 11,
  list: 12,
  struct: 13,
  fixedBinary: 15,
  fixedList: 16,
  map: 17,
  duration: 18,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
} as const;

/** Reads a Schema table. */
export function parseSchema(table: FlatTable): ArrowSchema {
  if (table.int16(0) !== 0) throw new ArrowError("big-endian values");
  const budget = { fields: maxFields };
  const fields: ArrowField[] = [];
  for (const field of table.tables(1)) fields.push(parseField(field, 1, budget));
  return {
    fields,
    metadata: (key) => {
      for (const entry of table.tables(2)) if (entry.name(0) === key) return entry.text(1);
      return undefined;
    },
  };
}

function parseField(table: FlatTable, depth: number, budget: { fields: number }): ArrowField {
  if (--budget.fields < 0 || depth > maxDepth) throw new ArrowError("columns without end");
  const name = table.name(0);
  if (table.table(4) !== undefined)
    throw new ArrowError(`column ${name} is dictionary-encoded, which is not supported`);
  const children: ArrowField[] = [];
  for (const child of table.tables(5)) children.push(parseField(child, depth + 1, budget));
  return fieldOf(name, table.uint8(2), table.table(3), children);
}

function fieldOf(name: string, id: number, type: FlatTable | undefined, children: readonly ArrowField[]): ArrowField {
  const int = (field: number) => type?.int32(field) ?? 0;
  const fixed = (text: string, bits: number) =>
    ({ name, type: text, layout: { kind: "fixed", bits }, children }) as const;
  switch (id) {
    case types.null:
      return { name, type: "null", layout: { kind: "null" }, children };
    case types.int:
      return fixed(`${(type?.uint8(1) ?? 0) === 0 ? "u" : ""}int${int(0)}`, bitsOf(int(0), [8, 16, 32, 64], name));
    case types.float:
      return fixed("float", [16, 32, 64][type?.int16(0) ?? 0] ?? bitsOf(0, [], name));
    case types.bool:
      return fixed("bool", 1);
    case types.decimal:
      return fixed("decimal", bitsOf(int(2) === 0 ? 128 : int(2), [32, 64, 128, 256], name));
    case types.date:
      return fixed("date", (type?.int16(0) ?? 0) === 0 && type !== undefined ? 32 : 64);
    case types.time:
      return fixed("time", bitsOf(int(1) === 0 ? 32 : int(1), [32, 64], name));
    case types.timestamp:
    case types.duration:
      return fixed("time", 64);
    case types.interval:
      return fixed("interval", [32, 64, 128][type?.int16(0) ?? 0] ?? bitsOf(0, [], name));
    case types.fixedBinary:
      return fixed("fixed_size_binary", 8 * nonNegative(int(0), name));
    case types.binary:
    case types.utf8:
      return { name, type: id === types.utf8 ? "utf8" : "binary", layout: { kind: "bytes", offsetBytes: 4 }, children };
    case types.largeBinary:
    case types.largeUtf8:
      return { name, type: "large bytes", layout: { kind: "bytes", offsetBytes: 8 }, children };
    case types.list:
    case types.map:
      return listField(name, children, 4);
    case types.largeList:
      return listField(name, children, 8);
    case types.fixedList: {
      const size = nonNegative(int(0), name);
      const item = onlyChild(name, children);
      return { name, type: `fixed_size_list<${item.type}>[${size}]`, layout: { kind: "fixed-list", size }, children };
    }
    case types.struct: {
      const members = children.map((child) => `${child.name}: ${child.type}`);
      return { name, type: `struct<${members.join(", ")}>`, layout: { kind: "struct" }, children };
    }
    default:
      throw new ArrowError(`column ${name} has type number ${id}, which is not supported`);
  }
}

function listField(name: string, children: readonly ArrowField[], offsetBytes: 4 | 8): ArrowField {
  const { type } = onlyChild(name, children);
  return {
    name,
    type: `${offsetBytes === 8 ? "large_" : ""}list<${type}>`,
    layout: { kind: "list", offsetBytes },
    children,
  };
}

function onlyChild(name: string, children: readonly ArrowField[]): ArrowField {
  const [child] = children;
  if (child === undefined || children.length > 1)
    throw new ArrowError(`column ${name} is a list of ${children.length} columns`);
  return child;
}

function bitsOf(bits: number, known: readonly number[], name: string): number {
  if (!known.includes(bits)) throw new ArrowError(`column ${name} has numbers of a size that does not exist`);
  return bits;
}

function nonNegative(value: number, name: string): number {
  if (value < 0) throw new ArrowError(`column ${name} has values of ${value} bytes`);
  return value;
}
