// A GET and its answer, by any client: what range reads ask of a transport.
import { TransientError } from "./retry.js";

export interface TimeoutOptions {
  /** Limit for a connection, TLS included. Default 10 s. */
  readonly connectMs?: number;
  /** Limit from a request to the head of its answer. Default 30 s; uploads have more by their size. */
  readonly firstByteMs?: number;
  /** Limit without a byte while somebody waits for one. Default 20 s. */
  readonly stallMs?: number;
}

export interface GetRequest {
  /** Scheme, host and port, as in "https://host:port". */
  readonly origin: string;
  /**
   * The path with the query, escaped as it is to be sent: keys of objects may look like relative paths, which nobody
   * must resolve.
   */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Body {
  /**
   * Fills `target` with the next bytes; resolves with how many, fewer than asked for only at the end. `onBytes` gets
   * every piece as it lands, also of a read that fails later. One call at a time. TransientError.
   */
  read(target: Uint8Array, onBytes?: (byteLength: number) => void): Promise<number>;
  /** Must be called. Its connection is used again when everything has been read, and ended otherwise. */
  close(): void;
}

export interface BodyAnswer extends ResponseHead {
  readonly body: Body;
}

/** Skipped at once. */
const skipBytes = 256 << 10;

/** Reads and drops: the answer of a server that ignores ranges begins before what is wanted. */
export async function skip(body: Body, byteLength: number): Promise<void> {
  const scratch = new Uint8Array(Math.min(byteLength, skipBytes));
  for (let left = byteLength; left > 0; ) {
    const bytes = await body.read(scratch.subarray(0, left));
    if (bytes === 0) throw new TransientError("short-body", "the answer ended early");
    left -= bytes;
  }
}
