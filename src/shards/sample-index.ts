// The index of a data set: what a reader must know of every sample to find it and to plan a view of it, in one small
// Arrow file beside the manifest. With it in memory, reading a sample is one range read, and choosing samples by class
// or in any order reads nothing.
import {
  Field,
  FixedSizeList,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Uint16,
  Uint32,
  Utf8,
} from "apache-arrow";
import { ToolkitError } from "../errors.js";
import { columnOf, readColumns } from "./arrow/columns.js";
import { ArrowError } from "./arrow/flatbuffer.js";
import { readSingleBatchFile } from "./arrow/message.js";
import { type SampleRecord, tableValues } from "./record.js";

export const indexName = "index.arrow";
export const indexVersion = 1;

/** Components that a record can have; the values of missing ones are zero. */
const maxComponents = 3;
const componentBytes = 2 + 2 * tableValues;
/**
 * A layout: per component h and v as bytes, then its quantisation table as 64 little-endian uint16 in natural order.
 */
export const layoutBytes = maxComponents * componentBytes;
const gridNumbers = 2 * maxComponents;

const gridType = new FixedSizeList(gridNumbers, new Field("item", new Uint16()));

const fields = [
  new Field("key", new Utf8()),
  new Field("label", new Int32()),
  new Field("width", new Uint16()),
  new Field("height", new Uint16()),
  new Field("grid", gridType),
  new Field("layout", new Uint32()),
  new Field("byte_length", new Uint32()),
  new Field("crc32c", new Uint32()),
];

/** Samples in manifest order, as columns. Every array is a view of the bytes it was parsed from. */
export interface SampleIndex {
  readonly length: number;
  readonly label: Int32Array;
  readonly width: Uint16Array;
  readonly height: Uint16Array;
  /** Stored blocks wide and high of Y, Cb and Cr, [samples, 6]; zeros for missing components. */
  readonly grid: Uint16Array;
  /** Index into `layouts`. */
  readonly layout: Uint32Array;
  /** Length and CRC-32C of the packed coefficients. */
  readonly byteLength: Uint32Array;
  readonly crc32c: Uint32Array;
  /** The distinct layouts, [layouts, layoutBytes], in memory of their own. */
  readonly layouts: Uint8Array<ArrayBuffer>;
  key(sample: number): string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Indexed = Pick<
  SampleRecord,
  "key" | "label" | "width" | "height" | "components" | "quantTables" | "packed" | "crc32c"
>;

/** Collects samples, and parts that were collected elsewhere, in order. */
export class SampleIndexBuilder {
  private readonly keys: Uint8Array[] = [];
  private readonly columns = {
    label: [] as number[],
    width: [] as number[],
    height: [] as number[],
    grid: [] as number[],
    layout: [] as number[],
    byteLength: [] as number[],
    crc32c: [] as number[],
  };
  private readonly layouts: Uint8Array[] = [];
  private readonly known = new Map<string, number>();

  add({ key, label, width, height, components, quantTables, packed, crc32c }: Indexed): void {
    const { columns } = this;
    this.keys.push(encoder.encode(key));
    columns.label.push(label);
    columns.width.push(width);
    columns.height.push(height);
    for (let i = 0; i < maxComponents; i++)
      columns.grid.push(components[i]?.storedWide ?? 0, components[i]?.storedHigh ?? 0);
    columns.layout.push(this.intern(layoutOf({ components, quantTables })));
    columns.byteLength.push(packed.length);
    columns.crc32c.push(crc32c);
  }

  addAll(part: SampleIndex): void {
    const { columns } = this;
    const numbers = Array.from({ length: part.layouts.length / layoutBytes }, (_, i) =>
      this.intern(part.layouts.subarray(i * layoutBytes, (i + 1) * layoutBytes)),
    );
    for (const value of part.grid) columns.grid.push(value);
    for (let i = 0; i < part.length; i++) {
      this.keys.push(encoder.encode(part.key(i)));
      columns.label.push(part.label[i] as number);
      columns.width.push(part.width[i] as number);
      columns.height.push(part.height[i] as number);
      columns.layout.push(numbers[part.layout[i] as number] as number);
      columns.byteLength.push(part.byteLength[i] as number);
      columns.crc32c.push(part.crc32c[i] as number);
    }
  }

  /** An Arrow file of one record batch. */
  finish(): Uint8Array {
    const { columns } = this;
    const length = columns.label.length;
    const shorts = (values: readonly number[]) => makeData({ type: new Uint16(), data: Uint16Array.from(values) });
    const unsigned = (values: readonly number[]) => makeData({ type: new Uint32(), data: Uint32Array.from(values) });
    const ends = new Int32Array(length + 1);
    for (const [i, key] of this.keys.entries()) ends[i + 1] = (ends[i] as number) + key.length;
    const grid = { type: gridType, length, nullCount: 0, child: shorts(columns.grid) };
    const children = [
      makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets: ends, data: Buffer.concat(this.keys) }),
      makeData({ type: new Int32(), data: Int32Array.from(columns.label) }),
      shorts(columns.width),
      shorts(columns.height),
      makeData(grid),
      unsigned(columns.layout),
      unsigned(columns.byteLength),
      unsigned(columns.crc32c),
    ];
    const metadata = new Map([
      ["dctstream.index", String(indexVersion)],
      ["dctstream.layouts", Buffer.concat(this.layouts).toString("base64")],
    ]);
    const schema = new Schema(fields, metadata);
    const data = makeData({ type: new Struct(fields), length, nullCount: 0, children: children as never[] });
    return tableToIPC(new Table(schema, [new RecordBatch(schema, data as never)]), "file");
  }

  private intern(layout: Uint8Array): number {
    const name = Buffer.from(layout).toString("base64");
    let number = this.known.get(name);
    if (number === undefined) {
      number = this.layouts.push(layout) - 1;
      this.known.set(name, number);
    }
    return number;
  }
}

function layoutOf({ components, quantTables }: Pick<SampleRecord, "components" | "quantTables">): Uint8Array {
  const layout = new Uint8Array(layoutBytes);
  const view = new DataView(layout.buffer);
  for (const [i, { h, v }] of components.entries()) {
    const start = i * componentBytes;
    layout.set([h, v], start);
    for (let k = 0; k < tableValues; k++)
      view.setUint16(start + 2 + 2 * k, quantTables[i * tableValues + k] as number, true);
  }
  return layout;
}

/** A sample's sampling factors and stored grids, by component. */
export function storedComponents(
  index: SampleIndex,
  sample: number,
): { readonly h: number; readonly v: number; readonly storedWide: number; readonly storedHigh: number }[] {
  const layout = (index.layout[sample] as number) * layoutBytes;
  return [0, 1, 2].flatMap((i) => {
    const [h, v] = [
      index.layouts[layout + i * componentBytes] as number,
      index.layouts[layout + i * componentBytes + 1] as number,
    ];
    const grid = gridNumbers * sample + 2 * i;
    return h === 0
      ? []
      : [{ h, v, storedWide: index.grid[grid] as number, storedHigh: index.grid[grid + 1] as number }];
  });
}

/** Whether the index has of a sample what its record has. */
export function indexHolds(index: SampleIndex, number: number, sample: Indexed): boolean {
  const { components, packed } = sample;
  const layout = (index.layout[number] as number) * layoutBytes;
  const grid = gridOf(index, number);
  return (
    index.key(number) === sample.key &&
    index.label[number] === sample.label &&
    index.width[number] === sample.width &&
    index.height[number] === sample.height &&
    index.byteLength[number] === packed.length &&
    index.crc32c[number] === sample.crc32c &&
    Buffer.compare(index.layouts.subarray(layout, layout + layoutBytes), layoutOf(sample)) === 0 &&
    grid.every(
      (value, i) => value === ((i % 2 === 0 ? components[i >> 1]?.storedWide : components[i >> 1]?.storedHigh) ?? 0),
    )
  );
}

function gridOf({ grid }: SampleIndex, sample: number): Uint16Array {
  return grid.subarray(gridNumbers * sample, gridNumbers * (sample + 1));
}

/**
 * Parses an index. Throws CORRUPT_INDEX unless the bytes are one. They are not copied; memory that threads share is
 * welcome.
 */
export function parseSampleIndex(bytes: Uint8Array, source: string): SampleIndex {
  try {
    return readIndex(bytes);
  } catch (cause) {
    if (!(cause instanceof ArrowError)) throw cause;
    const message = `not an index: ${cause.message}; preprocess writes it with the manifest`;
    throw new ToolkitError("CORRUPT_INDEX", message, { source, cause });
  }
}

function readIndex(bytes: Uint8Array): SampleIndex {
  const { schema, ...message } = readSingleBatchFile(bytes);
  const version = schema.metadata("dctstream.index");
  if (version !== String(indexVersion))
    throw new ArrowError(`index version ${version?.slice(0, 20)}, expected ${indexVersion}`);
  const batch = readColumns(schema.fields, message);
  const column = (name: string, type: string) => columnOf(batch, schema.fields, { name, type });
  const numbers = <T extends ArrayBufferView>(name: string, type: string) => column(name, type).values as unknown as T;
  const keys = column("key", "utf8");
  const [keyBytes, ends] = [keys.values as Uint8Array, keys.offsets as Int32Array];
  const layouts = layoutsOf(schema.metadata("dctstream.layouts") ?? "");
  const layout = numbers<Uint32Array>("layout", "uint32");
  for (const entry of layout)
    if ((entry + 1) * layoutBytes > layouts.length) throw new ArrowError(`no layout ${entry}, which a sample has`);
  const grid = column("grid", `fixed_size_list<uint16>[${gridNumbers}]`).children[0]?.values as Uint16Array;
  return {
    length: batch.length,
    label: numbers<Int32Array>("label", "int32"),
    width: numbers<Uint16Array>("width", "uint16"),
    height: numbers<Uint16Array>("height", "uint16"),
    // Without the padding that a child's values may end with.
    grid: grid.subarray(0, gridNumbers * batch.length),
    layout,
    byteLength: numbers<Uint32Array>("byte_length", "uint32"),
    crc32c: numbers<Uint32Array>("crc32c", "uint32"),
    layouts,
    // Text decoders refuse memory that threads share.
    key: (sample) => decoder.decode(new Uint8Array(keyBytes.subarray(ends[sample], ends[sample + 1]))),
  };
}

function layoutsOf(base64: string): Uint8Array<ArrayBuffer> {
  const layouts = new Uint8Array(Buffer.from(base64, "base64"));
  if (layouts.length % layoutBytes !== 0)
    throw new ArrowError(`layouts of ${layouts.length} bytes, expected a multiple of ${layoutBytes}`);
  return layouts;
}
