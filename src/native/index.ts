// Finds and loads the addon, checks its version, and gives its functions types. Synchronous calls: meant for workers.
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ToolkitError } from "../errors.js";
import { loadAddonFile, setupCommand } from "./addon-file.js";

/** How the streams of a packed record are stored; docs/shards.md. */
export type Codec = "none" | "zstd";

/** Who reads a file: our own baseline decoder where it can, or libjpeg always. The records are the same. */
export type DecoderChoice = "auto" | "libjpeg";

export type SimdLevel = "scalar" | "neon" | "avx2" | "avx512";

/** One component of a JPEG. `storedWide` x `storedHigh` includes the padding blocks of whole MCUs, which the packed form keeps. */
export interface ComponentGeometry {
  readonly h: number;
  readonly v: number;
  readonly blocksWide: number;
  readonly blocksHigh: number;
  readonly storedWide: number;
  readonly storedHigh: number;
}

/** What is known of a file that was read. */
export interface JpegFacts {
  readonly width: number;
  readonly height: number;
  readonly colorSpace: "grey" | "ycbcr" | "rgb" | "cmyk" | "ycck" | "unknown";
  readonly progressive: boolean;
  readonly arithmetic: boolean;
  /** Which decoder read it. */
  readonly decoder: "baseline" | "libjpeg";
  /** libjpeg's count of defects it could continue after; the coefficients read are kept. */
  readonly warnings: number;
  /** The file is `[0, headerBytes)`, the entropy-coded scan, `[trailerStart, end)`. */
  readonly headerBytes: number;
  readonly trailerStart: number;
  /** Whether `rebuildJpeg` gives the file back byte for byte; checked by doing it. */
  readonly rebuildable: boolean;
  readonly components: readonly ComponentGeometry[];
  /** [components, 64], natural order. */
  readonly quantTables: Uint16Array;
  readonly crc32c: number;
  /** Of the packed bytes, and of the resized image as a file, which all here is of then; 0 when nothing was resized. */
  readonly packedBytes: number;
  readonly fileBytes: number;
  /**
   * Whole numbers over the dequantised coefficients: block counts [3]; then sums, sums of squares, non-zero counts and largest
   * magnitudes, each [3, 64] in natural order.
   */
  readonly frequencies: Float64Array;
}

/** A file's facts and its coefficients. */
export interface JpegRecord extends JpegFacts {
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** A resized form: everything is scaled so that its shorter side is `shorterSide`, and a centred square of `crop` is kept (0: all). */
export interface ResizeOptions {
  readonly shorterSide: number;
  readonly crop: number;
  /** libjpeg's 1..100. */
  readonly quality: number;
  readonly sampling: "4:2:0" | "4:4:4";
}

/** [height, width, channels], 8 bit: grey (1) or RGB (3). */
export interface JpegPixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly warnings: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
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

/** Per channel: value * scale + bias, of values in 0..255. */
export interface PixelScaling {
  readonly scale: readonly [number, number, number];
  readonly bias: readonly [number, number, number];
}

/** Where a view goes. DCT: y [h/8, w/8, 64], cb and cr [h/16, w/16, 64], dequantised; RGB: [h, w, 3], 0..255 before scaling. */
export type ViewTarget =
  | { readonly kind: "dct"; readonly y: Float32Array; readonly cb: Float32Array; readonly cr: Float32Array }
  | { readonly kind: "rgb"; readonly rgb: Float32Array; readonly scaling?: PixelScaling };

export type ViewArray = Float32Array | Int16Array | Uint8Array;

/** What the views of a batch have in common. */
export interface ViewForm {
  readonly kind: "dct" | "pixels";
  /** int16 coefficients are in sixteenths; uint8 pixels are rounded and clipped. */
  readonly type: "float32" | "int16" | "uint8";
  /** In luma pixels. */
  readonly width: number;
  readonly height: number;
  /** DCT: luma blocks per chroma block on each axis. */
  readonly chromaStep: 1 | 2;
  /** DCT: coefficient * scale + bias per component and frequency, as [scale or bias, 3, 64]. */
  readonly tables?: Float32Array | undefined;
  /** DCT: the frequencies of each component that are kept, in natural order's numbers. */
  readonly kept?: readonly [Uint8Array, Uint8Array, Uint8Array] | undefined;
  /** Pixels: RGB, or Y Cb Cr with chroma centred on 128. */
  readonly color: "rgb" | "ycbcr";
  readonly scaling?: PixelScaling | undefined;
}

/** One sample to be rendered in a batch. Its fields may be set anew for each: they are copied. */
export interface BatchSample {
  /** Index of the memory it lies in; -1: in a file. Offsets are in that memory, or in the file. */
  memory: number;
  file: number;
  offset: number;
  byteLength: number;
  crc32c: number;
  /** Whether the CRC-32C is still to be checked. */
  checked: boolean;
  codec: Codec;
  width: number;
  height: number;
  /** Index of the table of layouts, index in it, and where in `grids` its stored grids are: as the sample index has them. */
  layouts: number;
  layout: number;
  grids: Uint16Array;
  gridAt: number;
  /** Its place in the batch. */
  place: number;
  x: ViewAxis;
  y: ViewAxis;
  color: ColorChange;
  erase: PixelBox | undefined;
}

/** Factors on luma and chroma, the level shift taken off; then, in grey levels, an offset, and a multiple of the view's mean luma. */
export interface ColorChange {
  readonly luma: number;
  readonly chroma: number;
  readonly offset: number;
  readonly offsetOfMean: number;
}

/** In luma pixels. */
export interface PixelBox {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Two views of a batch that are mixed: each becomes `share` of itself and the rest of the other, or they exchange a box. */
export interface MixedPair {
  readonly a: number;
  readonly b: number;
  readonly mix: { readonly share: number } | { readonly box: PixelBox };
}

/** A sample that could not be rendered. */
export interface BatchFailure {
  /** Its index in the call. */
  readonly sample: number;
  readonly code: string;
  readonly message: string;
  /** The sample whose view stands in its place; -1: zeros. */
  readonly copyOf: number;
}

export interface RenderBatchOptions {
  readonly memory: readonly Uint8Array[];
  readonly layouts: readonly Uint8Array[];
  readonly samples: BatchSamples;
  readonly form: ViewForm;
  /** Each of `views` views. */
  readonly out: readonly ViewArray[];
  readonly views: number;
  readonly pairs: readonly MixedPair[];
  /** Put a neighbour's view in the place of a sample that fails. */
  readonly replace: boolean;
  /** [3]: nanoseconds that one sample of 32 took to be read, to be unpacked and in all are added to it. */
  readonly times?: Float64Array | undefined;
}

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

interface Addon {
  readonly version: number;
  readonly simd: SimdLevel;
  readonly bestSimd: SimdLevel;
  readonly rowsPerFrame: number;
  readonly factNumbers: number;
  readJpeg(
    bytes: Uint8Array,
    maxPixels: number,
    codec: number,
    libjpegOnly: boolean,
    facts: Float64Array,
    resize?: Int32Array,
  ): void;
  copyBytes(to: Uint8Array, from: Uint8Array): void;
  takePacked(out: Uint8Array): void;
  takeFile(out: Uint8Array): void;
  readPixels(bytes: Uint8Array, maxPixels: number, orientation: number): JpegPixels;
  readOrientation(bytes: Uint8Array): number;
  lockFile(descriptor: number): boolean;
  watchInterrupts(graceMs: number, status: number): boolean;
  setGrace(graceMs: number): void;
  unwatchInterrupts(): void;
  exitWithin(ms: number, status: number): boolean;
  holdTemporary(path: string): void;
  releaseTemporary(path: string): void;
  pack(coefficients: Int16Array, grids: Uint32Array, codec: number): Uint8Array<ArrayBuffer>;
  unpack(packed: Uint8Array, grids: Uint32Array, codec: number, simd?: SimdLevel): Int16Array;
  expandPacked(packed: Uint8Array, grids: Uint32Array, codec: number): Uint8Array<ArrayBuffer>;
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
    form: Float64Array,
    axes: Float64Array,
    tables: Float32Array | undefined,
    kept: readonly Uint8Array[] | undefined,
    out: readonly ViewArray[],
  ): void;
  readonly batchSampleNumbers: number;
  renderBatch(
    memory: readonly Uint8Array[],
    layouts: readonly Uint8Array[],
    samples: Float64Array,
    form: Float64Array,
    tables: Float32Array | undefined,
    kept: readonly Uint8Array[] | undefined,
    out: readonly ViewArray[],
    views: number,
    pairs: Float64Array,
    replace: boolean,
    times: Float64Array | undefined,
  ): BatchFailure[] | undefined;
  threadCpuMs(): number;
  openFileLimit(): number;
  misalignment(bytes: Uint8Array, alignment: number): number;
  crc32c(bytes: Uint8Array, before: number): number;
}

const expectedVersion = 6;

function loadAddon(): Addon {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
  const file = path.join(root, "build", "Release", "dctstream.node");
  const addon = loadAddonFile(file, { code: "ADDON_MISSING" }) as Addon;
  if (addon.version === expectedVersion) return addon;
  throw new ToolkitError(
    "ADDON_MISSING",
    `${file} has version ${addon.version}, expected ${expectedVersion}; rebuild it with: ${setupCommand}`,
  );
}

const addon = loadAddon();

/** The instructions in use: the processor's best, or less when DCTSTREAM_SIMD says so. */
export const simdLevel: SimdLevel = addon.simd;
export const bestSimdLevel: SimdLevel = addon.bestSimd;
/** Block rows per independently readable frame of a packed record. */
export const rowsPerFrame: number = addon.rowsPerFrame;

const codecId = (codec: Codec): number => (codec === "none" ? 0 : 1);

/** Numbers that describe a file, in the order of the addon's `Fact`. */
export const factNumbers: number = addon.factNumbers;

const colorSpaces = ["grey", "ycbcr", "rgb", "cmyk", "ycck", "unknown"] as const;
const scalarFacts = 14;
const maxComponents = 4;
const geometryNumbers = 6;

/** Numbers that readJpegFacts wrote, by name. The statistics are a view of them. */
export function parseFacts(facts: Float64Array): JpegFacts {
  const quantStart = scalarFacts + maxComponents * geometryNumbers;
  const count = facts[13] as number;
  return {
    width: facts[0] as number,
    height: facts[1] as number,
    colorSpace: colorSpaces[facts[2] as number] ?? "unknown",
    progressive: facts[3] === 1,
    arithmetic: facts[4] === 1,
    decoder: facts[5] === 1 ? "baseline" : "libjpeg",
    warnings: facts[6] as number,
    headerBytes: facts[7] as number,
    trailerStart: facts[8] as number,
    rebuildable: facts[9] === 1,
    packedBytes: facts[10] as number,
    crc32c: facts[11] as number,
    fileBytes: facts[12] as number,
    components: Array.from({ length: count }, (_, i) => {
      const at = scalarFacts + i * geometryNumbers;
      return {
        h: facts[at] as number,
        v: facts[at + 1] as number,
        blocksWide: facts[at + 2] as number,
        blocksHigh: facts[at + 3] as number,
        storedWide: facts[at + 4] as number,
        storedHigh: facts[at + 5] as number,
      };
    }),
    quantTables: new Uint16Array(facts.subarray(quantStart, quantStart + count * 64)),
    frequencies: facts.subarray(quantStart + maxComponents * 64),
  };
}

function flatGrids(components: StoredImage["components"]): Uint32Array {
  return Uint32Array.from(components.flatMap(({ storedWide, storedHigh }) => [storedWide, storedHigh]));
}

export interface ReadOptions {
  readonly maxPixels: number;
  readonly codec: Codec;
  readonly decoder?: DecoderChoice;
  /** Applied to images whose colours are grey or YCbCr. */
  readonly resize?: ResizeOptions | undefined;
}

/**
 * Reads a JPEG's coefficients and packs them; `facts`, of factNumbers, says what was read. The packed bytes stay in the addon until the next
 * call: takePacked copies them to where they are wanted. Throws NOT_A_JPEG, BAD_JPEG, UNSUPPORTED_JPEG, TOO_MANY_PIXELS, TOO_MANY_SCANS,
 * OUT_OF_MEMORY.
 */
export function readJpegFacts(bytes: Uint8Array, options: ReadOptions, facts: Float64Array): void {
  const { maxPixels, codec, decoder = "auto", resize } = options;
  const numbers =
    resize && Int32Array.of(resize.shorterSide, resize.crop, resize.quality, resize.sampling === "4:2:0" ? 2 : 1);
  addon.readJpeg(bytes, maxPixels, codecId(codec), decoder === "libjpeg", facts, numbers);
}

/** Copies `from` to the start of `to`: several times faster than `set` where memory is shared between threads. */
export function copyBytes(to: Uint8Array, from: Uint8Array): void {
  addon.copyBytes(to.length === from.length ? to : to.subarray(0, from.length), from);
}

/** The packed bytes of the last readJpegFacts of this thread; `out` is of their length. */
export function takePacked(out: Uint8Array): void {
  addon.takePacked(out);
}

/** The resized file of the last readJpegFacts of this thread; `out` is of its length. */
export function takeFile(out: Uint8Array): void {
  addon.takeFile(out);
}

/** Reads a JPEG's coefficients and packs them. Same errors as readJpegFacts. */
export function readJpeg(
  bytes: Uint8Array,
  maxPixels: number,
  codec: Codec,
  decoder: DecoderChoice = "auto",
  resize?: ResizeOptions,
): JpegRecord {
  const numbers = new Float64Array(factNumbers);
  readJpegFacts(bytes, { maxPixels, codec, decoder, resize }, numbers);
  const facts = parseFacts(numbers);
  const packed = new Uint8Array(facts.packedBytes);
  takePacked(packed);
  return { ...facts, packed };
}

/** Decodes a JPEG to pixels through libjpeg, turned by an EXIF orientation (0 and 1: as stored). CMYK becomes RGB. Same errors as readJpeg. */
export function readPixels(bytes: Uint8Array, maxPixels: number, orientation = 0): JpegPixels {
  return addon.readPixels(bytes, maxPixels, orientation);
}

/** The EXIF orientation of a JPEG, 1 to 8; 0 when it says none. */
export function readOrientation(bytes: Uint8Array): number {
  return addon.readOrientation(bytes);
}

/**
 * Locks a file or folder until the returned file descriptor is closed or the process ends. Undefined: another process holds it. IO_ERROR, and
 * what the system says when it cannot be opened.
 */
export function lockPath(path: string): number | undefined {
  const descriptor = openSync(path, "r");
  let taken = false;
  try {
    taken = addon.lockFile(descriptor);
  } finally {
    if (!taken) closeSync(descriptor);
  }
  return taken ? descriptor : undefined;
}

/**
 * Ends the process with `status` when it has not ended by itself `graceMs` after SIGINT or SIGTERM, or when another of them comes, whatever
 * its threads do; held temporary files are removed first. To be called after the process has its own handlers of these signals. False where
 * the system has no room for it.
 */
export function watchInterrupts(graceMs: number, status: number): boolean {
  return addon.watchInterrupts(graceMs, status);
}

/** Another grace, counted from now on. */
export function setInterruptGrace(graceMs: number): void {
  addon.setGrace(graceMs);
}

export function unwatchInterrupts(): void {
  addon.unwatchInterrupts();
}

/** Ends the process with `status` after so long, if it is still there: threads that are in native code keep it from ending by itself. */
export function exitWithin(ms: number, status: number): boolean {
  return addon.exitWithin(ms, status);
}

/** Has a file removed if the process is ended by one of the above before it is released. */
export function holdTemporary(path: string): void {
  addon.holdTemporary(path);
}

export function releaseTemporary(path: string): void {
  addon.releaseTemporary(path);
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

/** A stored image's packed bytes as codec "none" has them. CORRUPT_RECORD. */
export function expandPacked(image: Pick<StoredImage, "components" | "packed" | "codec">): Uint8Array<ArrayBuffer> {
  return addon.expandPacked(image.packed, flatGrids(image.components), codecId(image.codec));
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

const formTypes = ["float32", "int16", "uint8"] as const;

/** In the order of the addon's FormNumber. */
function formNumbers({ kind, type, chromaStep, color, scaling, width, height }: ViewForm): Float64Array {
  const { scale, bias } = scaling ?? { scale: [1, 1, 1], bias: [0, 0, 0] };
  const head = [kind === "dct" ? 0 : 1, formTypes.indexOf(type), chromaStep, color === "rgb" ? 1 : 0];
  return Float64Array.from([...head, ...scale, ...bias, width, height]);
}

function writeAxis(out: Float64Array, at: number, axis: ViewAxis): void {
  out[at] = axis.boxStart;
  out[at + 1] = axis.boxEnd;
  out[at + 2] = axis.scaledSize;
  out[at + 3] = axis.outStart;
  out[at + 4] = axis.outCount;
  out[at + 5] = axis.flip ? 1 : 0;
}

function writeColor(out: Float64Array, at: number, color: ColorChange): void {
  out[at] = color.luma;
  out[at + 1] = color.chroma;
  out[at + 2] = color.offset;
  out[at + 3] = color.offsetOfMean;
}

function writeBox(out: Float64Array, at: number, box: PixelBox): void {
  out[at] = box.top;
  out[at + 1] = box.left;
  out[at + 2] = box.bottom;
  out[at + 3] = box.right;
}

const axisNumbers = 6;
export const unchangedColor: ColorChange = { luma: 1, chroma: 1, offset: 0, offsetOfMean: 0 };

/** Renders a crop, resize and flip of a stored image into `target`. CORRUPT_RECORD, INVALID_ARGUMENT. */
export function renderView(image: StoredImage, x: ViewAxis, y: ViewAxis, target: ViewTarget): void {
  const out = target.kind === "dct" ? [target.y, target.cb, target.cr] : [target.rgb];
  const form: ViewForm = {
    kind: target.kind === "dct" ? "dct" : "pixels",
    type: "float32",
    chromaStep: 2,
    color: "rgb",
    scaling: target.kind === "rgb" ? target.scaling : undefined,
    width: x.outCount,
    height: y.outCount,
  };
  renderForm(image, x, y, form, unchangedColor, out);
}

/** The same in any form, and with its colours changed; `out` as in a batch of one view. */
export function renderForm(
  image: StoredImage,
  x: ViewAxis,
  y: ViewAxis,
  form: ViewForm,
  color: ColorChange,
  out: readonly ViewArray[],
): void {
  const geometry = Int32Array.from([
    image.width,
    image.height,
    ...image.components.flatMap((c) => [c.h, c.v, c.storedWide, c.storedHigh]),
  ]);
  const axes = new Float64Array(2 * axisNumbers + 4);
  writeAxis(axes, 0, x);
  writeAxis(axes, axisNumbers, y);
  writeColor(axes, 2 * axisNumbers, color);
  const { packed, quantTables, codec } = image;
  addon.renderView(geometry, quantTables, packed, codecId(codec), formNumbers(form), axes, form.tables, form.kept, out);
}

const sampleNumbers = addon.batchSampleNumbers;
const gridAt = 11;
const placeAt = gridAt + 6;
const axesAt = placeAt + 1;
const colorAt = axesAt + 2 * axisNumbers;
const eraseAt = colorAt + 4;

/** Samples of a batch, as the addon takes them: numbers in a row, in the order of its SampleNumber. Used again and again. */
export class BatchSamples {
  private numbers = new Float64Array(sampleNumbers * 32);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  add(sample: BatchSample): void {
    const at = this.length * sampleNumbers;
    if (at + sampleNumbers > this.numbers.length) {
      const grown = new Float64Array(2 * this.numbers.length);
      grown.set(this.numbers);
      this.numbers = grown;
    }
    const out = this.numbers;
    out[at] = sample.memory;
    out[at + 1] = sample.file;
    out[at + 2] = sample.offset;
    out[at + 3] = sample.byteLength;
    out[at + 4] = sample.crc32c;
    out[at + 5] = sample.checked ? 1 : 0;
    out[at + 6] = codecId(sample.codec);
    out[at + 7] = sample.width;
    out[at + 8] = sample.height;
    out[at + 9] = sample.layouts;
    out[at + 10] = sample.layout;
    for (let i = 0; i < 6; i++) out[at + gridAt + i] = sample.grids[sample.gridAt + i] as number;
    out[at + placeAt] = sample.place;
    writeAxis(out, at + axesAt, sample.x);
    writeAxis(out, at + axesAt + axisNumbers, sample.y);
    writeColor(out, at + colorAt, sample.color);
    writeBox(out, at + eraseAt, sample.erase ?? noBox);
    this.length++;
  }

  get all(): Float64Array {
    return this.numbers.subarray(0, this.length * sampleNumbers);
  }
}

const noBox: PixelBox = { top: 0, left: 0, bottom: 0, right: 0 };
const pairNumbers = 7;

/** Renders samples into the places of a batch and mixes pairs of them. Undefined: all went well. INVALID_ARGUMENT. */
export function renderBatch(options: RenderBatchOptions): BatchFailure[] | undefined {
  const { memory, layouts, samples, form, out, views, pairs, replace, times } = options;
  const mixed = new Float64Array(pairs.length * pairNumbers);
  for (const [i, { a, b, mix }] of pairs.entries()) {
    mixed.set([a, b, "share" in mix ? mix.share : -1], i * pairNumbers);
    if ("box" in mix) writeBox(mixed, i * pairNumbers + 3, mix.box);
  }
  const numbers = formNumbers(form);
  const { tables, kept } = form;
  return addon.renderBatch(memory, layouts, samples.all, numbers, tables, kept, out, views, mixed, replace, times);
}

/** Milliseconds that this thread has had a core, so far. */
export function threadCpuMs(): number {
  return addon.threadCpuMs();
}

/** Files that the process may have open at a time. */
export function openFileLimit(): number {
  return addon.openFileLimit();
}

/** How many bytes a buffer begins behind a multiple of `alignment`: JavaScript engines align to 16 at most. */
export function misalignment(buffer: ArrayBufferLike, alignment: number): number {
  return addon.misalignment(new Uint8Array(buffer, 0, 1), alignment);
}

/** CRC-32C (Castagnoli), unsigned; `before` is that of the bytes in front of these. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return addon.crc32c(bytes, before);
}
