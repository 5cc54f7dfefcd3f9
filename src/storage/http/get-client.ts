// GETs over a pool of GetConnections, one origin's kept apart from another's.
import { countRetry } from "../counters.js";
import type { Body, BodyAnswer, GetRequest, ResponseHead, TimeoutOptions } from "../remote/exchange.js";
import { TransientError } from "../remote/retry.js";
import { GetConnection } from "./get-connection.js";

/** Statuses whose answers have no body, whatever their headers claim. */
const bodiless = new Set([204, 304]);

export class GetClient {
  private readonly idle = new Map<string, GetConnection[]>();
  private readonly busy = new Set<GetConnection>();

  constructor(private readonly timeouts: Required<TimeoutOptions>) {}

  /**
   * TransientError when there is no answer; undefined when there is one whose length only a general client finds out.
   */
  async get(get: GetRequest, signal?: AbortSignal): Promise<BodyAnswer | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const connection = this.take(get.origin);
      const wasUsed = connection.used;
      try {
        const head = await this.request(connection, get, signal);
        return this.answer(connection, get.origin, head, signal);
      } catch (error) {
        this.busy.delete(connection);
        signal?.throwIfAborted();
        // A server may close an idle connection at the moment it is used again: no fault of anybody's.
        if (!wasUsed || !(error instanceof TransientError) || error.retryCause !== "reset") throw error;
        countRetry(error.retryCause);
      }
    }
  }

  close(): void {
    const closed = new TransientError("reset", "the store was closed");
    for (const connection of [...this.busy, ...[...this.idle.values()].flat()]) connection.fail(closed);
    this.idle.clear();
  }

  private take(origin: string): GetConnection {
    const free = this.idle.get(origin) ?? [];
    let connection = free.pop();
    while (connection?.failure !== undefined) connection = free.pop();
    connection ??= new GetConnection(new URL(origin), this.timeouts);
    this.busy.add(connection);
    return connection;
  }

  private async request(connection: GetConnection, get: GetRequest, signal?: AbortSignal): Promise<ResponseHead> {
    const abort = () => connection.fail(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await connection.request(get);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  private answer(
    connection: GetConnection,
    origin: string,
    head: ResponseHead,
    signal?: AbortSignal,
  ): BodyAnswer | undefined {
    const hasLength = head.headers["content-length"] !== undefined || bodiless.has(head.status);
    if (!hasLength || head.headers["transfer-encoding"] !== undefined) {
      this.busy.delete(connection);
      connection.fail(new TransientError("reset", "an answer without a length"));
      return undefined;
    }
    const abort = () => connection.fail(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const close = () => {
      signal?.removeEventListener("abort", abort);
      if (!this.busy.delete(connection)) return;
      const stays = connection.complete && !/\bclose\b/i.test(head.headers.connection ?? "");
      if (!stays) return connection.fail(new TransientError("reset", "an answer was not read to its end"));
      connection.rest();
      const free = this.idle.get(origin) ?? [];
      this.idle.set(origin, free);
      free.push(connection);
    };
    const body: Body = { read: (target, onBytes) => connection.read(target, onBytes), close };
    return { ...head, body };
  }
}
