// Finds and loads the addon, checks its version, and gives its functions types. Synchronous calls: meant for workers.
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ToolkitError } from "../errors.js";

/** How the streams of a packed record are stored; docs/shards.md. */
export type Codec = "none" | "zstd";

export type SimdLevel = "scalar" | "avx2" | "avx512";

/** One component of a JPEG. `storedWide` x `storedHigh` includes the padding blocks of whole MCUs, which the packed form keeps. */
export interface ComponentGeometry {
  readonly h: number;
  readonly v: number;
  readonly blocksWide: number;
  readonly blocksHigh: number;
  readonly storedWide: number;
  readonly storedHigh: number;
}

export interface JpegRecord {
  readonly width: number;
  readonly height: number;
  readonly colorSpace: "grey" | "ycbcr" | "rgb" | "cmyk" | "ycck" | "unknown";
  readonly progressive: boolean;
  readonly arithmetic: boolean;
  /** libjpeg's count of defects it could continue after; the coefficients read are kept. */
  readonly warnings: number;
  readonly firstWarning: string;
  /** The file is `[0, headerBytes)`, the entropy-coded scan, `[trailerStart, end)`. */
  readonly headerBytes: number;
  readonly trailerStart: number;
  /** Whether `rebuildJpeg` gives the file back byte for byte; checked by doing it. */
  readonly rebuildable: boolean;
  readonly components: readonly ComponentGeometry[];
  /** [components, 64], natural order. */
  readonly quantTables: Uint16Array;
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly crc32c: number;
  /** Block counts [3], sums [3, 64], sums of squares [3, 64] of the dequantised coefficients, natural order. */
  readonly frequencies: Float64Array;
}

export interface EncodeOptions {
  /** libjpeg's 1..100. Default 90. */
  readonly quality?: number;
  /** Sampling factors of luma over chroma's 1 x 1: 2 and 2 is 4:2:0. Default 1 and 1. */
  readonly lumaH?: number;
  readonly lumaV?: number;
  readonly progressive?: boolean;
  readonly arithmetic?: boolean;
  /** In MCUs. Default 0, none. */
  readonly restartInterval?: number;
  /** Stores RGB components instead of YCbCr. */
  readonly keepRgb?: boolean;
}

/** One axis of a view, in luma pixels: the box is scaled to `scaledSize`, of which `outCount` from `outStart` on are produced. */
export interface ViewAxis {
  readonly boxStart: number;
  readonly boxEnd: number;
  readonly scaledSize: number;
  readonly outStart: number;
  readonly outCount: number;
  readonly flip: boolean;
}

export interface RgbScaling {
  readonly scale: readonly [number, number, number];
  readonly bias: readonly [number, number, number];
}

/** Where a view goes. DCT: y [h/8, w/8, 64], cb and cr [h/16, w/16, 64], dequantised; RGB: [h, w, 3], 0..255 before scaling. */
export type ViewTarget =
  | { readonly kind: "dct"; readonly y: Float32Array; readonly cb: Float32Array; readonly cr: Float32Array }
  | { readonly kind: "rgb"; readonly rgb: Float32Array; readonly scaling?: RgbScaling };

/** What a view needs to know of a stored image. */
export interface StoredImage {
  readonly width: number;
  readonly height: number;
  readonly components: readonly Pick<ComponentGeometry, "h" | "v" | "storedWide" | "storedHigh">[];
  /** [components, 64], natural order. */
  readonly quantTables: Uint16Array;
  readonly packed: Uint8Array;
  readonly codec: Codec;
}

type RawJpeg = Omit<JpegRecord, "components"> & { readonly components: Int32Array };

interface Addon {
  readonly version: number;
  readonly simd: SimdLevel;
  readonly bestSimd: SimdLevel;
  readonly rowsPerFrame: number;
  readJpeg(bytes: Uint8Array, maxPixels: number, codec: number): RawJpeg;
  pack(coefficients: Int16Array, grids: Uint32Array, codec: number): Uint8Array<ArrayBuffer>;
  unpack(packed: Uint8Array, grids: Uint32Array, codec: number, simd?: SimdLevel): Int16Array;
  rebuildJpeg(
    header: Uint8Array,
    trailer: Uint8Array,
    packed: Uint8Array,
    grids: Uint32Array,
    codec: number,
  ): Uint8Array<ArrayBuffer>;
  encodeJpeg(
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
    options: EncodeOptions,
  ): Uint8Array<ArrayBuffer>;
  renderView(
    geometry: Int32Array,
    quant: Uint16Array,
    packed: Uint8Array,
    codec: number,
    spec: Float64Array,
    ...out: Float32Array[]
  ): void;
  crc32c(bytes: Uint8Array): number;
}

const expectedVersion = 1;

function loadAddon(): Addon {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
  const file = path.join(root, "build", "Release", "dctstream.node");
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(file) as Addon;
  } catch (cause) {
    throw new ToolkitError(
      "ADDON_MISSING",
      `cannot load ${file}: ${(cause as Error).message}; build it with: node tools/setup.mjs`,
      { cause },
    );
  }
  if (addon.version === expectedVersion) return addon;
  throw new ToolkitError(
    "ADDON_MISSING",
    `${file} has version ${addon.version}, expected ${expectedVersion}; rebuild it with: node tools/setup.mjs`,
  );
}

const addon = loadAddon();

/** The instructions in use: the processor's best, or less when DCTSTREAM_SIMD says so. */
export const simdLevel: SimdLevel = addon.simd;
export const bestSimdLevel: SimdLevel = addon.bestSimd;
/** Block rows per independently readable frame of a packed record. */
export const rowsPerFrame: number = addon.rowsPerFrame;

const codecId = (codec: Codec): number => (codec === "none" ? 0 : 1);

/** Number of values that describe a component in the addon's flat array. */
const componentFields = 6;

function parseComponents(flat: Int32Array): ComponentGeometry[] {
  return Array.from({ length: flat.length / componentFields }, (_, i) => {
    const [h, v, blocksWide, blocksHigh, storedWide, storedHigh] = flat.subarray(i * componentFields) as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { h, v, blocksWide, blocksHigh, storedWide, storedHigh };
  });
}

function flatGrids(components: StoredImage["components"]): Uint32Array {
  return Uint32Array.from(components.flatMap(({ storedWide, storedHigh }) => [storedWide, storedHigh]));
}

/** Reads a JPEG's coefficients and packs them. Throws an error with one of our codes: NOT_A_JPEG, BAD_JPEG, UNSUPPORTED_JPEG, TOO_MANY_PIXELS, OUT_OF_MEMORY. */
export function readJpeg(bytes: Uint8Array, maxPixels: number, codec: Codec): JpegRecord {
  const raw = addon.readJpeg(bytes, maxPixels, codecId(codec));
  return { ...raw, components: parseComponents(raw.components) };
}

/** Packs quantised coefficients, all components one after another, each [storedHigh, storedWide, 64] in natural order. */
export function packCoefficients(
  coefficients: Int16Array,
  components: StoredImage["components"],
  codec: Codec,
): Uint8Array<ArrayBuffer> {
  return addon.pack(coefficients, flatGrids(components), codecId(codec));
}

/** The inverse of packCoefficients. CORRUPT_RECORD when the bytes do not fit the grids. */
export function unpackCoefficients(
  packed: Uint8Array,
  components: StoredImage["components"],
  codec: Codec,
  simd?: SimdLevel,
): Int16Array {
  return simd === undefined
    ? addon.unpack(packed, flatGrids(components), codecId(codec))
    : addon.unpack(packed, flatGrids(components), codecId(codec), simd);
}

/** The original file from its header, trailer and coefficients. CANNOT_REBUILD when the header is no single sequential scan. */
export function rebuildJpeg(
  header: Uint8Array,
  trailer: Uint8Array,
  image: Pick<StoredImage, "components" | "packed" | "codec">,
): Uint8Array<ArrayBuffer> {
  return addon.rebuildJpeg(header, trailer, image.packed, flatGrids(image.components), codecId(image.codec));
}

/** Encodes [height, width, channels] 8-bit pixels: grey (1), RGB (3) or CMYK (4). */
export function encodeJpeg(
  pixels: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3 | 4,
  options: EncodeOptions = {},
): Uint8Array<ArrayBuffer> {
  return addon.encodeJpeg(pixels, width, height, channels, options);
}

const axisNumbers = (axis: ViewAxis): number[] => [
  axis.boxStart,
  axis.boxEnd,
  axis.scaledSize,
  axis.outStart,
  axis.outCount,
  axis.flip ? 1 : 0,
];

/** Renders a crop, resize and flip of a stored image into `target`. CORRUPT_RECORD, INVALID_ARGUMENT. */
export function renderView(image: StoredImage, x: ViewAxis, y: ViewAxis, target: ViewTarget): void {
  const geometry = Int32Array.from([
    image.width,
    image.height,
    ...image.components.flatMap((c) => [c.h, c.v, c.storedWide, c.storedHigh]),
  ]);
  const { scale, bias } = (target.kind === "rgb" && target.scaling) || { scale: [1, 1, 1], bias: [0, 0, 0] };
  const spec = Float64Array.from([
    target.kind === "dct" ? 0 : 1,
    ...axisNumbers(x),
    ...axisNumbers(y),
    ...scale,
    ...bias,
  ]);
  const out = target.kind === "dct" ? [target.y, target.cb, target.cr] : [target.rgb];
  addon.renderView(geometry, image.quantTables, image.packed, codecId(image.codec), spec, ...out);
}

/** CRC-32C (Castagnoli), unsigned. */
export function crc32c(bytes: Uint8Array): number {
  return addon.crc32c(bytes);
}
