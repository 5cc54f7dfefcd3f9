// Images that cannot be stored as they are -> JPEGs that can: decoded to pixels and encoded at quality 100, 4:4:4.
import { asToolkitError } from "../../errors.js";
import { encodeJpeg, type JpegFacts, type JpegPixels, readPixels } from "../../native/index.js";
import type { ForeignTask } from "../foreign/decode-task.js";
import { decodeForeign } from "../foreign/foreign-decoder.js";

const losslessQuality = 100;

function encode({ pixels, width, height, channels }: Omit<JpegPixels, "warnings">): Uint8Array<ArrayBuffer> {
  return encodeJpeg(pixels, width, height, channels, { quality: losslessQuality });
}

/** A JPEG of any colour space, turned by `orientation`. The addon's errors. */
function convertJpeg(bytes: Uint8Array, maxPixels: number, orientation: number) {
  const pixels = readPixels(bytes, maxPixels, orientation);
  return { file: encode(pixels), warnings: pixels.warnings };
}

/** Throws `refusal` where there is one: why a file's coefficients cannot be read is more useful than why its pixels cannot. */
export function convertOrRefuse(bytes: Uint8Array, maxPixels: number, orientation: number, refusal: unknown) {
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
export function mayStillDecode(error: unknown): boolean {
  const { code } = asToolkitError(error);
  return code === "BAD_JPEG" || code === "UNSUPPORTED_JPEG";
}

/** The first frame of another format, and the EXIF orientation that it is still to be turned by. BAD_IMAGE, TOO_MANY_PIXELS. */
export async function convertForeign(task: ForeignTask) {
  const { orientation, ...pixels } = await decodeForeign(task);
  return { file: encode(pixels), orientation };
}
