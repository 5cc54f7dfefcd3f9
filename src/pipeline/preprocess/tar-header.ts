// The 512 bytes before each entry of a tar, and the pax records that add to it: POSIX ustar, pax and GNU.
import type { ToolkitError } from "../../errors.js";
import { textOfName } from "../../storage/disk/file-name.js";

export const blockBytes = 512;

/** What stands before an entry about it: pax records or GNU long names. */
export interface Extension {
  readonly path?: string | undefined;
  readonly size?: number | undefined;
  readonly sparse?: boolean;
}

export interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  /** Old GNU sparse format: further header blocks follow. */
  readonly extended: boolean;
}

/** Makes the error for a header that cannot be one. */
export interface Faults {
  bad(what: string, offset: number): ToolkitError;
}

const latin = new TextDecoder("latin1");
const utf8 = new TextDecoder();

/** Up to the first NUL. */
function field(bytes: Uint8Array, start: number, length: number): Uint8Array {
  const whole = bytes.subarray(start, start + length);
  const end = whole.indexOf(0);
  return end < 0 ? whole : whole.subarray(0, end);
}

/** A name that a GNU long-name header holds. */
export function parseLongName(bytes: Uint8Array): string {
  return textOfName(field(bytes, 0, bytes.length));
}

/** Octal digits, or a big-endian binary number when the first bit is set (GNU, for sizes of 8 GiB and more). */
function number(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] as number;
  if (first & 0x80) {
    let value = first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + (block[start + i] as number);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = latin.decode(field(block, start, length)).trim();
  if (!/^[0-7]*$/.test(digits)) return undefined;
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Undefined for a block of zeros. */
export function parseHeader(block: Uint8Array, offset: number, faults: Faults): Header | undefined {
  let sum = 8 * 0x20; // the checksum field itself counts as spaces
  let any = 0;
  for (let i = 0; i < blockBytes; i++) {
    const byte = block[i] as number;
    any |= byte;
    if (i < 148 || i >= 156) sum += byte;
  }
  if (any === 0) return undefined;
  const stated = number(block, 148, 8);
  if (stated !== sum && stated !== sum - 256 * highBytes(block))
    throw faults.bad("a header's checksum is wrong", offset);
  const size = number(block, 124, 12);
  if (size === undefined) throw faults.bad("a header's size is not a number", offset);
  const type = String.fromCharCode(block[156] as number);
  const isPosix = latin.decode(field(block, 257, 6)) === "ustar" && block[262] === 0;
  const prefix = isPosix ? field(block, 345, 155) : undefined;
  return { name: nameOf(field(block, 0, 100), prefix), size, type, extended: type === "S" && block[482] === 1 };
}

/** Old tars add bytes as signed numbers: each of these is 256 less then. */
function highBytes(block: Uint8Array): number {
  return block.reduce((count, byte, i) => count + (i < 148 || i >= 156 ? byte >> 7 : 0), 0);
}

/** Joined as bytes: a character may be parted between the two. */
function nameOf(name: Uint8Array, prefix: Uint8Array | undefined): string {
  if (prefix === undefined || prefix.length === 0) return textOfName(name);
  return textOfName(Buffer.concat([prefix, Buffer.from("/"), name]));
}

/** Records of the form `length key=value\n`; POSIX.1-2001, pax interchange format. */
export function parsePax(bytes: Uint8Array, offset: number, faults: Faults): Extension {
  let extension: Extension = {};
  let sparseName: string | undefined;
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(latin.decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length)
      throw faults.bad("a pax record has an impossible length", offset);
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const key = utf8.decode(record.subarray(0, equals));
    const value = textOfName(record.subarray(equals + 1));
    // An empty value revokes what a global header set.
    if (key === "path") extension = { ...extension, path: value || undefined };
    if (key === "GNU.sparse.name") sparseName = value;
    if (key === "size" && value === "") extension = { ...extension, size: undefined };
    else if (key === "size") {
      if (!/^\d+$/.test(value)) throw faults.bad("a pax size is not a number", offset);
      extension = { ...extension, size: Number(value) };
    }
    if (key.startsWith("GNU.sparse.")) extension = { ...extension, sparse: true };
    at += length;
  }
  return sparseName === undefined ? extension : { ...extension, path: sparseName };
}
