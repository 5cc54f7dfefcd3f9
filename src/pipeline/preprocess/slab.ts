// Memory that images travel in: one shared buffer per group of images, filled by the reader, read by a decoding thread,
// which puts what it makes into a second one for the writing thread. Nothing is allocated per image, so nothing has to
// be collected.
import { factNumbers, type JpegFacts, parseFacts } from "../../native/index.js";
import type { SampleRecord } from "../../shards/record.js";
import type { SharedBuffers } from "../shared-buffers.js";

/** Images per group: enough to make handing over cheap, few enough to keep memory and the wait at the end small. */
const slabImages = 64;
const slabBytes = 2 << 20;

/**
 * The reader's side: hands out memory for one image after another, from slabs that are used again when all of their
 * images are done.
 */
export class SlabAllocator {
  private slab: SharedArrayBuffer | undefined;
  private used = 0;
  private images = 0;
  /** Images handed out and not released yet. */
  private readonly held = new Map<SharedArrayBuffer, number>();

  constructor(private readonly buffers: SharedBuffers) {}

  /** Memory for an image. One that fits no slab gets a buffer of its own. */
  readonly allocate = (byteLength: number): Uint8Array => {
    if (byteLength > slabBytes) return new Uint8Array(new SharedArrayBuffer(byteLength));
    if (this.slab === undefined || this.images === slabImages || this.used + byteLength > slabBytes) this.startSlab();
    const slab = this.slab as SharedArrayBuffer;
    const image = new Uint8Array(slab, this.used, byteLength);
    this.used += byteLength;
    this.images++;
    this.held.set(slab, (this.held.get(slab) ?? 0) + 1);
    return image;
  };

  /** Nobody looks at the image any more. */
  release({ buffer }: Uint8Array): void {
    const slab = buffer as SharedArrayBuffer;
    const held = this.held.get(slab);
    if (held === undefined) return; // of its own
    this.held.set(slab, held - 1);
    if (held === 1 && slab !== this.slab) this.giveBack(slab);
  }

  private startSlab(): void {
    const last = this.slab;
    this.slab = this.buffers.take(slabBytes);
    this.used = 0;
    this.images = 0;
    if (last !== undefined && this.held.get(last) === 0) this.giveBack(last);
  }

  private giveBack(slab: SharedArrayBuffer): void {
    this.held.delete(slab);
    this.buffers.giveBack(slab);
  }
}

/** The pieces of a decoded image and the numbers that the addon does not know. */
export type DecodedPieces = Pick<
  SampleRecord,
  "packed" | "header" | "trailer" | "raw" | "imageCrc32c" | "flags" | "warnings" | "orientation"
> & {
  /** How to enter a file that stays in its source: an open block of one sample. */
  readonly seek: Uint8Array | undefined;
};

/**
 * Per image: start and length of packed, header, trailer, raw and seek (-1: none), then imageCrc32c, flags, warnings,
 * orientation.
 */
const pieceCount = 5;
const noteNumbers = 2 * pieceCount + 4;
const imageNumbers = noteNumbers + factNumbers;
const notesBytes = slabImages * imageNumbers * Float64Array.BYTES_PER_ELEMENT;

/** Room for what is usually made of a slab's images; the rest goes into buffers of its own. */
const resultBytes = notesBytes + 2.25 * slabBytes;

export function takeResultSlab(buffers: SharedBuffers): SharedArrayBuffer {
  return buffers.take(resultBytes);
}

/** A group's results: numbers in front, bytes after them. Written by a decoding thread, read by the writing one. */
export class ResultSlab {
  private used = notesBytes;

  /** `overflow[i]` holds the bytes of image i where the slab had no room for them. */
  constructor(
    private readonly buffer: SharedArrayBuffer,
    private readonly overflow: (ArrayBuffer | undefined)[],
  ) {}

  /** Where the addon writes the facts of image `index`. */
  facts(index: number): Float64Array {
    return new Float64Array(this.buffer, (index * imageNumbers + noteNumbers) * 8, factNumbers);
  }

  /** Room for `byteLength` bytes of image `index`, all of its pieces together. */
  reserve(index: number, byteLength: number): Uint8Array {
    if (this.used + byteLength > this.buffer.byteLength) {
      const own = new ArrayBuffer(byteLength);
      this.overflow[index] = own;
      return new Uint8Array(own);
    }
    const room = new Uint8Array(this.buffer, this.used, byteLength);
    this.used += byteLength;
    return room;
  }

  /** Notes an image whose pieces lie in the room reserved for it. */
  put(index: number, { packed, header, trailer, raw, seek, ...numbers }: DecodedPieces): void {
    const notes = this.notes(index);
    for (const [i, piece] of [packed, header, trailer, raw, seek].entries()) {
      notes[2 * i] = piece?.byteOffset ?? 0;
      notes[2 * i + 1] = piece?.length ?? -1;
    }
    notes.set([numbers.imageCrc32c, numbers.flags, numbers.warnings, numbers.orientation], 2 * pieceCount);
  }

  /** Views of the pieces, and the facts. */
  get(index: number): DecodedPieces & { readonly facts: JpegFacts } {
    const notes = this.notes(index);
    const buffer = this.overflow[index] ?? this.buffer;
    const piece = (i: number) => new Uint8Array(buffer, notes[2 * i], notes[2 * i + 1]);
    const optional = (i: number) => (notes[2 * i + 1] === -1 ? undefined : piece(i));
    const number = (i: number) => notes[2 * pieceCount + i] as number;
    return {
      packed: piece(0),
      header: piece(1),
      trailer: piece(2),
      raw: optional(3),
      seek: optional(4),
      imageCrc32c: number(0),
      flags: number(1),
      warnings: number(2),
      orientation: number(3),
      facts: parseFacts(this.facts(index)),
    };
  }

  private notes(index: number): Float64Array {
    return new Float64Array(this.buffer, index * imageNumbers * 8, noteNumbers);
  }
}
