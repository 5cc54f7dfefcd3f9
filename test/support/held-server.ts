// A web server of a folder that keeps what it is told to back until it is let go: whoever reads from it cannot come to
// its end before.
import { open, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { TestContext } from "node:test";

export interface HeldServer {
  /** Of a file of the folder. */
  url(name: string): string;
  /** Answers what is held. */
  release(): void;
  /** Decides what is held of reads that come from now on. */
  hold: Hold;
}

/**
 * Where in a file the bytes begin that are held; undefined: nowhere. So many reads of the file were begun before this
 * one.
 */
export type Hold = (name: string, readsBefore: number, byteLength: number) => number | undefined;

const holdNothing: Hold = () => undefined;

const isShard = (name: string) => name.endsWith(".arrow");

/** What it returns tells how often shards were read since. */
export function countReads(served: HeldServer): () => number {
  let count = 0;
  served.hold = (name) => {
    if (isShard(name)) count++;
    return undefined;
  };
  return () => count;
}

/**
 * Holds the shards from now on when they have been read for `share` of as often as a whole run did: such a run gets
 * about so far and no farther.
 */
export function holdPartWay(served: HeldServer, readsOfWhole: number, share = 0.5): void {
  const reads = countReads(served);
  const { hold } = served;
  served.hold = (...read) => {
    hold(...read);
    return isShard(read[0]) && reads() > share * readsOfWhole ? 0 : undefined;
  };
}

/**
 * Serves with ranges and ETags, for the time of a test. Reads of one byte only look whether the file is there, and are
 * never held.
 */
export async function heldServer(t: TestContext, folder: string, hold: Hold = holdNothing): Promise<HeldServer> {
  const reads = new Map<string, number>();
  const held = new Set<() => void>();
  const served: HeldServer = {
    url: (name) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`,
    hold,
    release: () => {
      served.hold = holdNothing;
      for (const letGo of held) letGo();
      held.clear();
    },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const name = decodeURIComponent(new URL(request.url ?? "", "http://host").pathname.slice(1));
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    if (info === undefined || !info.isFile()) return response.writeHead(404).end();
    const [, from = "0", to = String(info.size - 1)] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const [start, end] = [Number(from), Math.min(Number(to || info.size - 1) + 1, info.size)];
    const head = {
      "content-length": end - start,
      "content-range": `bytes ${start}-${end - 1}/${info.size}`,
      etag: `"${info.mtimeMs}-${info.size}"`,
    };
    response.writeHead(206, head);
    const before = reads.get(name) ?? 0;
    const looks = end - start <= 1;
    if (!looks) reads.set(name, before + 1);
    const limit = looks ? end : Math.min(end, Math.max(start, served.hold(name, before, info.size) ?? end));
    await using handle = await open(file);
    const bytes = Buffer.alloc(end - start);
    await handle.read(bytes, 0, bytes.length, start);
    response.write(bytes.subarray(0, limit - start));
    if (limit < end) await new Promise<void>((resolve) => held.add(resolve));
    return response.end(bytes.subarray(limit - start));
  };
  const server = createServer((request, response) => {
    response.on("error", () => {});
    answer(request, response).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    served.release();
    server.closeAllConnections();
    server.close();
  });
  return served;
}
