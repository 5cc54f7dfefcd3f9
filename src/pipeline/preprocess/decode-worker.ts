// Inside a worker thread: image bytes -> packed coefficients, many images per task. A bad image is a value, not a
// failure of the task.
import { move, transferableSymbol, valueSymbol } from "piscina";
import { toWire } from "../../errors.js";
import { copyBytes, crc32c, parseFacts, readJpegFacts, takeFile, takePacked } from "../../native/index.js";
import { recordFlags } from "../../shards/flags.js";
import { timeWork } from "../stage-clock.js";
import { isStorable, type Origin, readStorable } from "./convert.js";
import type { DecodeAnswer, DecodeSettings, DecodeTask } from "./decode-task.js";
import { ResultSlab } from "./slab.js";

/** Where an image's result goes. */
interface Place {
  readonly slab: ResultSlab;
  readonly index: number;
}

async function decodeImage(bytes: Uint8Array, settings: DecodeSettings, place: Place): Promise<void> {
  const options = { maxPixels: settings.maxPixels, upright: settings.orient === "apply" };
  await readStorable(bytes, options, (file, origin) => store(file, settings, origin, place) || undefined);
}

/** Stores a JPEG's coefficients; false when its colours are not luma and chroma. */
function store(original: Uint8Array, settings: DecodeSettings, origin: Origin, { slab, index }: Place): boolean {
  const numbers = slab.facts(index);
  readJpegFacts(original, settings, numbers);
  const jpeg = parseFacts(numbers);
  if (!isStorable(jpeg)) return false;
  const file = jpeg.fileBytes === 0 ? original : new Uint8Array(jpeg.fileBytes);
  if (jpeg.fileBytes > 0) takeFile(file);
  const { rebuildable } = jpeg;
  const pieces = [
    rebuildable ? file.subarray(0, jpeg.headerBytes) : file.subarray(0, 0),
    rebuildable ? file.subarray(jpeg.trailerStart) : file.subarray(0, 0),
    rebuildable ? file.subarray(0, 0) : file,
  ];
  const room = slab.reserve(
    index,
    pieces.reduce((sum, piece) => sum + piece.length, jpeg.packedBytes),
  );
  const packed = room.subarray(0, jpeg.packedBytes);
  takePacked(packed);
  let at = jpeg.packedBytes;
  const [header, trailer, raw] = pieces.map((piece) => {
    const copy = room.subarray(at, at + piece.length);
    copyBytes(copy, piece);
    at += piece.length;
    return copy;
  }) as [Uint8Array, Uint8Array, Uint8Array];
  slab.put(index, {
    packed,
    header,
    trailer,
    raw: rebuildable ? undefined : raw,
    imageCrc32c: crc32c(file),
    flags:
      (jpeg.progressive ? recordFlags.progressive : 0) |
      (jpeg.arithmetic ? recordFlags.arithmetic : 0) |
      (rebuildable ? 0 : recordFlags.rawStored) |
      (origin.converted ? recordFlags.converted : 0) |
      (jpeg.fileBytes === 0 ? 0 : recordFlags.resized),
    warnings: jpeg.warnings + origin.warnings,
    orientation: origin.orientation,
  });
  return true;
}

export default async function decodeImages({ images, results, settings }: DecodeTask): Promise<unknown> {
  const end = timeWork();
  const overflow: (ArrayBuffer | undefined)[] = [];
  const errors: DecodeAnswer["errors"][number][] = [];
  const slab = new ResultSlab(results, overflow);
  for (const [index, bytes] of images.entries()) {
    try {
      await decodeImage(bytes, settings, { slab, index });
    } catch (error) {
      errors[index] = toWire(error);
    }
  }
  const answer: DecodeAnswer = { errors, overflow, work: end() };
  const buffers = overflow.filter((buffer) => buffer !== undefined);
  return move({ [transferableSymbol]: buffers, [valueSymbol]: answer } as unknown as ArrayBuffer);
}
