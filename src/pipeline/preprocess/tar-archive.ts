// One tar while it is read: where it ends, what holds for all its entries, and the parts of it that are not entries.
import { ToolkitError } from "../../errors.js";
import { signatures } from "../signatures.js";
import type { ByteReader, Waits } from "./byte-reader.js";
import type { TarEntry, TarOptions } from "./tar-entry.js";
import { blockBytes, type Extension, type Faults, type Header, parseLongName, parsePax } from "./tar-header.js";

/** Names and pax records of this size are an attack or damage. */
const maxExtensionBytes = 1 << 20;

/** One tar: the source itself, or an entry of it. */
export class Archive implements Faults {
  global: Extension = {};
  readonly depth: number;
  readonly reader: ByteReader;
  readonly source: string;
  /** Undefined: only names are asked for. */
  readonly options: TarOptions | undefined;

  constructor(
    reader: ByteReader,
    source: string,
    options: TarOptions | undefined,
    readonly inner?: InnerTar,
  ) {
    this.reader = reader;
    this.source = source;
    this.options = options;
    this.depth = inner === undefined ? 1 : inner.outer.depth + 1;
  }

  get name(): string | undefined {
    return this.inner?.name;
  }

  /** Where it ends in the stream. */
  get end(): number {
    return this.inner?.end ?? Number.POSITIVE_INFINITY;
  }

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

export interface InnerTar {
  readonly outer: Archive;
  readonly name: string;
  /** What the paths of its entries begin with. */
  readonly folder: string;
  readonly end: number;
}

/** What is given for a tar now and then, by its first bytes. */
const otherFormats: readonly (readonly [beginning: string, what: string])[] = [
  ["PK\x03\x04", "it is a zip file: unpack it, or pack it again as a tar"],
  ["\x1f\x8b", "it is compressed by gzip: name it .tar.gz"],
  ["BZh", "it is compressed by bzip2: decompress it first"],
  ["\xfd7zXZ", "it is compressed by xz: decompress it first"],
  ["\x28\xb5\x2f\xfd", "it is compressed by zstd: decompress it first"],
  ["7z\xbc\xaf", "it is a 7z file: unpack it, or pack it again as a tar"],
  ["Rar!", "it is a rar file: unpack it, or pack it again as a tar"],
  [signatures.jpeg[0], "it is a JPEG: give the folder or the tar that its class can be told from"],
];

/** Throws BAD_TAR when a source begins as a file of another kind does. */
export function refuseOtherFormats(block: Uint8Array, archive: Archive): void {
  const beginning = String.fromCharCode(...block.subarray(0, 8));
  const other = otherFormats.find(([magic]) => beginning.startsWith(magic));
  if (other !== undefined) throw archive.bad(other[1], 0);
}

/** Skips an entry's data, of which `read` bytes are behind already, and its padding. */
export function* skipData(
  archive: Archive,
  { byteLength, name }: Pick<TarEntry, "byteLength" | "name">,
  read = 0,
): Waits<void> {
  const left = byteLength - read;
  if ((yield* archive.reader.skip(left)) < left) throw archive.truncated("an entry", name);
  yield* skipPadding(archive, byteLength, name);
}

/** Goes on behind an entry and what fills its last block, wherever in these reading has come to. */
export function* skipRest(
  archive: Archive,
  { dataOffset, byteLength, name }: Pick<TarEntry, "dataOffset" | "byteLength" | "name">,
): Waits<void> {
  const left = dataOffset + blockBytes * Math.ceil(byteLength / blockBytes) - archive.reader.position;
  if ((yield* archive.reader.skip(left)) < left) throw archive.truncated("an entry", name);
}

/** What fills an entry's last block. */
export function* skipPadding(archive: Archive, size: number, name: string): Waits<void> {
  const padding = (blockBytes - (size % blockBytes)) % blockBytes;
  if ((yield* archive.reader.skip(padding)) < padding) throw archive.truncated("an entry", name);
}

/** The further header blocks of an old GNU sparse file. */
export function* skipSparseMaps(archive: Archive, name: string): Waits<void> {
  for (let more = true; more; ) {
    if (archive.reader.position + blockBytes > archive.end) throw archive.truncated("a header", name);
    const block = yield* archive.reader.view(blockBytes);
    if (block.length < blockBytes) throw archive.truncated("a header", name);
    more = block[504] === 1;
  }
}

/**
 * What a pax or GNU extension header sets for the next entry ("global": for all that follow); undefined when it is not
 * one.
 */
export function* readExtension(
  header: Header,
  archive: Archive,
  offset: number,
): Waits<Extension | "global" | undefined> {
  if (!["x", "g", "L", "K"].includes(header.type)) return undefined;
  if (header.size > maxExtensionBytes) throw archive.bad(`an extension header of ${header.size} bytes`, offset);
  if (archive.reader.position + header.size > archive.end) throw archive.truncated("an extension header");
  const bytes = yield* archive.reader.read(new Uint8Array(header.size));
  if (bytes.length < header.size) throw archive.truncated("an extension header");
  yield* skipPadding(archive, header.size, header.name);
  switch (header.type) {
    case "L":
      return { path: parseLongName(bytes) };
    case "K":
      return {}; // where a link leads: no business of ours
    case "g":
      archive.global = { ...archive.global, ...parsePax(bytes, offset, archive) };
      return "global";
    default:
      return parsePax(bytes, offset, archive);
  }
}
