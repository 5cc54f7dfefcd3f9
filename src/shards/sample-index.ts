// The index of a data set: what a reader must know of every sample to find it and to plan a view of it, in one small
// Arrow file beside the manifest. With it in memory, reading a sample is one range read, and choosing samples by class
// or in any order reads nothing.
import { ToolkitError } from "../errors.js";
import type { ComponentGeometry } from "../native/index.js";
import type { ColumnTable, NumberArrays, NumberType } from "./arrow/column-table.js";
import { columnsOf, readColumns } from "./arrow/columns.js";
import { ArrowError } from "./arrow/flatbuffer.js";
import { readSingleBatchFile } from "./arrow/message.js";
import { recordFlags } from "./flags.js";
import { type SampleRecord, tableValues } from "./record.js";

export const indexName = "index.arrow";
const indexVersion = 1;

/** Components that a record can have; the values of missing ones are zero. */
const maxComponents = 3;
const componentBytes = 2 + 2 * tableValues;
/**
 * A layout: per component h and v as bytes, then its quantisation table as 64 little-endian uint16 in natural order.
 */
export const layoutBytes = maxComponents * componentBytes;
/** Numbers of a sample's grid: see SampleIndex.grid. */
export const gridNumbers = 2 * maxComponents;

/** The columns, in their order; SampleIndex says what each holds. */
export const indexColumns = {
  key: { type: "utf8" },
  label: { type: "int32" },
  width: { type: "uint16" },
  height: { type: "uint16" },
  grid: { type: { of: "uint16", count: gridNumbers } },
  layout: { type: "uint32" },
  byte_length: { type: "uint32" },
  crc32c: { type: "uint32" },
} as const satisfies ColumnTable;

/** What an index says of itself. */
export function indexMetadata(layouts: readonly Uint8Array[]): Map<string, string> {
  return new Map([
    ["dctstream.index", String(indexVersion)],
    ["dctstream.layouts", Buffer.concat(layouts).toString("base64")],
  ]);
}

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
  /** The packed coefficients' length, 0 where the file stayed in its source; and see checksumOf. */
  readonly byteLength: Uint32Array;
  readonly crc32c: Uint32Array;
  /** The distinct layouts, [layouts, layoutBytes], in memory of their own. */
  readonly layouts: Uint8Array<ArrayBuffer>;
  key(sample: number): string;
}

const decoder = new TextDecoder();

/** What of a record the index is made of. */
export type Indexed = Pick<
  SampleRecord,
  "key" | "label" | "width" | "height" | "components" | "quantTables" | "packed" | "crc32c" | "imageCrc32c" | "flags"
>;

/**
 * The checksum of what a sample is read from: of packed coefficients, or of the file that stayed in its source.
 * Without the latter, data sets of other pictures of the same sizes would have the same index.
 */
export function checksumOf({ flags, crc32c, imageCrc32c }: Pick<Indexed, "flags" | "crc32c" | "imageCrc32c">): number {
  return (flags & recordFlags.inSource) === 0 ? crc32c : imageCrc32c;
}

/** What a layout is made of: sampling factors, and a quantisation table for each component. */
interface Laid {
  readonly components: readonly Pick<ComponentGeometry, "h" | "v">[];
  readonly quantTables: Uint16Array;
}

/** The bytes of a layout: see layoutBytes. */
export function layoutOf({ components, quantTables }: Laid): Uint8Array {
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

/** Whether the index has of a sample what its record has; the tables are left out where the sample comes without. */
export function indexHolds(index: SampleIndex, number: number, sample: Indexed): boolean {
  const grid = gridOf(sample.components);
  return (
    index.key(number) === sample.key &&
    index.label[number] === sample.label &&
    index.width[number] === sample.width &&
    index.height[number] === sample.height &&
    index.byteLength[number] === sample.packed.length &&
    index.crc32c[number] === checksumOf(sample) &&
    layoutHolds(index, number, sample) &&
    grid.every((value, i) => value === index.grid[gridNumbers * number + i])
  );
}

function layoutHolds(index: SampleIndex, number: number, sample: Laid): boolean {
  const start = (index.layout[number] as number) * layoutBytes;
  const found = index.layouts.subarray(start, start + layoutBytes);
  if (sample.quantTables.length > 0) return Buffer.compare(found, layoutOf(sample)) === 0;
  return [0, 1, 2].every((i) => {
    const { h, v } = sample.components[i] ?? { h: 0, v: 0 };
    return found[i * componentBytes] === h && found[i * componentBytes + 1] === v;
  });
}

/** The stored blocks of each component; see SampleIndex. */
export function gridOf(components: Indexed["components"]): number[] {
  return Array.from({ length: maxComponents }, (_, i) => components[i]).flatMap((component) => [
    component?.storedWide ?? 0,
    component?.storedHigh ?? 0,
  ]);
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

type NumberColumn = {
  [Name in keyof typeof indexColumns]: (typeof indexColumns)[Name]["type"] extends NumberType ? Name : never;
}[keyof typeof indexColumns];

function readIndex(bytes: Uint8Array): SampleIndex {
  const { schema, ...message } = readSingleBatchFile(bytes);
  const version = schema.metadata("dctstream.index");
  if (version !== String(indexVersion))
    throw new ArrowError(`index version ${version?.slice(0, 20)}, expected ${indexVersion}`);
  const batch = readColumns(schema.fields, message);
  const columns = columnsOf(batch, schema.fields, indexColumns);
  const numbers = <Name extends NumberColumn>(name: Name) =>
    columns[name].values as NumberArrays[(typeof indexColumns)[Name]["type"]];
  const [keyBytes, ends] = [columns.key.values as Uint8Array, columns.key.offsets as Int32Array];
  const layouts = layoutsOf(schema.metadata("dctstream.layouts") ?? "");
  const layout = numbers("layout");
  for (const entry of layout)
    if ((entry + 1) * layoutBytes > layouts.length) throw new ArrowError(`no layout ${entry}, which a sample has`);
  const grid = columns.grid.children[0]?.values as Uint16Array;
  return {
    length: batch.length,
    label: numbers("label"),
    width: numbers("width"),
    height: numbers("height"),
    // Without the padding that a child's values may end with.
    grid: grid.subarray(0, gridNumbers * batch.length),
    layout,
    byteLength: numbers("byte_length"),
    crc32c: numbers("crc32c"),
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
