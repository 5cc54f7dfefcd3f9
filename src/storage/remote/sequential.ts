// The body of an object on a server that knows no ranges: one long answer, held back by its consumer. When it breaks,
// another is asked for and read up to where the first ended.
import { count } from "../counters.js";
import type { ObjectInfo } from "../object-store.js";
import { reading } from "./activity.js";
import { type Body, skip } from "./exchange.js";
import { checkVersion } from "./known-objects.js";
import type { RangeSource } from "./range-source.js";
import { type RetryPolicy, TransientError } from "./retry.js";

interface SequentialOptions {
  readonly retry: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
}

const chunkBytes = 1 << 20;

/** The object's bytes from `start` on. */
export async function* readSequentially(
  source: RangeSource,
  { byteLength, version }: ObjectInfo,
  start: number,
  { retry, signal }: SequentialOptions,
): AsyncGenerator<Uint8Array> {
  let position = start;
  let body: Body | undefined;
  const open = async (): Promise<Body> => {
    const answer = await source.get({ start: position, end: byteLength }, version, signal);
    body = answer.body;
    checkVersion(answer.version, version, source.url);
    await skip(body, position - answer.start);
    return body;
  };
  const readChunk = async () => {
    try {
      const chunk = new Uint8Array(Math.min(chunkBytes, byteLength - position));
      const bytes = await reading(async () => (body ?? (await open())).read(chunk));
      if (bytes === 0) throw new TransientError("short-body", `the answer ended ${byteLength - position} bytes early`);
      return chunk.subarray(0, bytes);
    } catch (error) {
      body?.close();
      body = undefined;
      throw error;
    }
  };
  try {
    while (position < byteLength) {
      const about = { doing: "cannot read it", source: source.url, signal, progress: () => position };
      const chunk = await retry.run(readChunk, about);
      position += chunk.length;
      count("bytesRead", chunk.length);
      yield chunk;
    }
  } finally {
    body?.close();
  }
}
