// Tar bytes -> entries held whole, one at a time, with their place in the stream. POSIX ustar, pax and GNU archives; a tar inside the
// tar is read in place. Our own parser, because resuming, quarantine and error reports need byte offsets, and because sparse entries
// must be recognised instead of throwing the reader out of step. Grouping and meaning are left to others.
import { ToolkitError } from "../../errors.js";
import { type ByteReader, type Waits, waiting } from "./byte-reader.js";

/** What a source holds at one place; `name` and `offset` say where. */
export interface TarEntry {
  /** Inside a tar in the tar: the inner tar's name, a slash, the entry's name. */
  readonly name: string;
  /** The name of the tar in the tar that it is in. */
  readonly archive: string | undefined;
  /** Where its first header begins, in bytes of the (decompressed) source. */
  readonly offset: number;
  readonly dataOffset: number;
  readonly byteLength: number;
  /** Undefined when the entry has none: see `problem`. */
  readonly bytes: Uint8Array | undefined;
  readonly problem?: { readonly code: "ENTRY_TOO_LARGE" | "UNSUPPORTED_ENTRY"; readonly message: string };
}

export interface TarOptions {
  /** Larger entries are skipped and reported. */
  readonly maxEntryBytes: number;
  /** Whether an entry of that name is wanted; others are passed over. */
  readonly wants: (name: string) => boolean;
  /** Memory for an entry's bytes. Default: a buffer of its own. */
  readonly allocate?: (byteLength: number, name: string) => Uint8Array;
  /** Entries that begin before this offset are passed over. Default 0. */
  readonly from?: number;
}

const blockBytes = 512;

/** Names and pax records of this size are an attack or damage. */
const maxExtensionBytes = 1 << 20;

/** What was said before an entry about it: by pax records or GNU long names. */
interface Extension {
  readonly path?: string;
  readonly size?: number;
  readonly sparse?: boolean;
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  /** Old GNU sparse format: further header blocks follow. */
  readonly extended: boolean;
}

/**
 * The regular files of a tar in order. TRUNCATED_TAR when it ends inside an entry, BAD_TAR when it is none. Directories, devices and links
 * to what is not wanted are passed over; wanted sparse files and links have no bytes of their own here and are reported.
 * They come in groups, each of what one chunk of the stream completed. Returns whether the tar had its end-of-archive marker: without one
 * nobody can say whether entries are missing.
 */
export async function* readTar(
  reader: ByteReader,
  source: string,
  options: TarOptions,
): AsyncGenerator<readonly TarEntry[], boolean> {
  return yield* inGroups(
    reader,
    readArchive(new Archive(reader, source, options, undefined, Number.POSITIVE_INFINITY)),
  );
}

type Parser<T> = Generator<TarEntry | typeof waiting, T>;

/** Runs a parser: all entries of what has been read together, then the next chunk. */
async function* inGroups(reader: ByteReader, parser: Parser<boolean>): AsyncGenerator<readonly TarEntry[], boolean> {
  let group: TarEntry[] = [];
  for (;;) {
    let step: IteratorResult<TarEntry | typeof waiting, boolean>;
    try {
      step = parser.next();
    } catch (error) {
      if (group.length > 0) yield group; // whole entries before the damage
      throw error;
    }
    if (step.done !== true && step.value !== waiting) {
      group.push(step.value);
      continue;
    }
    if (group.length > 0) yield group;
    group = [];
    if (step.done === true) return step.value;
    await reader.fill();
  }
}

/** The names of a tar's own regular files in order, tars in it included, without reading their bytes. Same errors. */
export async function* listTar(reader: ByteReader, source: string): AsyncGenerator<string> {
  const archive = new Archive(reader, source, undefined, undefined, Number.POSITIVE_INFINITY);
  for await (const group of inGroups(reader, readArchive(archive))) for (const { name } of group) yield name;
}

/** One tar: the source itself, or an entry of it. */
class Archive {
  global: Extension = {};
  constructor(
    readonly reader: ByteReader,
    readonly source: string,
    /** Undefined: only names are asked for. */
    readonly options: TarOptions | undefined,
    readonly name: string | undefined,
    /** Where it ends in the stream. */
    readonly end: number,
  ) {}

  truncated(what: string, key?: string): ToolkitError {
    return new ToolkitError("TRUNCATED_TAR", `the tar ends inside ${what}`, {
      source: this.source,
      key: key ?? this.name,
      offset: this.reader.position,
    });
  }

  bad(what: string, offset: number): ToolkitError {
    return new ToolkitError("BAD_TAR", `not a readable tar: ${what}`, { source: this.source, key: this.name, offset });
  }
}

function* readArchive(archive: Archive): Parser<boolean> {
  const { reader } = archive;
  let local: Extension = {};
  let start = reader.position;
  let zeros = 0;
  while (reader.position < archive.end) {
    const offset = reader.position;
    const block = yield* reader.view(Math.min(blockBytes, archive.end - offset));
    if (block.length === 0) break;
    if (block.length < blockBytes) throw archive.truncated("a header");
    const header = parseHeader(block, offset, archive);
    if (header === undefined) {
      zeros++;
      start = reader.position;
      continue;
    }
    zeros = 0;
    const extension = yield* readExtension(header, archive, offset);
    if (extension === "global") {
      start = reader.position;
    } else if (extension !== undefined) {
      local = { ...local, ...extension };
    } else {
      yield* readMember(header, { ...archive.global, ...local }, start, archive);
      local = {};
      start = reader.position;
    }
  }
  return zeros > 0;
}

function* readMember(header: Header, said: Extension, start: number, archive: Archive): Parser<void> {
  const { reader, options } = archive;
  const isSparse = said.sparse === true || header.type === "S";
  const name = said.path ?? header.name;
  const size = said.size ?? header.size;
  if (header.extended) yield* skipSparseMaps(archive, name);
  const full = archive.name === undefined ? name : `${archive.name}/${name}`;
  const dataOffset = reader.position;
  const place = { name: full, archive: archive.name, offset: start, dataOffset, byteLength: size };
  if (dataOffset + size > archive.end) throw archive.truncated("an entry", full);
  const isLink = header.type === "1" || header.type === "2";
  const isFile = ["0", "\0", "7", ""].includes(header.type) || header.type === "S";
  const kind = isLink ? "link" : !isFile || name.endsWith("/") ? "other" : isSparse ? "sparse" : "file";
  // A link has no data, whatever its size field says.
  const skipped = { ...place, byteLength: isLink ? 0 : size };
  if (options === undefined) {
    if (isFile) yield { ...place, bytes: undefined };
    return yield* skipData(archive, skipped);
  }
  const { from = 0, wants, maxEntryBytes, allocate = (length: number) => new Uint8Array(length) } = options;
  if (kind === "file" && isTarName(name)) {
    return dataOffset + size > from ? yield* readInnerTar(place, archive) : yield* skipData(archive, skipped);
  }
  if (start < from || kind === "other" || !wants(full)) return yield* skipData(archive, skipped);
  if (kind === "file" && size <= maxEntryBytes) {
    const bytes = yield* reader.read(allocate(size, full));
    if (bytes.length < size) throw archive.truncated("an entry", full);
    yield* skipPadding(archive, size, full);
    return yield { ...place, bytes };
  }
  yield { ...place, bytes: undefined, problem: describeProblem(kind, size, maxEntryBytes) };
  return yield* skipData(archive, skipped);
}

function describeProblem(
  kind: "link" | "sparse" | "file",
  size: number,
  maxEntryBytes: number,
): NonNullable<TarEntry["problem"]> {
  switch (kind) {
    case "link":
      return {
        code: "UNSUPPORTED_ENTRY",
        message: "a link: pack the files themselves (GNU tar: --dereference --hard-dereference)",
      };
    case "sparse":
      return { code: "UNSUPPORTED_ENTRY", message: "a sparse file: pack it whole (GNU tar: without --sparse)" };
    case "file":
      return { code: "ENTRY_TOO_LARGE", message: `entry of ${size} bytes, at most ${maxEntryBytes} allowed` };
  }
}

export function isTarName(name: string): boolean {
  return /\.tar$/i.test(name);
}

function* readInnerTar(
  place: { readonly name: string; readonly offset: number; readonly dataOffset: number; readonly byteLength: number },
  archive: Archive,
): Parser<void> {
  const end = place.dataOffset + place.byteLength;
  if (archive.name !== undefined) {
    const problem = { code: "UNSUPPORTED_ENTRY", message: "a tar in a tar in a tar: unpack one level" } as const;
    yield { ...place, archive: archive.name, bytes: undefined, problem };
    return yield* skipData(archive, place);
  }
  const inner = new Archive(archive.reader, archive.source, archive.options, place.name, end);
  const terminated = yield* readArchive(inner);
  if (archive.reader.position < end) throw archive.truncated("an entry", place.name);
  if (!terminated && place.byteLength > 0) throw inner.truncated("the tar in it: its end-of-archive marker is missing");
  yield* skipPadding(archive, place.byteLength, place.name);
}

function* skipData(archive: Archive, entry: { readonly byteLength: number; readonly name: string }): Waits<void> {
  const { byteLength, name } = entry;
  if ((yield* archive.reader.skip(byteLength)) < byteLength) throw archive.truncated("an entry", name);
  yield* skipPadding(archive, byteLength, name);
}

function* skipPadding(archive: Archive, size: number, name: string): Waits<void> {
  const padding = (blockBytes - (size % blockBytes)) % blockBytes;
  if ((yield* archive.reader.skip(padding)) < padding) throw archive.truncated("an entry", name);
}

function* skipSparseMaps(archive: Archive, name: string): Waits<void> {
  for (let more = true; more; ) {
    const block = yield* archive.reader.view(blockBytes);
    if (block.length < blockBytes) throw archive.truncated("a header", name);
    more = block[504] === 1;
  }
}

const latin = new TextDecoder("latin1");
const utf8 = new TextDecoder();

function text(block: Uint8Array, start: number, length: number, decoder = utf8): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or a big-endian binary number when the first bit is set (GNU, for sizes of 8 GiB and more). */
function number(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] as number;
  if (first & 0x80) {
    let value = first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + (block[start + i] as number);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(block, start, length, latin).trim();
  if (!/^[0-7]*$/.test(digits)) return undefined;
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Undefined for a block of zeros. */
function parseHeader(block: Uint8Array, offset: number, archive: Archive): Header | undefined {
  let sum = 8 * 0x20; // the checksum field itself counts as spaces
  let any = 0;
  for (let i = 0; i < blockBytes; i++) {
    const byte = block[i] as number;
    any |= byte;
    if (i < 148 || i >= 156) sum += byte;
  }
  if (any === 0) return undefined;
  if (number(block, 148, 8) !== sum) throw archive.bad("a header's checksum is wrong", offset);
  const size = number(block, 124, 12);
  if (size === undefined) throw archive.bad("a header's size is no number", offset);
  const type = String.fromCharCode(block[156] as number);
  const isPosix = text(block, 257, 6, latin) === "ustar" && block[262] === 0;
  const prefix = isPosix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return { name: prefix === "" ? name : `${prefix}/${name}`, size, type, extended: type === "S" && block[482] === 1 };
}

/** What a pax or GNU extension header says of the next entry ("global": of all that follow); undefined when it is none. */
function* readExtension(header: Header, archive: Archive, offset: number): Waits<Extension | "global" | undefined> {
  if (!["x", "g", "L", "K"].includes(header.type)) return undefined;
  if (header.size > maxExtensionBytes) throw archive.bad(`an extension header of ${header.size} bytes`, offset);
  const bytes = yield* archive.reader.read(new Uint8Array(header.size));
  if (bytes.length < header.size) throw archive.truncated("an extension header");
  yield* skipPadding(archive, header.size, header.name);
  switch (header.type) {
    case "L":
      return { path: text(bytes, 0, bytes.length) };
    case "K":
      return {}; // where a link leads: no business of ours
    case "g":
      archive.global = { ...archive.global, ...parsePax(bytes, offset, archive) };
      return "global";
    default:
      return parsePax(bytes, offset, archive);
  }
}

/** Records of the form `length key=value\n`; POSIX.1-2001, pax interchange format. */
function parsePax(bytes: Uint8Array, offset: number, archive: Archive): Extension {
  let extension: Extension = {};
  let sparseName: string | undefined;
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(latin.decode(bytes.subarray(at, space)));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length)
      throw archive.bad("a pax record has an impossible length", offset);
    const record = utf8.decode(bytes.subarray(space + 1, at + length - 1));
    const equals = record.indexOf("=");
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === "path") extension = { ...extension, path: value };
    if (key === "GNU.sparse.name") sparseName = value;
    if (key === "size") {
      if (!/^\d+$/.test(value)) throw archive.bad("a pax size is no number", offset);
      extension = { ...extension, size: Number(value) };
    }
    if (key.startsWith("GNU.sparse.")) extension = { ...extension, sparse: true };
    at += length;
  }
  return sparseName === undefined ? extension : { ...extension, path: sparseName };
}
