// Tables of columns: one names the columns of a file and their types once, for what writes the file and for what reads
// it. The types are those that our columns have, not all of Arrow's.
import type { ArrowField, ArrowLayout } from "./schema.js";

/** The typed array of each type of numbers. */
export interface NumberArrays {
  readonly uint8: Uint8Array;
  readonly uint16: Uint16Array;
  readonly uint32: Uint32Array;
  readonly int32: Int32Array;
}

export type NumberType = keyof NumberArrays;
export type BytesType = "utf8" | "binary";

/** Any number of rows for each row, each of these numbers. */
export interface StructListType {
  readonly listOf: Readonly<Record<string, NumberType>>;
}

/** A list that has equally many numbers in each row. */
export interface FixedListType {
  readonly of: NumberType;
  readonly count: number;
}

export interface ColumnSpec {
  readonly type: NumberType | BytesType | StructListType | FixedListType;
  /** Whether a row may have no value. Default false. */
  readonly nullable?: boolean;
}

/** Columns by name, in their order. */
export type ColumnTable = Readonly<Record<string, ColumnSpec>>;

/** What a row has in a column. Text is given as its bytes. */
export type ValueOf<Spec extends ColumnSpec> = Spec["type"] extends NumberType
  ? number
  : Spec["type"] extends BytesType
    ? Uint8Array | (Spec extends { readonly nullable: true } ? undefined : never)
    : Spec["type"] extends StructListType
      ? readonly Readonly<Record<keyof Spec["type"]["listOf"], number>>[]
      : readonly number[] | Uint16Array;

/** A row of a file with these columns. */
export type RowOf<Table extends ColumnTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

const bitsOf = { uint8: 8, uint16: 16, uint32: 32, int32: 32 } as const;

/** A column as it is read from the schema of a file that has it. */
export function fieldOf(name: string, type: ColumnSpec["type"]): ArrowField {
  if (type === "utf8" || type === "binary") return field(name, type, { kind: "bytes", offsetBytes: 4 });
  if (typeof type === "string") return field(name, type, { kind: "fixed", bits: bitsOf[type] });
  if ("of" in type) {
    const { of, count: size } = type;
    return field(name, `fixed_size_list<${of}>[${size}]`, { kind: "fixed-list", size }, [fieldOf("item", of)]);
  }
  const members = Object.entries(type.listOf).map(([member, number]) => fieldOf(member, number));
  const struct = `struct<${members.map((member) => `${member.name}: ${member.type}`).join(", ")}>`;
  const item = field("item", struct, { kind: "struct" }, members);
  return field(name, `list<${struct}>`, { kind: "list", offsetBytes: 4 }, [item]);
}

function field(name: string, type: string, layout: ArrowLayout, children: readonly ArrowField[] = []): ArrowField {
  return { name, type, layout, children };
}
