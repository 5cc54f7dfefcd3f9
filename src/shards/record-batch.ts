// Samples -> an Arrow record batch. The columns' memory is used again for the next batch; keeping the samples would
// keep the memory that they lie in.
import { type RecordBatch, Schema } from "apache-arrow";
import type { Codec } from "../native/index.js";
import type { RowOf } from "./arrow/column-table.js";
import { TableWriter } from "./arrow/column-writers.js";
import { recordFlags } from "./flags.js";
import { recordColumns, type SampleRecord, shardMetadata, tableValues } from "./record.js";

const encoder = new TextEncoder();

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

/** The seek file has those of files that stayed in their source. */
const noTables: DistinctTables = { bytes: new Uint8Array(0), indices: [0, 0, 0] };

function rowOf(sample: SampleRecord): RowOf<typeof recordColumns> {
  const stayed = (sample.flags & recordFlags.inSource) !== 0;
  const tables = stayed ? noTables : distinctTables(sample.quantTables);
  return {
    key: encoder.encode(sample.key),
    extension: encoder.encode(sample.extension),
    label: sample.label,
    width: sample.width,
    height: sample.height,
    components: sample.components.map((component, i) => ({
      h: component.h,
      v: component.v,
      blocks_wide: component.blocksWide,
      blocks_high: component.blocksHigh,
      stored_wide: component.storedWide,
      stored_high: component.storedHigh,
      quant_table: tables.indices[i] as number,
    })),
    quant_tables: tables.bytes,
    coefficients: sample.packed,
    crc32c: sample.crc32c,
    image_crc32c: sample.imageCrc32c,
    flags: sample.flags,
    warnings: sample.warnings,
    orientation: sample.orientation,
    header: sample.header,
    trailer: sample.trailer,
    raw: sample.raw,
    json: sample.json === undefined ? undefined : encoder.encode(sample.json),
  };
}

export class RecordBatchBuilder {
  private readonly columns = new TableWriter(recordColumns);
  private readonly schema: Schema;

  constructor(codec: Codec) {
    this.schema = new Schema([...this.columns.fields], shardMetadata(codec));
  }

  get samples(): number {
    return this.columns.length;
  }

  /** The memory of that column, and of nothing else, until the next `append`. */
  get coefficientMemory(): ArrayBufferLike {
    return this.columns.bytes("coefficients").memory;
  }

  /** Bytes of the columns that matter for size. */
  get byteLength(): number {
    const large = ["coefficients", "header", "trailer", "raw"] as const;
    return large.reduce((sum, name) => sum + this.columns.bytes(name).byteLength, 0);
  }

  /** Copies everything of the sample that may lie in memory of others. */
  append(sample: SampleRecord): void {
    this.columns.push(rowOf(sample));
  }

  /** The batch of what was appended; it shares the builder's memory and is to be written before the next `clear`. */
  build(): RecordBatch {
    return this.columns.batch(this.schema);
  }

  clear(): void {
    this.columns.clear();
  }
}
