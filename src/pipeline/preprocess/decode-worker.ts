// Inside a worker thread: image bytes -> packed coefficients, many images per task. A bad image is a value, not a failure of the task.
import { move, transferableSymbol, valueSymbol } from "piscina";
import { ToolkitError, toWire } from "../../errors.js";
import {
  copyBytes,
  crc32c,
  parseFacts,
  readJpegFacts,
  readOrientation,
  takeFile,
  takePacked,
} from "../../native/index.js";
import { recordFlags } from "../../shards/flags.js";
import { foreignFormat } from "../foreign/format.js";
import { timeWork } from "../stage-clock.js";
import { convertForeign, convertOrRefuse, isStorable, mayStillDecode } from "./convert.js";
import type { DecodeAnswer, DecodeSettings, DecodeTask } from "./decode-task.js";
import { ResultSlab } from "./slab.js";

/** Where an image's result goes. */
interface Place {
  readonly slab: ResultSlab;
  readonly index: number;
}

interface Origin {
  readonly orientation: number;
  readonly converted: boolean;
  /** Warnings about the file itself, where what is stored is a converted one. */
  readonly warnings: number;
}

async function decodeImage(bytes: Uint8Array, settings: DecodeSettings, place: Place): Promise<void> {
  const { maxPixels, orient } = settings;
  const format = foreignFormat(bytes);
  if (format !== undefined) {
    const { file, orientation } = await convertForeign({ bytes, format, maxPixels, upright: orient === "apply" });
    return storeConverted(file, settings, { orientation, warnings: 0 }, place);
  }
  const orientation = readOrientation(bytes);
  const turned = orient === "apply" && orientation > 1;
  let refusal: unknown;
  try {
    if (!turned && store(bytes, settings, { orientation, converted: false, warnings: 0 }, place)) return;
  } catch (error) {
    if (!mayStillDecode(error)) throw error;
    refusal = error;
  }
  const converted = convertOrRefuse(bytes, maxPixels, turned ? orientation : 0, refusal);
  const left = turned ? 0 : orientation;
  storeConverted(converted.file, settings, { orientation: left, warnings: converted.warnings }, place);
}

function storeConverted(
  file: Uint8Array,
  settings: DecodeSettings,
  origin: Omit<Origin, "converted">,
  place: Place,
): void {
  if (!store(file, settings, { ...origin, converted: true }, place))
    throw new ToolkitError("INTERNAL", "a converted image is no YCbCr JPEG");
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
