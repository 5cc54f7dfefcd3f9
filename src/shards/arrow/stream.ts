// An Arrow file, read as the stream behind its magic: one message in memory at a time, the footer is not looked at.
import { ArrowError, type FlatTable } from "./flatbuffer.js";
import { type ArrowMessage, hasMagic, magic, magicBytes, metadataBytes, parseMessage, prefixBytes } from "./message.js";

export interface StreamedMessage extends Pick<ArrowMessage, "kind"> {
  readonly header: FlatTable;
  readonly body: Uint8Array;
  /** All of the message, its body with it. */
  readonly bytes: Uint8Array;
}

/**
 * The messages of a file of `byteLength` bytes. ArrowError as soon as one would be longer than what is left of the
 * file.
 */
export async function* streamMessages(
  chunks: AsyncIterable<Uint8Array>,
  byteLength: number,
): AsyncGenerator<StreamedMessage> {
  const queue = new ByteQueue(chunks, byteLength);
  try {
    const head = byteLength < magicBytes ? new Uint8Array(0) : await queue.take(magicBytes);
    if (!hasMagic(head)) throw new ArrowError(`it does not start with ${magic}`);
    while (queue.left >= prefixBytes) {
      const prefix = await queue.take(prefixBytes);
      const length = metadataBytes(prefix);
      if (length === 0) return;
      const metadata = await queue.take(length);
      const { kind, header, bodyBytes } = parseMessage(metadata);
      const bytes = new Uint8Array(prefixBytes + length + queue.checked(bodyBytes));
      bytes.set(prefix);
      bytes.set(metadata, prefixBytes);
      const body = bytes.subarray(prefixBytes + length);
      await queue.fill(body);
      yield { kind, header, body, bytes };
    }
  } finally {
    await queue.close();
  }
}

/** Chunks of any size -> pieces of the sizes that are asked for. */
class ByteQueue {
  left: number;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>, byteLength: number) {
    this.chunks = chunks[Symbol.asyncIterator]();
    this.left = byteLength;
  }

  /** `bytes`, unless there are not so many. */
  checked(bytes: number): number {
    if (bytes > this.left) throw new ArrowError(`a message of ${bytes} bytes where ${this.left} are left`);
    return bytes;
  }

  async take(bytes: number): Promise<Uint8Array> {
    const taken = new Uint8Array(this.checked(bytes));
    await this.fill(taken);
    return taken;
  }

  async fill(target: Uint8Array): Promise<void> {
    this.left -= target.length;
    for (let filled = 0; filled < target.length; ) {
      if (this.rest.length === 0) {
        const { value, done } = await this.chunks.next();
        if (done === true) throw new ArrowError("the file ends early");
        this.rest = value as Uint8Array<ArrayBuffer>;
      }
      const part = this.rest.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.rest = this.rest.subarray(part.length);
    }
  }

  async close(): Promise<void> {
    await this.chunks.return?.();
  }
}
