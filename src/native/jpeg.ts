// JPEG files: read to packed coefficients or pixels, rebuilt, encoded.
import { addon } from "./addon.js";
import { codecId } from "./codec.js";
import type { Codec } from "./codec-names.js";
import { flatGrids } from "./packed.js";
import type { EncodeOptions, JpegFacts, JpegPixels, JpegRecord, ResizeOptions, StoredImage } from "./shapes.js";

/** Who reads a file: our own baseline decoder where it can, or libjpeg always. The records are the same. */
export type DecoderChoice = "auto" | "libjpeg";

/** Numbers that describe a file. */
export const factNumbers: number = addon.factAt.numbers;

/** Numbers that readJpegFacts wrote, by name. The statistics are a view of them. */
export function parseFacts(facts: Float64Array): JpegFacts {
  const { factAt: at, gridAt, colorSpaces } = addon;
  const number = (name: keyof JpegFacts) => facts[at[name]] as number;
  const count = number("components");
  return {
    width: number("width"),
    height: number("height"),
    colorSpace: colorSpaces[number("colorSpace")] ?? "unknown",
    progressive: number("progressive") === 1,
    arithmetic: number("arithmetic") === 1,
    decoder: number("decoder") === 1 ? "baseline" : "libjpeg",
    warnings: number("warnings"),
    headerBytes: number("headerBytes"),
    trailerStart: number("trailerStart"),
    rebuildable: number("rebuildable") === 1,
    packedBytes: number("packedBytes"),
    crc32c: number("crc32c"),
    fileBytes: number("fileBytes"),
    components: Array.from({ length: count }, (_, i) => {
      const grid = at.grids + i * gridAt.numbers;
      return {
        h: facts[grid + gridAt.h] as number,
        v: facts[grid + gridAt.v] as number,
        blocksWide: facts[grid + gridAt.blocksWide] as number,
        blocksHigh: facts[grid + gridAt.blocksHigh] as number,
        storedWide: facts[grid + gridAt.storedWide] as number,
        storedHigh: facts[grid + gridAt.storedHigh] as number,
      };
    }),
    quantTables: new Uint16Array(facts.subarray(at.quantTables, at.quantTables + count * 64)),
    frequencies: facts.subarray(at.frequencies, at.numbers),
  };
}

export interface ReadOptions {
  readonly maxPixels: number;
  readonly codec: Codec;
  readonly decoder?: DecoderChoice;
  /** Applied to images whose colours are grey or YCbCr. */
  readonly resize?: ResizeOptions | undefined;
}

/**
 * Reads a JPEG's coefficients and packs them; `facts`, of factNumbers, describes what was read. The packed bytes stay
 * in the addon until the next call: takePacked copies them to where they are wanted. Throws NOT_A_JPEG, BAD_JPEG,
 * UNSUPPORTED_JPEG, TOO_MANY_PIXELS, TOO_MANY_SCANS, OUT_OF_MEMORY.
 */
export function readJpegFacts(bytes: Uint8Array, options: ReadOptions, facts: Float64Array): void {
  const { maxPixels, codec, decoder = "auto", resize } = options;
  const numbers =
    resize && Int32Array.of(resize.shorterSide, resize.crop, resize.quality, resize.sampling === "4:2:0" ? 2 : 1);
  addon.readJpeg(bytes, maxPixels, codecId(codec), decoder === "libjpeg", facts, numbers);
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

/**
 * Decodes a JPEG to pixels through libjpeg, turned by an EXIF orientation (0 and 1: as stored). CMYK becomes RGB. Same
 * errors as readJpeg.
 */
export function readPixels(bytes: Uint8Array, maxPixels: number, orientation = 0): JpegPixels {
  return addon.readPixels(bytes, maxPixels, orientation);
}

/** The EXIF orientation of a JPEG, 1 to 8; 0 when it has none. */
export function readOrientation(bytes: Uint8Array): number {
  return addon.readOrientation(bytes);
}

/**
 * The original file from its header, trailer and coefficients. Throws CANNOT_REBUILD when the header is not that of a
 * single sequential scan.
 */
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
