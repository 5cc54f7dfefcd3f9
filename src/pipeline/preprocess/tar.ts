// Tar bytes -> entries held whole, one at a time, with their offset in the stream. POSIX ustar, pax and GNU archives;
// tars inside the tar are read in place. Our own parser, because resuming, quarantine and error reports need byte
// offsets, and because sparse entries must be recognised instead of throwing the reader out of step. Grouping and
// meaning are left to others.
import { ToolkitError } from "../../errors.js";
import { copyBytes } from "../../native/index.js";
import { type ByteReader, type Waits, waiting } from "./byte-reader.js";
import { cleanPath, isTarName } from "./entry-names.js";
import { headBytes } from "./image-content.js";
import {
  Archive,
  type InnerTar,
  readExtension,
  refuseOtherFormats,
  skipData,
  skipPadding,
  skipRest,
  skipSparseMaps,
} from "./tar-archive.js";
import type { TarEntry, TarOptions } from "./tar-entry.js";
import { blockBytes, type Extension, type Header, parseHeader } from "./tar-header.js";

/** Tars in tars in tars: deeper ones are failures. Each level takes some of the stack. */
const maxTarDepth = 8;

/**
 * The files of a tar in order. TRUNCATED_TAR when it ends inside an entry, BAD_TAR when it is not a tar. Directories
 * are passed over; wanted sparse files, links and devices have no bytes of their own here and are reported, as are tars
 * in the tar that lie too deep or are damaged. They come in groups, each of what one chunk of the stream completed.
 * Returns whether the tar had its end-of-archive marker: without one nobody can say whether entries are missing.
 */
export async function* readTar(
  reader: ByteReader,
  source: string,
  options: TarOptions,
): AsyncGenerator<readonly TarEntry[], boolean> {
  return yield* inGroups(reader, readArchive(new Archive(reader, source, options)));
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

/** A file by its name, and the tar in the tar that it is in. */
export type ListedEntry = Pick<TarEntry, "name" | "archive">;

/**
 * A tar's regular files in order, without reading their bytes: of a tar in it the tar itself, or, when it begins with a
 * tar, those in it. Same errors.
 */
export async function* listTar(reader: ByteReader, source: string): AsyncGenerator<ListedEntry> {
  const archive = new Archive(reader, source, undefined);
  for await (const group of inGroups(reader, readArchive(archive))) yield* group;
}

function* readArchive(archive: Archive): Parser<boolean> {
  const { reader, end } = archive;
  let local: Extension = {};
  let start = reader.position;
  let zeros = 0;
  while (reader.position < end) {
    const offset = reader.position;
    const block = yield* reader.view(Math.min(blockBytes, end - offset));
    if (block.length === 0) break;
    if (offset === 0) refuseOtherFormats(block, archive);
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

type Kind = TarEntry["kind"] | "sparse" | "folder";

/** What a type letter stands for. A name that ends in a slash is how the oldest tars mark a folder. */
function kindOf(header: Header, said: Extension, name: string): Kind {
  const { type } = header;
  if (type === "1" || type === "2") return "link";
  if (type === "S") return "sparse";
  if (type !== "0" && type !== "\0" && type !== "7") return type === "5" || type === "D" ? "folder" : "special";
  if (name.endsWith("/")) return "folder";
  return said.sparse === true ? "sparse" : "file";
}

/** An entry without its bytes. */
type Place = Omit<TarEntry, "bytes" | "problem">;

function* readMember(header: Header, said: Extension, start: number, archive: Archive): Parser<void> {
  const { reader, options, inner } = archive;
  const name = said.path ?? header.name;
  if (header.extended) yield* skipSparseMaps(archive, name);
  const kind = kindOf(header, said, name);
  // A link has no data, whatever its size field claims.
  const size = kind === "link" ? 0 : (said.size ?? header.size);
  const place: Place = {
    name: inner === undefined ? name : `${inner.name}/${name}`,
    path: inner === undefined ? cleanPath(name) : `${inner.folder}/${cleanPath(name)}`,
    archive: archive.name,
    offset: start,
    dataOffset: reader.position,
    byteLength: size,
    kind: kind === "link" || kind === "special" ? kind : "file",
  };
  if (place.dataOffset + size > archive.end) throw archive.truncated("an entry", place.name);
  const isTar = kind === "file" && isTarName(name) && archive.depth <= maxTarDepth;
  if (kind === "folder") return yield* skipData(archive, place);
  if (options === undefined) return yield* listMember(place, kind, isTar, archive);
  const { from = 0, onSkipped } = options;
  if (isTar && place.dataOffset + size > from) return yield* readInnerTar(place, archive, from);
  if (start >= from) return yield* readFile(place, kind, archive, options);
  onSkipped?.(place.path);
  return yield* skipData(archive, place);
}

function* readFile(place: Place, kind: Kind, archive: Archive, options: TarOptions): Parser<void> {
  const { wants, wantsHead, tellsPassed = false, maxEntryBytes } = options;
  const { name, byteLength } = place;
  const isTooDeep = kind === "file" && isTarName(name); // every other is read in place
  let head: Uint8Array | undefined;
  let wanted = isTooDeep || wants(name);
  if (!wanted && kind === "file" && wantsHead !== undefined && byteLength > 0) {
    head = (yield* archive.reader.view(Math.min(headBytes, byteLength))).slice();
    wanted = wantsHead(name, head);
  }
  if (wanted && kind === "file" && !isTooDeep && byteLength <= maxEntryBytes)
    return yield { ...place, bytes: yield* readBytes(place, head, archive, options) };
  if (wanted) yield { ...place, bytes: undefined, problem: describeProblem(isTooDeep ? "tar" : kind, options, place) };
  else if (tellsPassed) yield { ...place, bytes: undefined };
  yield* skipData(archive, place, head?.length);
}

/** The bytes of an entry, of which `head` has been read already. */
function* readBytes(
  { name, byteLength }: Place,
  head: Uint8Array | undefined,
  archive: Archive,
  { allocate = (length: number) => new Uint8Array(length) }: TarOptions,
): Waits<Uint8Array> {
  const bytes = allocate(byteLength, name);
  const left = head === undefined ? bytes : bytes.subarray(head.length);
  if (head !== undefined) copyBytes(bytes, head);
  if ((yield* archive.reader.read(left)).length < left.length) throw archive.truncated("an entry", name);
  yield* skipPadding(archive, byteLength, name);
  return bytes;
}

function describeProblem(
  kind: Kind | "tar",
  { maxEntryBytes }: TarOptions,
  { byteLength }: Place,
): NonNullable<TarEntry["problem"]> {
  const unsupported = (message: string) => ({ code: "UNSUPPORTED_ENTRY", message }) as const;
  switch (kind) {
    case "tar":
      return unsupported(`a tar within ${maxTarDepth} others: unpack one level`);
    case "link":
      return unsupported("a link: pack the files themselves (GNU tar: --dereference --hard-dereference)");
    case "sparse":
      return unsupported("a sparse file: pack it whole (GNU tar: without --sparse)");
    case "special":
    case "folder":
      return unsupported("a device, a pipe or an unknown kind of entry: only files can be read");
    case "file":
      return { code: "ENTRY_TOO_LARGE", message: `entry of ${byteLength} bytes, at most ${maxEntryBytes} allowed` };
  }
}

function innerArchive(place: Place, outer: Archive): Archive {
  const inner: InnerTar = {
    outer,
    name: place.name,
    folder: place.path.replace(/\.tar$/i, ""),
    end: place.dataOffset + place.byteLength,
  };
  return new Archive(outer.reader, outer.source, outer.options, inner);
}

/**
 * The entries of a tar in the tar, as far as they can be read; then what is wrong with it, which does not concern those
 * behind it.
 */
function* readInnerTar(place: Place, archive: Archive, from: number): Parser<void> {
  const damage = yield* readToDamage(innerArchive(place, archive), place);
  yield* skipRest(archive, place);
  if (damage !== undefined && damage.offset >= from) yield { ...place, ...damage, bytes: undefined };
}

type Damage = Required<Pick<TarEntry, "problem" | "offset">>;

function* readToDamage(inner: Archive, { byteLength }: Place): Parser<Damage | undefined> {
  try {
    const terminated = yield* readArchive(inner);
    if (terminated || byteLength === 0) return undefined;
    throw inner.truncated("it: its end-of-archive marker is missing");
  } catch (error) {
    if (!(error instanceof ToolkitError) || (error.code !== "BAD_TAR" && error.code !== "TRUNCATED_TAR")) throw error;
    const { code, message, offset = inner.reader.position } = error;
    return { problem: { code, message }, offset };
  }
}

/** A tar that begins with a tar stands for those in it; one look at its first entry decides, which costs little. */
function* listMember(place: Place, kind: Kind, isTar: boolean, archive: Archive): Parser<void> {
  if (isTar) {
    const names = readToDamage(innerArchive(place, archive), place);
    let first = names.next();
    while (first.done !== true && first.value === waiting) {
      yield waiting;
      first = names.next();
    }
    if (first.done !== true && first.value !== waiting && isTarName(first.value.name)) {
      yield first.value;
      yield* names;
    } else yield { ...place, bytes: undefined };
  } else if (kind === "file" || kind === "sparse") yield { ...place, bytes: undefined };
  yield* skipRest(archive, place);
}
