// The answer to a GET, its body read at the pace of its reader, and closed by it.
import { Readable } from "node:stream";
import { copyBytes } from "../../native/index.js";
import type { Body } from "../remote/exchange.js";
import { TransientError } from "../remote/retry.js";
import { asTransient } from "./network-errors.js";
import { whenSilent } from "./silence.js";

/** A stream as a body. */
export class ReadableBody implements Body {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private left: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly stream: Readable,
    private readonly stallMs: number,
  ) {
    this.chunks = stream[Symbol.asyncIterator]();
  }

  async read(target: Uint8Array, onBytes?: (byteLength: number) => void): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      if (this.left.length === 0) {
        const { value, done } = await this.next();
        if (done === true) break;
        this.left = value;
      }
      const piece = this.left.subarray(0, target.length - filled);
      copyBytes(target.subarray(filled), piece);
      this.left = this.left.subarray(piece.length);
      filled += piece.length;
      onBytes?.(piece.length);
    }
    return filled;
  }

  close(): void {
    this.stream.destroy();
  }

  private async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { stallMs } = this;
    const late = new TransientError("stall", `no byte for ${stallMs} ms`);
    const heard = whenSilent(stallMs, () => this.stream.destroy(late));
    try {
      return await this.chunks.next();
    } catch (error) {
      throw asTransient(error);
    } finally {
      heard();
    }
  }
}

const streamChunkBytes = 64 << 10;

/** A body as a stream, for the SDK, which takes nothing else. Whoever knows better reads `raw`. */
export class BodyStream extends Readable {
  constructor(readonly raw: Body) {
    super({ highWaterMark: streamChunkBytes });
  }

  override _read(): void {
    const chunk = Buffer.allocUnsafe(streamChunkBytes);
    this.raw.read(chunk).then(
      (bytes) => this.push(bytes === 0 ? null : chunk.subarray(0, bytes)),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.raw.close();
    callback(error);
  }
}
