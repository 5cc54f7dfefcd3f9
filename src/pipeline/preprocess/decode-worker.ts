// Inside a worker thread: image bytes -> packed coefficients, many images per task. A bad image is a value, not a
// failure of the task.
import { move, transferableSymbol, valueSymbol } from "piscina";
import { toWire } from "../../errors.js";
import {
  buildSeekSample,
  copyBytes,
  crc32c,
  parseFacts,
  readJpegFacts,
  takeFile,
  takePacked,
} from "../../native/index.js";
import { recordFlags } from "../../shards/flags.js";
import { timeWork } from "../stage-clock.js";
import { isStorable, type Origin, readStorable } from "./convert.js";
import type { DecodeAnswer, DecodeSettings, DecodeTask } from "./decode-task.js";
import { ResultSlab } from "./slab.js";

/** Where an image's result goes. */
interface Place {
  readonly slab: ResultSlab;
  readonly index: number;
  /** The image is to stay where it is, if it can be decoded there. */
  readonly inSource: boolean;
}

async function decodeImage(bytes: Uint8Array, settings: DecodeSettings, place: Place): Promise<void> {
  const options = { maxPixels: settings.maxPixels, upright: settings.orient === "apply" };
  const keep = (file: Uint8Array, origin: Origin) =>
    (!origin.converted && place.inSource && enter(file, settings, origin, place)) ||
    store(file, settings, origin, place);
  await readStorable(bytes, options, (file, origin) => keep(file, origin) || undefined);
}

/** Keeps how to decode a file where it is; false when it cannot be entered. */
function enter(file: Uint8Array, settings: DecodeSettings, origin: Origin, { slab, index }: Place): boolean {
  const made = buildSeekSample(file, settings, slab.facts(index));
  if ("refused" in made) return false;
  const seek = slab.reserve(index, made.block.length);
  copyBytes(seek, made.block);
  const nothing = seek.subarray(0, 0);
  slab.put(index, {
    packed: nothing,
    header: nothing,
    trailer: nothing,
    raw: undefined,
    seek,
    imageCrc32c: crc32c(file),
    flags: recordFlags.inSource,
    warnings: 0,
    orientation: origin.orientation,
  });
  return true;
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
    seek: undefined,
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

export default async function decodeImages({ images, inSource, results, settings }: DecodeTask): Promise<unknown> {
  const end = timeWork();
  const overflow: (ArrayBuffer | undefined)[] = [];
  const errors: DecodeAnswer["errors"][number][] = [];
  const slab = new ResultSlab(results, overflow);
  for (const [index, bytes] of images.entries()) {
    try {
      const stays = settings.form === "index" && inSource[index] === true;
      await decodeImage(bytes, settings, { slab, index, inSource: stays });
    } catch (error) {
      errors[index] = toWire(error);
    }
  }
  const answer: DecodeAnswer = { errors, overflow, work: end() };
  const buffers = overflow.filter((buffer) => buffer !== undefined);
  return move({ [transferableSymbol]: buffers, [valueSymbol]: answer } as unknown as ArrayBuffer);
}
