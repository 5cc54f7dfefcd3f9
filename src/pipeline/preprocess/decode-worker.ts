// Inside a worker thread: JPEG bytes -> packed coefficients, many images per task. A bad image is a value, not a failure of the task.
import { move, transferableSymbol, valueSymbol } from "piscina";
import { ToolkitError, toWire } from "../../errors.js";
import { crc32c, type JpegRecord, readJpeg } from "../../native/index.js";
import { recordFlags } from "../../shards/record.js";
import type { DecodedImage, DecodeResult, DecodeTask } from "./decode-task.js";

/** Views use luma and chroma: other colour spaces must be converted before they are stored. */
const readableColorSpaces = new Set<JpegRecord["colorSpace"]>(["grey", "ycbcr"]);

function decodeImage(bytes: Uint8Array<ArrayBuffer>, task: DecodeTask): DecodedImage {
  const jpeg = readJpeg(bytes, task.maxPixels, task.codec);
  if (!readableColorSpaces.has(jpeg.colorSpace)) {
    throw new ToolkitError(
      "UNSUPPORTED_COLOR_SPACE",
      `expected a grey or YCbCr JPEG, found ${jpeg.colorSpace} with ${jpeg.components.length} components`,
    );
  }
  const { rebuildable } = jpeg;
  return {
    width: jpeg.width,
    height: jpeg.height,
    components: jpeg.components,
    quantTables: jpeg.quantTables,
    packed: jpeg.packed,
    crc32c: jpeg.crc32c,
    header: rebuildable ? bytes.slice(0, jpeg.headerBytes) : new Uint8Array(0),
    trailer: rebuildable ? bytes.slice(jpeg.trailerStart) : new Uint8Array(0),
    raw: rebuildable ? undefined : bytes,
    imageCrc32c: crc32c(bytes),
    flags:
      (jpeg.progressive ? recordFlags.progressive : 0) |
      (jpeg.arithmetic ? recordFlags.arithmetic : 0) |
      (rebuildable ? 0 : recordFlags.rawStored),
    warnings: jpeg.warnings,
    frequencies: jpeg.frequencies,
  };
}

function decode(bytes: Uint8Array<ArrayBuffer>, task: DecodeTask): DecodeResult[number] {
  try {
    return decodeImage(bytes, task);
  } catch (error) {
    return { error: toWire(error) };
  }
}

export default function decodeImages(task: DecodeTask): unknown {
  const results: DecodeResult = task.images.map((bytes) => decode(bytes, task));
  const buffers = results.flatMap((result) =>
    "error" in result ? [] : [result.packed.buffer, ...(result.raw === undefined ? [] : [result.raw.buffer])],
  );
  return move({ [transferableSymbol]: buffers, [valueSymbol]: results } as unknown as ArrayBuffer);
}
