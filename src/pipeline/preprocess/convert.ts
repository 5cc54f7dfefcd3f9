// Images that cannot be stored as they are -> JPEGs that can: decoded to pixels and encoded at quality 100, 4:4:4.
import type { Sharp } from "sharp";
import { asToolkitError, ToolkitError } from "../../errors.js";
import { encodeJpeg, type JpegFacts, type JpegPixels, readPixels } from "../../native/index.js";

const losslessQuality = 100;

const startsWith = (bytes: Uint8Array, magic: string, at = 0) =>
  [...magic].every((character, i) => bytes[at + i] === character.charCodeAt(0));

/** The format of an image that is no JPEG but that we can decode, by its first bytes. */
export function foreignFormat(bytes: Uint8Array): string | undefined {
  if (startsWith(bytes, "\x89PNG")) return "PNG";
  if (startsWith(bytes, "GIF8")) return "GIF";
  if (startsWith(bytes, "RIFF") && startsWith(bytes, "WEBP", 8)) return "WebP";
  if (startsWith(bytes, "II*\0") || startsWith(bytes, "MM\0*")) return "TIFF";
  if (startsWith(bytes, "ftypavif", 4)) return "AVIF";
  return undefined;
}

function encode({ pixels, width, height, channels }: Omit<JpegPixels, "warnings">): Uint8Array<ArrayBuffer> {
  return encodeJpeg(pixels, width, height, channels, { quality: losslessQuality });
}

/** A JPEG of any colour space, turned by `orientation`. The addon's errors. */
function convertJpeg(bytes: Uint8Array, maxPixels: number, orientation: number) {
  const pixels = readPixels(bytes, maxPixels, orientation);
  return { file: encode(pixels), warnings: pixels.warnings };
}

/** Throws `refusal` where there is one: why a file's coefficients cannot be read says more than why its pixels cannot. */
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

/** The first frame of another format, without transparency: what Pillow's convert("RGB") gives. BAD_IMAGE, TOO_MANY_PIXELS. */
export async function convertForeign(
  bytes: Uint8Array,
  format: string,
  maxPixels: number,
  upright: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  // Loaded with the first such file: most data sets hold none, and it is large.
  const { default: sharp } = await import("sharp");
  sharp.concurrency(1);
  sharp.cache(false);
  try {
    const image: Sharp = sharp(bytes, { limitInputPixels: false, failOn: "error" });
    const { width, height } = await image.metadata();
    if (width * height > maxPixels)
      throw new ToolkitError("TOO_MANY_PIXELS", `${width} x ${height} pixels, at most ${maxPixels} allowed`);
    const { data, info } = await (upright ? image.rotate() : image)
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const channels = info.channels === 1 ? 1 : 3;
    return encode({ pixels: new Uint8Array(data), width: info.width, height: info.height, channels });
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    throw new ToolkitError("BAD_IMAGE", `a ${format} file that cannot be decoded: ${(cause as Error).message}`, {
      cause,
    });
  }
}
