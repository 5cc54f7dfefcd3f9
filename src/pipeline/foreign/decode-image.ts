// A file of another format -> pixels, with sharp. Runs in the process that is kept for it: sharp's settings are a
// process's own, and its decoders, once they are at work, cannot be interrupted.
import sharp, { type Sharp } from "sharp";
import { ToolkitError } from "../../errors.js";
import { avifOrientation, plainAvif } from "./avif-boxes.js";
import { colourKind, type DecodedImage, fillGifBackground, type SampleType, toPlainPixels } from "./colours.js";
import type { ForeignImage, ForeignTask } from "./decode-task.js";
import type { ForeignFormat } from "./format.js";
import { firstGifFrame } from "./gif-frame.js";
import { firstDirectoryOnly } from "./tiff-directory.js";

/** libvips' names of the decoders; every other one stays shut, whatever a file looks like to libvips. */
const loaders: Readonly<Record<ForeignFormat, string>> = {
  PNG: "VipsForeignLoadPng",
  WebP: "VipsForeignLoadWebp",
  GIF: "VipsForeignLoadNsgif",
  TIFF: "VipsForeignLoadTiff",
  AVIF: "VipsForeignLoadHeif",
};

// One image at a time, of which no part comes again.
sharp.concurrency(1);
sharp.cache(false);

/**
 * The first frame as 8-bit pixels; `onSize` gets their number before they are decoded. Throws BAD_IMAGE,
 * TOO_MANY_PIXELS.
 */
export async function decodeImage(task: ForeignTask, onSize: (pixels: number) => void): Promise<ForeignImage> {
  const { format, maxPixels, upright } = task;
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({ operation: [loaders[format]] });
  try {
    const bytes = plainFile(task);
    const image = sharp(bytes, { limitInputPixels: false, failOn: "error", ignoreIcc: true, autoOrient: upright });
    const found = await image.metadata();
    const { width, height } = found;
    if (width * height > maxPixels)
      throw new ToolkitError("TOO_MANY_PIXELS", `${width} x ${height} pixels, at most ${maxPixels} allowed`);
    onSize(width * height);
    const decoded = await readSamples(image, found.space ?? "unknown", found.depth ?? "unknown");
    const frame = format === "GIF" ? firstGifFrame(bytes) : undefined;
    if (frame !== undefined) fillGifBackground(decoded, frame);
    const orientation = format === "AVIF" ? avifOrientation(task.bytes) : (found.orientation ?? 0);
    return { ...toPlainPixels(decoded), orientation: upright && orientation > 1 ? 0 : orientation };
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    const [reason] = (cause as Error).message.split("\n"); // libvips repeats itself
    throw new ToolkitError("BAD_IMAGE", `the format is ${format}, but it cannot be decoded: ${reason}`, { cause });
  }
}

/** The file without what nobody has to read. */
function plainFile({ bytes, format, upright }: ForeignTask): Uint8Array {
  if (format === "TIFF") return firstDirectoryOnly(bytes);
  return format === "AVIF" ? plainAvif(bytes, !upright) : bytes;
}

/** All samples as they are stored: nothing is converted on the way from one colour space to another. */
async function readSamples(image: Sharp, space: string, type: string): Promise<DecodedImage> {
  const kind = colourKind(space, type);
  // Told that it is to work in CMYK, libvips leaves its own profile for CMYK alone.
  if (kind === "cmyk") image.pipelineColourspace("cmyk");
  const { data, info } = await image
    .toColourspace(space)
    .raw({ depth: type as SampleType })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, channels, kind, type: type as SampleType, data };
}
