// Images that cannot be stored as they are -> JPEGs that can: decoded to pixels and encoded at quality 100, 4:4:4.
import { asToolkitError, ToolkitError } from "../../errors.js";
import { encodeJpeg, type JpegFacts, type JpegPixels, readOrientation, readPixels } from "../../native/index.js";
import type { ForeignTask } from "../foreign/decode-task.js";
import { decodeForeign } from "../foreign/foreign-decoder.js";
import { foreignFormat } from "../foreign/format.js";

const losslessQuality = 100;

function encode({ pixels, width, height, channels }: Omit<JpegPixels, "warnings">): Uint8Array<ArrayBuffer> {
  return encodeJpeg(pixels, width, height, channels, { quality: losslessQuality });
}

/** A JPEG of any colour space, turned by `orientation`. The addon's errors. */
function convertJpeg(bytes: Uint8Array, maxPixels: number, orientation: number) {
  const pixels = readPixels(bytes, maxPixels, orientation);
  return { file: encode(pixels), warnings: pixels.warnings };
}

/**
 * Throws `refusal` where there is one: why a file's coefficients cannot be read is more useful than why its pixels
 * cannot.
 */
function convertOrRefuse(bytes: Uint8Array, maxPixels: number, orientation: number, refusal: unknown) {
  try {
    return convertJpeg(bytes, maxPixels, orientation);
  } catch (error) {
    throw refusal ?? error;
  }
}

/** Views use luma and chroma: other colour spaces are converted first. */
export function isStorable({ colorSpace }: Pick<JpegFacts, "colorSpace">): boolean {
  return colorSpace === "grey" || colorSpace === "ycbcr";
}

/** What libjpeg refuses for its coefficients only (a table defined anew between scans) it may still decode. */
function mayStillDecode(error: unknown): boolean {
  const { code } = asToolkitError(error);
  return code === "BAD_JPEG" || code === "UNSUPPORTED_JPEG";
}

/**
 * The first frame of another format, and the EXIF orientation that it is still to be turned by. BAD_IMAGE,
 * TOO_MANY_PIXELS.
 */
async function convertForeign(task: ForeignTask) {
  const { orientation, ...pixels } = await decodeForeign(task);
  return { file: encode(pixels), orientation };
}

/** Where the file that is stored comes from. */
export interface Origin {
  /** EXIF orientation that it is still to be turned by. */
  readonly orientation: number;
  readonly converted: boolean;
  /** Warnings about the file itself, where what is stored is a converted one. */
  readonly warnings: number;
}

export interface StorableOptions {
  readonly maxPixels: number;
  /** Whether images are turned upright by their EXIF orientation, which converts them. */
  readonly upright: boolean;
}

/**
 * What `read` makes of an image: of the file itself, or of a JPEG that it was converted to, where it is of another
 * format, is to be turned, or `read` returns undefined because its colours cannot be stored. The codes of the addon and
 * of foreign decoders.
 */
export async function readStorable<T>(
  bytes: Uint8Array,
  { maxPixels, upright }: StorableOptions,
  read: (file: Uint8Array, origin: Origin) => T | undefined,
): Promise<T> {
  const readConverted = (file: Uint8Array, origin: Omit<Origin, "converted">): T => {
    const made = read(file, { ...origin, converted: true });
    if (made === undefined) throw new ToolkitError("INTERNAL", "a converted image is no YCbCr JPEG");
    return made;
  };
  const format = foreignFormat(bytes);
  if (format !== undefined) {
    const { file, orientation } = await convertForeign({ bytes, format, maxPixels, upright });
    return readConverted(file, { orientation, warnings: 0 });
  }
  const orientation = readOrientation(bytes);
  const turned = upright && orientation > 1;
  let refusal: unknown;
  try {
    const made = turned ? undefined : read(bytes, { orientation, converted: false, warnings: 0 });
    if (made !== undefined) return made;
  } catch (error) {
    if (!mayStillDecode(error)) throw error;
    refusal = error;
  }
  const { file, warnings } = convertOrRefuse(bytes, maxPixels, turned ? orientation : 0, refusal);
  return readConverted(file, { orientation: turned ? 0 : orientation, warnings });
}
