// Samples -> the index of a data set, or a shard's part of it. sample-index.ts reads it.
import { Schema, Table, tableToIPC } from "apache-arrow";
import { TableWriter } from "./arrow/column-writers.js";
import {
  checksumOf,
  gridNumbers,
  gridOf,
  type Indexed,
  indexColumns,
  indexMetadata,
  layoutBytes,
  layoutOf,
  type SampleIndex,
} from "./sample-index.js";

const encoder = new TextEncoder();

/** Collects samples, and parts that were collected elsewhere, in order. */
export class SampleIndexBuilder {
  private readonly columns = new TableWriter(indexColumns);
  private readonly layouts: Uint8Array[] = [];
  private readonly known = new Map<string, number>();

  add(sample: Indexed): void {
    const { key, label, width, height, components, quantTables, packed } = sample;
    this.columns.push({
      key: encoder.encode(key),
      label,
      width,
      height,
      grid: gridOf(components),
      layout: this.intern(layoutOf({ components, quantTables })),
      byte_length: packed.length,
      crc32c: checksumOf(sample),
    });
  }

  addAll(part: SampleIndex): void {
    const places = Array.from({ length: part.layouts.length / layoutBytes }, (_, i) =>
      this.intern(part.layouts.subarray(i * layoutBytes, (i + 1) * layoutBytes)),
    );
    for (let i = 0; i < part.length; i++) {
      this.columns.push({
        key: encoder.encode(part.key(i)),
        label: part.label[i] as number,
        width: part.width[i] as number,
        height: part.height[i] as number,
        grid: part.grid.subarray(gridNumbers * i, gridNumbers * (i + 1)),
        layout: places[part.layout[i] as number] as number,
        byte_length: part.byteLength[i] as number,
        crc32c: part.crc32c[i] as number,
      });
    }
  }

  /** An Arrow file of one record batch. */
  finish(): Uint8Array {
    const schema = new Schema([...this.columns.fields], indexMetadata(this.layouts));
    return tableToIPC(new Table(schema, [this.columns.batch(schema)]), "file");
  }

  private intern(layout: Uint8Array): number {
    const name = Buffer.from(layout).toString("base64");
    let place = this.known.get(name);
    if (place === undefined) {
      place = this.layouts.push(layout) - 1;
      this.known.set(name, place);
    }
    return place;
  }
}
