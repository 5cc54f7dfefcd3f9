// A connection for GETs of large bodies, read by the system straight into the memory where they are wanted. A general
// HTTP client allocates a buffer per 64 KiB and copies it twice; at network speed that, and collecting the garbage, is
// most of its time.
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import { copyBytes } from "../../native/index.js";
import type { GetRequest, ResponseHead, TimeoutOptions } from "../remote/exchange.js";
import { TransientError } from "../remote/retry.js";
import { asTransient } from "./network-errors.js";
import { whenSilent } from "./silence.js";

/** Heads, and the beginnings of bodies that come with them. */
const scratchBytes = 64 << 10;
const maxHeadBytes = 256 << 10;

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** Answers one GET after another. Any failure ends it. */
export class GetConnection {
  /** Set when it can take no further request. */
  failure: unknown;
  /**
   * Whether an answer has come over it: one that breaks before its first may be a server's choice, after it a race with
   * its idle timeout.
   */
  used = false;
  /** Bytes of the present answer's body that have not come yet, and those that came with its head. */
  private coming = 0;
  private early: Uint8Array = new Uint8Array(0);
  private head = Buffer.alloc(0);
  private parsed: ResponseHead | undefined;
  private target: Uint8Array | undefined;
  private filled = 0;
  private onBytes: ((byteLength: number) => void) | undefined;
  private waiting: Waiting | undefined;
  private readonly scratch = Buffer.allocUnsafeSlow(scratchBytes);
  private readonly socket: Socket;
  private readonly host: string;
  private readonly connected: Promise<void>;

  constructor(
    origin: URL,
    private readonly timeouts: Pick<Required<TimeoutOptions>, "connectMs" | "firstByteMs" | "stallMs">,
  ) {
    this.host = origin.host;
    const secure = origin.protocol === "https:";
    const options = {
      host: origin.hostname.replace(/^\[|\]$/g, ""),
      port: origin.port === "" ? (secure ? 443 : 80) : Number(origin.port),
      noDelay: true,
      // Asked for after each read: where the next one goes.
      onread: {
        buffer: () => this.nextBuffer(),
        callback: (bytes: number, into: Uint8Array) => this.received(bytes, into),
      },
    };
    const named = isIP(options.host) === 0 ? { servername: options.host } : {}; // addresses are not names to TLS
    const secureOptions = { ...options, ...named, ALPNProtocols: ["http/1.1"] };
    this.socket = secure ? connectSecure(secureOptions) : connectPlain(options);
    this.connected = new Promise((resolve, reject) => {
      const { connectMs } = timeouts;
      const late = new TransientError("connect", `no connection within ${connectMs} ms`);
      const heard = whenSilent(connectMs, () => this.fail(late));
      this.socket.once(secure ? "secureConnect" : "connect", () => {
        heard();
        resolve();
      });
      this.socket.once("close", () => {
        heard();
        this.fail(new TransientError("reset", "the server closed the connection"));
        reject(this.failure);
      });
      this.socket.on("error", (error) => this.fail(asTransient(error)));
    });
    this.connected.catch(() => {}); // surfaces where it is waited for
  }

  /** Sends a GET and reads the head of its answer. */
  async request({ path, headers }: GetRequest): Promise<ResponseHead> {
    this.socket.ref();
    await this.connected;
    const lines = Object.entries({ host: this.host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.parsed = undefined;
    this.head = Buffer.alloc(0);
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
    this.socket.resume();
    const { firstByteMs } = this.timeouts;
    await this.wait(firstByteMs, new TransientError("first-byte", `no answer within ${firstByteMs} ms`));
    this.used = true;
    return this.parsed as unknown as ResponseHead; // set by what wakes the wait
  }

  /** Whether all of the answer has been read: the connection is free for another request. */
  get complete(): boolean {
    return this.coming === 0 && this.early.length === 0 && this.failure === undefined;
  }

  /** See Body. */
  async read(target: Uint8Array, onBytes?: (byteLength: number) => void): Promise<number> {
    const first = this.early.subarray(0, target.length);
    copyBytes(target, first);
    this.early = this.early.subarray(first.length);
    this.filled = first.length;
    onBytes?.(first.length);
    this.onBytes = onBytes;
    if (this.filled < target.length && this.coming > 0) {
      this.target = target.subarray(0, this.filled + this.coming);
      this.socket.resume();
      const { stallMs } = this.timeouts;
      await this.wait(stallMs, new TransientError("stall", `no byte for ${stallMs} ms`));
    }
    return this.filled;
  }

  /** Waits for its next use without keeping the process alive. */
  rest(): void {
    this.socket.unref();
  }

  fail(error: unknown): void {
    this.failure ??= error;
    this.target = undefined;
    this.socket.destroy();
    this.waiting?.reject(this.failure);
    this.waiting = undefined;
  }

  /** Waits until a head is there or a target is full. Fails with `late` after so long without a byte of the body. */
  private async wait(limitMs: number, late: TransientError): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    let heard = () => {};
    const listen = () => {
      const seen = this.coming;
      heard = whenSilent(limitMs, () => (this.coming === seen ? this.fail(late) : listen()));
    };
    listen();
    try {
      await new Promise<void>((resolve, reject) => {
        this.waiting = { resolve, reject };
      });
    } finally {
      heard();
    }
  }

  private wake(): void {
    this.waiting?.resolve();
    this.waiting = undefined;
  }

  private nextBuffer(): Uint8Array {
    return this.target === undefined ? this.scratch : this.target.subarray(this.filled);
  }

  /** Takes bytes in; false stops reading until somebody wants more. */
  private received(bytes: number, into: Uint8Array): boolean {
    const { target } = this;
    if (this.coming === 0) return this.receivedHead(into.subarray(0, bytes));
    this.coming -= Math.min(bytes, this.coming);
    if (target === undefined) {
      this.early = Uint8Array.prototype.slice.call(into, 0, bytes);
      return false;
    }
    if (into.buffer === this.scratch.buffer) this.receivedInScratch(target, into.subarray(0, bytes));
    else this.landed(bytes);
    if (this.filled < target.length) return true;
    this.target = undefined;
    this.wake();
    return this.coming === 0;
  }

  /** The first read after a pause goes where the pause left off: into the scratch buffer. */
  private receivedInScratch(target: Uint8Array, piece: Uint8Array): void {
    const wanted = piece.subarray(0, target.length - this.filled);
    copyBytes(target.subarray(this.filled), wanted);
    this.landed(wanted.length);
    this.early = Uint8Array.prototype.slice.call(piece, wanted.length);
  }

  private landed(bytes: number): void {
    this.filled += bytes;
    this.onBytes?.(bytes);
  }

  private receivedHead(piece: Uint8Array): boolean {
    if (this.waiting === undefined) {
      this.fail(new TransientError("bad-answer", "the server sent bytes that nobody asked for"));
      return false;
    }
    this.head = Buffer.concat([this.head, piece]);
    for (;;) {
      const end = this.head.indexOf("\r\n\r\n");
      if (end < 0) break;
      const head = parseHead(this.head.toString("latin1", 0, end));
      if (head === undefined) break;
      this.head = this.head.subarray(end + 4);
      if (head.status < 200) continue; // 100 and 103 announce the answer that follows
      this.begin(head);
      return this.coming === 0;
    }
    if (this.head.length <= maxHeadBytes && !notHttp(this.head)) return true;
    this.fail(new TransientError("bad-answer", "the answer is no HTTP"));
    return false;
  }

  private begin(head: ResponseHead): void {
    const length = Number(head.headers["content-length"] ?? 0);
    this.early = new Uint8Array(this.head.subarray(0, length));
    this.coming = length - this.early.length;
    this.parsed = head;
    this.wake();
  }
}

const notHttp = (bytes: Buffer) => bytes.length > 0 && !"HTTP/1.".startsWith(bytes.toString("latin1", 0, 7));

/** Undefined when it is none. */
function parseHead(text: string): ResponseHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return { status: Number(status), headers };
}
