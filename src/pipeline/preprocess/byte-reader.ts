// Chunks of a stream -> the bytes a parser asks for, at a known position. A parser is a plain generator that yields
// `waiting` when a chunk has run out, and is continued when `fill` has brought the next: thousands of small entries a
// second would not bear a promise for each.
import { copyBytes } from "../../native/index.js";

/** Skipping less than this reads on instead of opening the stream anew. */
const minSeekBytes = 8 << 20;

export interface ByteStream {
  /** The stream's bytes from `start` on; each chunk need only stay as it is until the next one is asked for. */
  open(start: number): AsyncIterable<Uint8Array>;
  /** Whether `start` may be other than 0, and how many bytes there are then. */
  readonly seekableBytes: number | undefined;
}

export const waiting = Symbol("waiting");

/** Part of a parser: its result, after as many waits as it takes. */
export type Waits<T> = Generator<typeof waiting, T>;

export class ByteReader {
  /** Bytes consumed so far. */
  position = 0;
  private chunk: Uint8Array = new Uint8Array(0);
  private at = 0;
  private chunks: AsyncIterator<Uint8Array>;
  private ended = false;
  private seekTo: number | undefined;

  constructor(private readonly stream: ByteStream) {
    this.chunks = stream.open(0)[Symbol.asyncIterator]();
  }

  /** Fills `bytes` and returns it; a shorter part of it when the stream ends first. */
  *read<T extends Uint8Array>(bytes: T): Waits<T> {
    const { length } = bytes;
    let filled = 0;
    while (filled < length && (this.at < this.chunk.length || (yield* this.more()))) {
      const part = this.chunk.subarray(this.at, this.at + length - filled);
      copyBytes(filled === 0 ? bytes : bytes.subarray(filled), part);
      filled += part.length;
      this.advance(part.length);
    }
    return filled === length ? bytes : (bytes.subarray(0, filled) as T);
  }

  /** A view of the next `length` bytes where they lie in one chunk, a copy where not; valid until the next call. */
  *view(length: number): Waits<Uint8Array> {
    if (this.at === this.chunk.length) yield* this.more();
    if (this.at + length > this.chunk.length) return yield* this.read(new Uint8Array(length));
    const view = this.chunk.subarray(this.at, this.at + length);
    this.advance(length);
    return view;
  }

  /** The number of bytes skipped: less than `length` when the stream ends first. */
  *skip(length: number): Waits<number> {
    const buffered = this.chunk.length - this.at;
    const { seekableBytes } = this.stream;
    if (seekableBytes !== undefined && length - buffered >= minSeekBytes) {
      const target = Math.min(this.position + length, seekableBytes);
      const skipped = target - this.position;
      this.seekTo = target;
      yield waiting;
      return skipped;
    }
    let skipped = 0;
    while (skipped < length && (this.at < this.chunk.length || (yield* this.more()))) {
      const part = Math.min(length - skipped, this.chunk.length - this.at);
      skipped += part;
      this.advance(part);
    }
    return skipped;
  }

  /** What a waiting parser waits for. */
  async fill(): Promise<void> {
    if (this.seekTo !== undefined) {
      await this.close();
      this.position = this.seekTo;
      this.chunks = this.stream.open(this.seekTo)[Symbol.asyncIterator]();
      this.chunk = new Uint8Array(0);
      this.at = 0;
      this.seekTo = undefined;
      return;
    }
    const next = await this.chunks.next();
    this.ended = next.done === true;
    this.chunk = next.done === true ? new Uint8Array(0) : next.value;
    this.at = 0;
  }

  /** Ends the stream behind it. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private advance(count: number): void {
    this.at += count;
    this.position += count;
  }

  /** Reads on; false when the stream has ended. */
  private *more(): Waits<boolean> {
    while (!this.ended && this.at === this.chunk.length) yield waiting;
    return !this.ended;
  }
}
