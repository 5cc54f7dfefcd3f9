// What crosses the border to the addon: images, views and batches as data.
import type { Codec } from "./codec-names.js";

export type SimdLevel = "scalar" | "neon" | "avx2" | "avx512";

/**
 * One component of a JPEG. `storedWide` x `storedHigh` includes the padding blocks of whole MCUs, which the packed form
 * keeps.
 */
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
  /** Quantisation tables, [components, 64] in natural order. */
  readonly quantTables: Uint16Array;
  readonly crc32c: number;
  /**
   * The length of the packed bytes, and of the resized image as a file, which all facts here describe then; 0 when
   * nothing was resized.
   */
  readonly packedBytes: number;
  readonly fileBytes: number;
  /**
   * Whole numbers over the dequantised coefficients: block counts [3]; then sums, sums of squares, non-zero counts and
   * largest magnitudes, each [3, 64] in natural order.
   */
  readonly frequencies: Float64Array;
}

/** A file's facts and its coefficients. */
export interface JpegRecord extends JpegFacts {
  readonly packed: Uint8Array<ArrayBuffer>;
}

/**
 * A resized form: everything is scaled so that its shorter side is `shorterSide`, and a centred square of `crop` is
 * kept (0: all).
 */
export interface ResizeOptions {
  readonly shorterSide: number;
  readonly crop: number;
  /** libjpeg's 1..100. */
  readonly quality: number;
  readonly sampling: "4:2:0" | "4:4:4";
}

/** Decoded pixels, [height, width, channels], 8 bit: grey (1 channel) or RGB (3). */
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
  /** Restart interval in MCUs. Default 0: none. */
  readonly restartInterval?: number;
  /** Stores RGB components instead of YCbCr. */
  readonly keepRgb?: boolean;
}

/**
 * One axis of a view, in luma pixels: the box is scaled to `scaledSize`, of which `outCount` from `outStart` on are
 * produced.
 */
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

/**
 * Where a view goes. DCT: y [h/8, w/8, 64], cb and cr [h/16, w/16, 64], dequantised; RGB: [h, w, 3], 0..255 before
 * scaling.
 */
export type ViewTarget =
  | { readonly kind: "dct"; readonly y: Float32Array; readonly cb: Float32Array; readonly cr: Float32Array }
  | { readonly kind: "rgb"; readonly rgb: Float32Array; readonly scaling?: PixelScaling };

export type ViewArray = Float32Array | Int16Array | Uint8Array;

/** What the views of a batch have in common. */
export interface ViewForm {
  readonly kind: "dct" | "pixels";
  /** int16 coefficients are in sixteenths; uint8 pixels are rounded and clipped. */
  readonly type: "float32" | "int16" | "uint8";
  /** Size in luma pixels. */
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

/** What an index knows of a JPEG file, as far as anyone but the addon needs it. */
export interface SeekFacts {
  /** Where the file begins in what it lies in. */
  readonly offset: number;
  readonly byteLength: number;
  readonly width: number;
  readonly height: number;
  /** MCUs from entry to entry; 0: one entry per MCU row. */
  readonly spacing: number;
  /** The CRC-32C of the whole file. */
  readonly crc32c: number;
  /** Places in which reading can begin. */
  readonly entries: number;
}

/** One sample to be rendered in a batch. Its fields may be set anew for each: they are copied. */
export interface BatchSample {
  /**
   * Index of the open index block that describes a JPEG file, and the file's number in it; -1: the sample is a packed
   * record.
   */
  block: number;
  blockSample: number;
  /** The place in the JPEG file of the first byte that is there. No more of them than its view needs are read. */
  firstByte: number;
  /** Index of the memory it lies in; -1: in a file. Offsets are in that memory, or in the file. */
  memory: number;
  file: number;
  offset: number;
  byteLength: number;
  crc32c: number;
  /** Whether the CRC-32C is still to be checked: of a JPEG file those of its MCU rows, which the block has. */
  checked: boolean;
  /** This and what follows, up to the grids, says what a packed record holds. */
  codec: Codec;
  width: number;
  height: number;
  /**
   * Index of the table of layouts, index in it, and where in `grids` its stored grids are: as the sample index has
   * them.
   */
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

/**
 * Factors on luma and chroma, the level shift taken off; then, in grey levels, an offset, and a multiple of the view's
 * mean luma.
 */
export interface ColorChange {
  readonly luma: number;
  readonly chroma: number;
  readonly offset: number;
  readonly offsetOfMean: number;
}

/** A rectangle in luma pixels. */
export interface PixelBox {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * Two views of a batch that are mixed: each becomes `share` of itself and the rest of the other, or they exchange a
 * box.
 */
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

/** What a view needs to know of a stored image. */
export interface StoredImage {
  readonly width: number;
  readonly height: number;
  readonly components: readonly Pick<ComponentGeometry, "h" | "v" | "storedWide" | "storedHigh">[];
  /** Quantisation tables, [components, 64] in natural order. */
  readonly quantTables: Uint16Array;
  readonly packed: Uint8Array;
  readonly codec: Codec;
}
