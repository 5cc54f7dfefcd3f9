// Reading the flatbuffers that Arrow metadata is made of. Everything that a buffer claims about itself (offsets,
// lengths, table sizes) is compared with its bytes before it is used, so that forged metadata is an ArrowError and
// nothing else. https://flatbuffers.dev/internals/

/** Bytes that are not the Arrow data they should be. Readers turn it into an error that names the file. */
export class ArrowError extends Error {
  override readonly name = "ArrowError";
}

/**
 * Offsets that are followed within one buffer: genuine metadata has a few per column, forged metadata may share parts
 * without end.
 */
const maxSteps = 100_000;
/** Tables may share a text, so that many long ones would take few bytes and much time. */
const maxNameBytes = 1000;

/** The bytes of a flatbuffer, and how often they were followed. */
class Source {
  readonly view: DataView;
  private steps = 0;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  text(at: number, length: number): string {
    // Text decoders refuse memory that threads share.
    return new TextDecoder().decode(new Uint8Array(this.bytes.subarray(at, at + length)));
  }

  /** The position that the offset at `at` leads to, where at least `room` bytes are. */
  follow(at: number, room: number): number {
    if (++this.steps > maxSteps) throw new ArrowError("metadata that refers to itself without end");
    const to = at + this.view.getUint32(at, true);
    if (to + room > this.length) throw new ArrowError("an offset in the metadata leads outside it");
    return to;
  }
}

/** A sequence of equal structs of plain numbers, which lie in the buffer one behind the other. */
export interface FlatStructs {
  readonly length: number;
  /** The 64-bit number at `offset` in the `i`-th struct: a length, a count or a position, from 0 to 2^53 - 1. */
  uint64(i: number, offset: number): number;
  int32(i: number, offset: number): number;
}

/**
 * A table; its fields go by number, in the order of the schema they are declared in. Missing ones have their default.
 */
export class FlatTable {
  private readonly fields: number;
  private readonly fieldCount: number;
  private readonly byteLength: number;

  private constructor(
    private readonly source: Source,
    private readonly at: number,
  ) {
    const { view, length } = source;
    const fields = at - view.getInt32(at, true);
    if (fields < 0 || fields + 4 > length) throw new ArrowError("a table of the metadata has its layout outside it");
    const layoutBytes = view.getUint16(fields, true);
    this.byteLength = view.getUint16(fields + 2, true);
    if (layoutBytes < 4 || layoutBytes % 2 !== 0 || fields + layoutBytes > length || at + this.byteLength > length)
      throw new ArrowError("a table of the metadata ends outside it");
    this.fields = fields;
    this.fieldCount = (layoutBytes - 4) / 2;
  }

  /** The table that a buffer of its own begins with the offset of. */
  static root(bytes: Uint8Array): FlatTable {
    if (bytes.length < 8) throw new ArrowError("metadata of less than 8 bytes");
    const source = new Source(bytes);
    return new FlatTable(source, source.follow(0, 4));
  }

  uint8(field: number): number {
    const at = this.locate(field, 1);
    return at === undefined ? 0 : this.source.view.getUint8(at);
  }

  int16(field: number): number {
    const at = this.locate(field, 2);
    return at === undefined ? 0 : this.source.view.getInt16(at, true);
  }

  int32(field: number): number {
    const at = this.locate(field, 4);
    return at === undefined ? 0 : this.source.view.getInt32(at, true);
  }

  /** A length, a count or a position, from 0 to 2^53 - 1. */
  uint64(field: number): number {
    const at = this.locate(field, 8);
    return at === undefined ? 0 : uint64At(this.source.view, at);
  }

  table(field: number): FlatTable | undefined {
    const at = this.locate(field, 4);
    return at === undefined ? undefined : new FlatTable(this.source, this.source.follow(at, 4));
  }

  /** A short text, such as a name. */
  name(field: number): string {
    const { at, length } = this.vector(field, 1) ?? { at: 0, length: 0 };
    if (length > maxNameBytes) throw new ArrowError(`a name of ${length} bytes in the metadata`);
    return this.source.text(at, length);
  }

  /** A text of any length. */
  text(field: number): string | undefined {
    const found = this.vector(field, 1);
    return found && this.source.text(found.at, found.length);
  }

  *tables(field: number): Generator<FlatTable> {
    const found = this.vector(field, 4);
    for (let i = 0; found !== undefined && i < found.length; i++)
      yield new FlatTable(this.source, this.source.follow(found.at + 4 * i, 4));
  }

  structs(field: number, structBytes: number): FlatStructs {
    const { at, length } = this.vector(field, structBytes) ?? { at: 0, length: 0 };
    const { view } = this.source;
    return {
      length,
      uint64: (i, offset) => uint64At(view, at + i * structBytes + offset),
      int32: (i, offset) => view.getInt32(at + i * structBytes + offset, true),
    };
  }

  /** Where a field's value of `size` bytes lies; undefined when the table does not have it. */
  private locate(field: number, size: number): number | undefined {
    if (field >= this.fieldCount) return undefined;
    const offset = this.source.view.getUint16(this.fields + 4 + 2 * field, true);
    if (offset === 0) return undefined;
    if (offset + size > this.byteLength) throw new ArrowError("a field of the metadata lies outside its table");
    return this.at + offset;
  }

  private vector(field: number, elementBytes: number): { readonly at: number; readonly length: number } | undefined {
    const at = this.locate(field, 4);
    if (at === undefined) return undefined;
    const start = this.source.follow(at, 4);
    const length = this.source.view.getUint32(start, true);
    if (length * elementBytes > this.source.length - start - 4)
      throw new ArrowError(`a list of ${length} in metadata of ${this.source.length} bytes`);
    return { at: start + 4, length };
  }
}

function uint64At(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getInt32(at + 4, true) * 2 ** 32;
  if (value < 0 || !Number.isSafeInteger(value)) throw new ArrowError("an impossible length in the metadata");
  return value;
}
