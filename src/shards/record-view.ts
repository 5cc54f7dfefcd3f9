// An Arrow record batch -> samples, at random and without copying. Pure.
import { ToolkitError } from "../errors.js";
import { type Codec, type ComponentGeometry, crc32c } from "../native/index.js";
import { type ArrowBatch, type ArrowColumn, columnsOf } from "./arrow/columns.js";
import type { ArrowField } from "./arrow/schema.js";
import { imageProblem, maxComponents, namesProblem } from "./check-record.js";
import { recordFlags } from "./flags.js";
import { recordColumns, type SampleRecord, tableValues, type ViewableSample } from "./record.js";

const decoder = new TextDecoder();

type ColumnName = keyof typeof recordColumns;

const componentColumns = recordColumns.components.type.listOf;
type ComponentField = keyof typeof componentColumns;
/** The fields of a component, in the order of the struct's children. */
const componentFields = Object.keys(componentColumns) as ComponentField[];

/**
 * Random access to the samples of a record batch, without copying: the arrays it returns are views of the batch's
 * bytes.
 */
export class RecordBatchView {
  readonly length: number;
  private readonly columns: Readonly<Record<ColumnName, ArrowColumn>>;

  /** `bytes` is all of the batch's message. ArrowError when it does not have the columns of a shard. */
  constructor(
    batch: ArrowBatch,
    fields: readonly ArrowField[],
    readonly codec: Codec,
    private readonly source: string,
    private readonly bytesOfBatch: Uint8Array,
  ) {
    this.length = batch.length;
    this.columns = columnsOf(batch, fields, recordColumns);
  }

  label(row: number): number {
    return this.number("label", row);
  }

  key(row: number): string {
    return decoder.decode(ownBytes(this.bytes("key", row)));
  }

  /** Whether the file stayed in its source; the record is without what the file has. */
  isInSource(row: number): boolean {
    return (this.number("flags", row) & recordFlags.inSource) !== 0;
  }

  /** Where the row's coefficients begin, from the batch's own first byte. */
  coefficientsStart(row: number): number {
    return this.bytes("coefficients", row).byteOffset - this.bytesOfBatch.byteOffset;
  }

  /** Where they end. */
  coefficientsEnd(row: number): number {
    return this.coefficientsStart(row) + this.bytes("coefficients", row).length;
  }

  private components(row: number): { components: ComponentGeometry[]; tables: number[] } {
    const { offsets, children } = this.columns.components;
    const [start, end] = [offsets?.[row] as number, offsets?.[row + 1] as number];
    if (end - start > maxComponents)
      throw this.corrupt(row, `it has ${end - start} components, at most ${maxComponents} are possible`);
    const struct = children[0] as ArrowColumn;
    const number = (name: ComponentField, i: number) =>
      struct.children[componentFields.indexOf(name)]?.values?.[start + i] as number;
    const rows = Array.from({ length: end - start }, (_, i) => i);
    const components = rows.map((i) => ({
      h: number("h", i),
      v: number("v", i),
      blocksWide: number("blocks_wide", i),
      blocksHigh: number("blocks_high", i),
      storedWide: number("stored_wide", i),
      storedHigh: number("stored_high", i),
    }));
    return { components, tables: rows.map((i) => number("quant_table", i)) };
  }

  /** The table of each component, [components, 64]; none where the file stayed in its source. */
  private quantTables(row: number, indices: readonly number[]): Uint16Array {
    if (this.isInSource(row)) return new Uint16Array(0);
    const bytes = ownBytes(this.bytes("quant_tables", row));
    const distinct = new Uint16Array(bytes.buffer, 0, bytes.byteLength >> 1);
    const tables = new Uint16Array(indices.length * tableValues);
    for (const [i, index] of indices.entries()) {
      if ((index + 1) * tableValues > distinct.length) throw this.corrupt(row, `it has no quantisation table ${index}`);
      tables.set(distinct.subarray(index * tableValues, (index + 1) * tableValues), i * tableValues);
    }
    return tables;
  }

  /** What a view needs of a sample, and nothing that costs more. CORRUPT_RECORD when no image can be so. */
  image(row: number): ViewableSample {
    const { components, tables } = this.components(row);
    const image = {
      label: this.label(row),
      width: this.number("width", row),
      height: this.number("height", row),
      components,
      quantTables: this.quantTables(row, tables),
      packed: this.bytes("coefficients", row),
      crc32c: this.number("crc32c", row),
    };
    const problem = imageProblem(image);
    if (problem !== undefined) throw this.corrupt(row, problem);
    return image;
  }

  /**
   * The record of a row. Throws CORRUPT_RECORD when no image can be so, and when key and extension do not name a file
   * inside a folder.
   */
  sample(row: number): SampleRecord {
    const raw = this.isNull("raw", row) ? undefined : this.bytes("raw", row);
    const json = this.isNull("json", row) ? undefined : decoder.decode(ownBytes(this.bytes("json", row)));
    const [key, extension] = [this.key(row), decoder.decode(ownBytes(this.bytes("extension", row)))];
    const problem = namesProblem(key, extension);
    if (problem !== undefined) throw this.corrupt(row, problem);
    return {
      ...this.image(row),
      key,
      extension,
      header: this.bytes("header", row),
      trailer: this.bytes("trailer", row),
      raw,
      imageCrc32c: this.number("image_crc32c", row),
      flags: this.number("flags", row),
      warnings: this.number("warnings", row),
      orientation: this.number("orientation", row),
      json,
    };
  }

  /** Throws CHECKSUM_MISMATCH unless the packed bytes are those that were written. */
  checkPacked(sample: Pick<SampleRecord, "packed" | "crc32c"> & { readonly key?: string }): void {
    const found = crc32c(sample.packed);
    if (found === sample.crc32c) return;
    throw new ToolkitError(
      "CHECKSUM_MISMATCH",
      `coefficients have crc32c ${hex(found)}, expected ${hex(sample.crc32c)}`,
      { source: this.source, key: sample.key },
    );
  }

  private number(column: ColumnName, row: number): number {
    return this.columns[column].values?.[row] as number;
  }

  private bytes(column: ColumnName, row: number): Uint8Array {
    const { values, offsets } = this.columns[column];
    return (values as Uint8Array).subarray(offsets?.[row], offsets?.[row + 1]);
  }

  private isNull(column: ColumnName, row: number): boolean {
    return this.columns[column].isNull(row);
  }

  private corrupt(row: number, message: string): ToolkitError {
    return new ToolkitError("CORRUPT_RECORD", message, { source: this.source, key: this.key(row) });
  }
}

/** A copy in memory of its own, at offset 0: text decoders refuse shared memory, and wider arrays need alignment. */
function ownBytes(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view);
}

/** A checksum as it stands in messages. */
export function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
