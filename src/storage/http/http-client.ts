// One HTTP request and its answer, over undici: pooled connections, timeouts for each phase, failures as what they mean
// for a retry. Bodies are handed out unread; the receiver reads or destroys them.
import type { Readable } from "node:stream";
import { Agent } from "undici";
import { count } from "../counters.js";
import type { BodyAnswer, GetRequest, ResponseHead, TimeoutOptions } from "../remote/exchange.js";
import { TransientError } from "../remote/retry.js";
import { ReadableBody } from "./body.js";
import { GetClient } from "./get-client.js";
import { asTransient } from "./network-errors.js";
import { whenSilent } from "./silence.js";

export interface HttpRequest extends GetRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly body?: Uint8Array | string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer extends ResponseHead {
  readonly body: Readable;
}

/** A slow uplink is not a dead server: uploads get the time for this many bytes a second. */
const leastUploadBytesPerSecond = 100_000;

export class HttpClient {
  private agent: Agent | undefined;
  private readonly bulk: GetClient;
  private readonly timeouts: Required<TimeoutOptions>;

  constructor({ connectMs = 10_000, firstByteMs = 30_000, stallMs = 20_000 }: TimeoutOptions = {}) {
    this.timeouts = { connectMs, firstByteMs, stallMs };
    this.bulk = new GetClient(this.timeouts);
  }

  /** Any status is an answer. TransientError when there is none. */
  async send({ method, origin, path, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    const size = body === undefined ? 0 : Buffer.byteLength(body);
    const firstByteMs = this.timeouts.firstByteMs + (1000 * size) / leastUploadBytesPerSecond;
    const late = new AbortController();
    const heard = whenSilent(firstByteMs, () => late.abort());
    // Once the head is there the signal still ends the body, the timer no longer does.
    const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    count("requests", 1);
    try {
      const answer = await this.connect().request({
        origin,
        path,
        method,
        headers,
        body: body ?? null,
        signal: both,
      });
      // Its reader gets the error; until then there may be none, and that must not end the process.
      answer.body.on("error", () => {});
      return { status: answer.statusCode, headers: flatten(answer.headers), body: answer.body };
    } catch (error) {
      signal?.throwIfAborted();
      if (late.signal.aborted) throw new TransientError("first-byte", `no answer within ${Math.round(firstByteMs)} ms`);
      throw asTransient(error);
    } finally {
      heard();
    }
  }

  /**
   * A GET whose body goes straight to where its reader wants it, for the bulk of what is read. Any status is an answer;
   * redirections are answers too.
   */
  async get(get: GetRequest, signal?: AbortSignal): Promise<BodyAnswer> {
    count("requests", 1);
    const answer = await this.bulk.get(get, signal);
    if (answer !== undefined) return answer;
    const { status, headers: found, body } = await this.send({ method: "GET", ...get, signal });
    return { status, headers: found, body: new ReadableBody(body, this.timeouts.stallMs) };
  }

  /** A small body as a whole. TransientError when it breaks or takes too long. */
  async collect(body: Readable): Promise<Buffer> {
    const { stallMs } = this.timeouts;
    const late = new TransientError("stall", `a short answer took over ${stallMs} ms`);
    const heard = whenSilent(stallMs, () => body.destroy(late));
    try {
      return Buffer.concat(await body.toArray());
    } catch (error) {
      throw asTransient(error);
    } finally {
      heard();
    }
  }

  /** Ends all connections, those in use too. */
  async close(): Promise<void> {
    const { agent } = this;
    this.agent = undefined;
    this.bulk.close();
    await agent?.destroy();
  }

  private connect(): Agent {
    if (this.agent !== undefined) return this.agent;
    // The timeouts of undici run while a consumer pauses; ours do not.
    this.agent = new Agent({
      connect: { timeout: this.timeouts.connectMs },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return this.agent;
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const entries = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
