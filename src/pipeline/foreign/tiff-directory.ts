// A TIFF reduced to its first directory, and that to the tags which describe how pixels are stored: whatever else such
// a file may hold (directories in a circle, a million pages, private tags that a decoder does not like) nobody has to
// read.
import { ToolkitError } from "../../errors.js";

/**
 * The tags that decoding needs: sizes, compression, colours, strips and tiles, orientation, and what the compressions
 * keep in tags.
 */
const pixelTags = new Set([
  256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 334, 338,
  339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532,
]);

const bigVersion = 43;

/** Entries of a directory that are looked at; real ones have some dozens. */
const maxEntries = 4096;

/** Where the numbers of a kind of TIFF lie: the classic one, and BigTIFF with its longer offsets. */
interface Form {
  readonly big: boolean;
  readonly littleEndian: boolean;
}

/** The file with the directory that is left appended to it. BAD_IMAGE where there is none. */
export function firstDirectoryOnly(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = bytes[0] === 0x49;
  if (bytes.length < 8) throw cut();
  const form = { littleEndian, big: view.getUint16(2, littleEndian) === bigVersion };
  const entries = pixelEntries(view, form);
  const { countBytes, entryBytes, offsetBytes } = sizesOf(form);
  const at = Math.ceil(bytes.length / 8) * 8;
  const out = new Uint8Array(at + countBytes + entries.length * entryBytes + offsetBytes);
  out.set(bytes);
  const target = new DataView(out.buffer);
  writeNumber(target, form.big ? 8 : 4, offsetBytes, at, littleEndian);
  writeNumber(target, at, countBytes, entries.length, littleEndian);
  for (const [i, start] of entries.entries())
    out.set(bytes.subarray(start, start + entryBytes), at + countBytes + i * entryBytes);
  return out; // the offset of the next directory, behind the entries, stays zero
}

function sizesOf({ big }: Form) {
  return big ? { countBytes: 8, entryBytes: 20, offsetBytes: 8 } : { countBytes: 2, entryBytes: 12, offsetBytes: 4 };
}

/** Where the entries begin that are kept, in the order of their tags, the first of each. */
function pixelEntries(view: DataView, form: Form): number[] {
  const { countBytes, entryBytes, offsetBytes } = sizesOf(form);
  const start = readNumber(view, form.big ? 8 : 4, offsetBytes, form);
  const count = Math.min(readNumber(view, start, countBytes, form), maxEntries);
  const found = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const at = start + countBytes + i * entryBytes;
    if (at + entryBytes > view.byteLength) throw cut();
    const tag = readNumber(view, at, 2, form);
    if (pixelTags.has(tag) && !found.has(tag)) found.set(tag, at);
  }
  return [...found].sort(([a], [b]) => a - b).map(([, at]) => at);
}

function readNumber(view: DataView, at: number, byteLength: number, { littleEndian }: Form): number {
  if (at + byteLength > view.byteLength) throw cut();
  if (byteLength === 8) return Number(view.getBigUint64(at, littleEndian));
  return byteLength === 4 ? view.getUint32(at, littleEndian) : view.getUint16(at, littleEndian);
}

function writeNumber(view: DataView, at: number, byteLength: number, value: number, littleEndian: boolean): void {
  if (byteLength === 8) view.setBigUint64(at, BigInt(value), littleEndian);
  else if (byteLength === 4) view.setUint32(at, value, littleEndian);
  else view.setUint16(at, value, littleEndian);
}

function cut(): ToolkitError {
  return new ToolkitError("BAD_IMAGE", "a TIFF file that ends before its first directory does");
}
