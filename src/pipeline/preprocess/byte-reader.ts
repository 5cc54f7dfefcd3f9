// Chunks of a stream -> the bytes a parser asks for, at a known position. Waits only when a chunk has run out.

import { copyBytes } from "../../native/index.js";

/** Skipping less than this reads on instead of opening the stream anew. */
const minSeekBytes = 8 << 20;

export interface ByteStream {
  /** The stream's bytes from `start` on; each chunk need only stay as it is until the next one is asked for. */
  open(start: number): AsyncIterable<Uint8Array>;
  /** Whether `start` may be other than 0, and how many bytes there are then. */
  readonly seekableBytes: number | undefined;
}

export class ByteReader {
  /** Bytes consumed so far. */
  position = 0;
  private chunk: Uint8Array = new Uint8Array(0);
  private at = 0;
  private chunks: AsyncIterator<Uint8Array>;

  constructor(private readonly stream: ByteStream) {
    this.chunks = stream.open(0)[Symbol.asyncIterator]();
  }

  /** Fills `bytes` and returns it; a shorter part of it when the stream ends first. */
  async read<T extends Uint8Array>(bytes: T): Promise<T> {
    const { length } = bytes;
    let filled = 0;
    while (filled < length && (this.at < this.chunk.length || (await this.fill()))) {
      const part = this.chunk.subarray(this.at, this.at + length - filled);
      copyBytes(filled === 0 ? bytes : bytes.subarray(filled), part);
      filled += part.length;
      this.advance(part.length);
    }
    return filled === length ? bytes : (bytes.subarray(0, filled) as T);
  }

  /** A view of the next `length` bytes where they lie in one chunk, a copy where not; valid until the next call. */
  async view(length: number): Promise<Uint8Array> {
    if (this.at === this.chunk.length) await this.fill();
    if (this.at + length > this.chunk.length) return this.read(new Uint8Array(length));
    const view = this.chunk.subarray(this.at, this.at + length);
    this.advance(length);
    return view;
  }

  /** The number of bytes skipped: less than `length` when the stream ends first. */
  async skip(length: number): Promise<number> {
    const buffered = this.chunk.length - this.at;
    const { seekableBytes } = this.stream;
    if (seekableBytes !== undefined && length - buffered >= minSeekBytes) {
      const target = Math.min(this.position + length, seekableBytes);
      const skipped = target - this.position;
      await this.seek(target);
      return skipped;
    }
    let skipped = 0;
    while (skipped < length && (this.at < this.chunk.length || (await this.fill()))) {
      const part = Math.min(length - skipped, this.chunk.length - this.at);
      skipped += part;
      this.advance(part);
    }
    return skipped;
  }

  /** Ends the stream behind it. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private async seek(position: number): Promise<void> {
    await this.close();
    this.chunks = this.stream.open(position)[Symbol.asyncIterator]();
    this.chunk = new Uint8Array(0);
    this.at = 0;
    this.position = position;
  }

  private advance(count: number): void {
    this.at += count;
    this.position += count;
  }

  private async fill(): Promise<boolean> {
    for (;;) {
      const next = await this.chunks.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.chunk = next.value;
      this.at = 0;
      return true;
    }
  }
}
