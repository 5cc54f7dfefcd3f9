// A proxy in front of a service that does to chosen requests what networks and services do: breaks, stalls, refuses,
// damages.
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";

export type Fault =
  /**
   * The connection is reset after so many bytes of the body; with `beforeAnswer`, before its head, though the service
   * has done what was asked.
   */
  | { readonly kind: "reset"; readonly afterBytes: number }
  | { readonly kind: "lost-answer" }
  /** The connection is closed in good order, too early. */
  | { readonly kind: "short"; readonly afterBytes: number }
  /** Nothing comes any more. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly code: string;
      readonly headers?: Record<string, string>;
    }
  /** The answer is the whole object, whatever range was asked for. */
  | { readonly kind: "ignore-range" }
  | { readonly kind: "flip"; readonly atByte: number }
  /** Runs when so many bytes have passed. */
  | { readonly kind: "call"; readonly afterBytes: number; call(): Promise<void> };

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly range: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

export class FaultProxy {
  /** Faults that were done. */
  faults = 0;
  readonly seen: SeenRequest[] = [];
  private readonly agent = new Agent({ keepAlive: true });
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly target: URL,
    private readonly server: Server,
  ) {}

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  /** What happens to a request; may be set at any time. */
  decide: (request: SeenRequest) => Fault | undefined = () => undefined;

  /** A signature covers the range: only somebody with a key of his own can ask for all. */
  readWhole: (path: string) => Promise<{ readonly bytes: Uint8Array; readonly etag: string }> = () =>
    Promise.reject(new Error("not set"));

  static async start(target: string): Promise<FaultProxy> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const proxy = new FaultProxy(new URL(target), server);
    server.on("connection", (socket) => {
      proxy.sockets.add(socket);
      socket.on("close", () => proxy.sockets.delete(socket)).on("error", () => {});
    });
    const handle = (incoming: IncomingMessage, outgoing: ServerResponse) => proxy.forward(incoming, outgoing);
    server.on("request", handle).on("checkContinue", (incoming, outgoing) => {
      outgoing.writeContinue();
      handle(incoming, outgoing);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.agent.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = "", url = "", headers } = incoming;
    const seen = { method, path: url, range: headers.range, headers };
    this.seen.push(seen);
    const fault = this.decide(seen);
    if (fault !== undefined) this.faults++;
    if (fault?.kind === "status") {
      incoming.resume().on("end", () => refuse(outgoing, fault.status, fault.code, fault.headers));
      return;
    }
    if (fault?.kind === "ignore-range") {
      void this.readWhole(url).then(({ bytes, etag }) =>
        outgoing.writeHead(200, { "content-length": bytes.length, etag }).end(bytes),
      );
      return;
    }
    const passed = { ...headers, connection: "keep-alive" };
    const { hostname, port } = this.target;
    const upstream = request({ hostname, port, method, path: url, headers: passed, agent: this.agent });
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
    upstream.on("response", (answer) => {
      answer.on("error", () => outgoing.destroy());
      if (fault?.kind === "lost-answer") {
        answer.resume().on("end", () => outgoing.socket && resetConnection(outgoing.socket));
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      void passBody(answer, outgoing, fault);
    });
    outgoing.on("close", () => upstream.destroy());
  }
}

/**
 * Resets a connection. The system refuses that (EINVAL) between the request to shut the sending side down and its
 * completion, as after a client has closed; Node then takes the handle for closed, does not close it, and waits for it
 * without end when the process exits.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

function refuse(outgoing: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>made up</Message></Error>`;
  outgoing
    .writeHead(status, { "content-type": "application/xml", "content-length": body.length, ...headers })
    .end(body);
}

async function passBody(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): Promise<void> {
  let position = 0;
  const until = fault !== undefined && "afterBytes" in fault ? fault.afterBytes : Number.POSITIVE_INFINITY;
  let called = false;
  const closed = new Promise((resolve) => outgoing.once("close", resolve));
  const reached = async (): Promise<boolean> => {
    if (fault?.kind === "call") {
      if (!called) await fault.call();
      called = true;
      return false;
    }
    if (fault?.kind === "stall") await closed;
    else if (outgoing.socket !== null && fault?.kind === "reset") resetConnection(outgoing.socket);
    else outgoing.socket?.end();
    return true;
  };
  try {
    for await (const bytes of answer as AsyncIterable<Buffer>) {
      const chunk = fault?.kind === "call" ? bytes : bytes.subarray(0, Math.max(0, until - position));
      if (fault?.kind === "flip" && position <= fault.atByte && fault.atByte < position + chunk.length)
        chunk[fault.atByte - position] = (chunk[fault.atByte - position] as number) ^ 0x10;
      if (chunk.length > 0 && !outgoing.write(chunk))
        await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), closed]);
      position += bytes.length;
      if (outgoing.destroyed || (position >= until && (await reached()))) return;
    }
    if (position <= until && until < Number.POSITIVE_INFINITY && fault?.kind !== "call" && (await reached())) return;
    outgoing.end();
  } catch {
    outgoing.destroy();
  }
}
