// A proxy that breaks off conversations at a chosen phase, below HTTP and TLS: what networks, load balancers and dying
// servers do.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { resetConnection } from "./fault-proxy.js";

/**
 * When a conversation is broken off: as a connection is accepted; when a request has arrived, before it is passed on;
 * after 20 bytes of the answer, within its head; after 700 bytes, within a body that is not tiny; before a second
 * request on the same connection is passed on.
 */
export const phases = ["accepted", "requested", "head", "body", "again"] as const;
export type Phase = (typeof phases)[number];

/**
 * Nothing comes any more; the sending side is closed in good order while the other stays open; the connection is reset.
 */
export const breaks = ["stall", "half-close", "reset"] as const;
export type Break = (typeof breaks)[number];

export interface Cut {
  readonly phase: Phase;
  readonly break: Break;
}

/** Phases at which an attempt brings nothing: what is broken off there every time cannot succeed bit by bit. */
export const barrenPhases = ["accepted", "requested", "head"] as const satisfies readonly Phase[];

/** Every way to break off at every phase. */
export const allCuts: readonly Cut[] = phases.flatMap((phase) => breaks.map((how) => ({ phase, break: how })));

/** Bytes of an answer that still pass, of phases within one. */
const bytesBefore = { head: 20, body: 700 } as const;

export class PhaseProxy {
  /** Cuts that were made, as in "head reset". */
  readonly made: string[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly target: URL,
    private readonly server: Server,
  ) {}

  /**
   * Asked for every request, as it begins or as its connection is accepted; undefined lets it pass. May be set at any
   * time.
   */
  decide: () => Cut | undefined = () => undefined;
  /** Asked where an answer that passes is longer than 700 bytes. */
  decideInBody: () => Break | undefined = () => undefined;

  get endpoint(): string {
    return `${this.target.protocol}//localhost:${(this.server.address() as AddressInfo).port}`;
  }

  static async start(target: string): Promise<PhaseProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const proxy = new PhaseProxy(new URL(target), server);
    server.on("connection", (client) => proxy.accept(client));
    server.listen(0, "localhost");
    await once(server, "listening");
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Makes each of the given cuts once, at four requests in five: one that is tried ten times comes through. */
  cutMost(cuts: readonly Cut[]): void {
    let requests = 0;
    // A cut that could not be made, because the connection was not used again, is still to be made.
    const left = (inBody: boolean) =>
      cuts.filter((cut) => (cut.phase === "body") === inBody && !this.made.includes(`${cut.phase} ${cut.break}`));
    this.decide = () => {
      const others = left(false);
      return requests++ % 5 === 4 ? undefined : others[requests % others.length];
    };
    this.decideInBody = () => left(true)[0]?.break;
  }

  /** Lets `passed` requests through and breaks off all that follow. */
  cutAllAfter(passed: number, cut: Cut): void {
    let requests = 0;
    this.decide = () => (requests++ < passed ? undefined : cut);
    this.decideInBody = () => undefined;
  }

  /** Breaks nothing off any more, and forgets what was. */
  reset(): void {
    this.decide = () => undefined;
    this.decideInBody = () => undefined;
    this.made.length = 0;
  }

  private accept(client: Socket): void {
    const { hostname, port } = this.target;
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket)).on("error", () => {});
    }
    client.on("close", () => upstream.destroy());
    let cut = this.decide();
    let answered = 0;
    let requests = 0;
    let broken = false;
    const breakOff = ({ phase, break: how }: Cut) => {
      broken = true;
      this.made.push(`${phase} ${how}`);
      upstream.destroy();
      if (how === "reset") resetConnection(client);
      else if (how === "half-close") client.end();
    };
    if (cut?.phase === "accepted") breakOff(cut);
    client.on("end", () => client.end());
    client.on("data", (bytes) => {
      if (broken) return;
      if (requests === 0 || answered > 0) {
        if (requests > 0 && cut?.phase !== "again") cut = this.decide();
        answered = 0;
        requests++;
        if (cut?.phase === "requested" || cut?.phase === "accepted" || (cut?.phase === "again" && requests > 1))
          return breakOff(cut);
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (broken) return;
      const before = answered;
      answered += bytes.length;
      if (cut?.phase !== "head" && before < bytesBefore.body && answered >= bytesBefore.body) {
        const how = this.decideInBody();
        if (how !== undefined) cut = { phase: "body", break: how };
      }
      const within = cut?.phase === "head" || cut?.phase === "body" ? bytesBefore[cut.phase] : Number.POSITIVE_INFINITY;
      const passed = bytes.subarray(0, Math.max(0, within - before));
      if (passed.length > 0) client.write(passed);
      if (cut !== undefined && answered >= within) breakOff(cut);
    });
    upstream.on("end", () => {
      if (!broken) client.end();
    });
    upstream.on("close", () => {
      if (!broken) client.destroySoon();
    });
  }
}
