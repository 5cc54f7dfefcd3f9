// An Arrow record batch -> samples, at random and without copying. Pure.
import type { Data, RecordBatch } from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { type Codec, type ComponentGeometry, crc32c } from "../native/index.js";
import { recordFields, type SampleRecord, tableValues, type ViewableSample } from "./record.js";

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
    for (const field of recordFields) {
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
      orientation: this.number("orientation", row),
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

/** A checksum as it stands in messages. */
export function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
