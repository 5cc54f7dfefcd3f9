// What a transport has to offer for its objects to be read dependably: one request for a range, and what came of it.
import type { ByteRange } from "../object-store.js";
import type { Body, BodyAnswer, ResponseHead } from "./exchange.js";
import { TransientError } from "./retry.js";

/** What a GET for a range brought: `body` is the object's bytes from `start` to `end`, of `total` in all. */
export interface RangeAnswer {
  readonly start: number;
  /** Undefined when the server does not report how many bytes it sends. */
  readonly end: number | undefined;
  readonly total: number | undefined;
  /** The ETag, or what else changes with the object; undefined where the server sends nothing. */
  readonly version: string | undefined;
  readonly body: Body;
}

/** One object, and how to ask for its bytes once. Throws TransientError for what is worth another attempt. */
export interface RangeSource {
  readonly url: string;
  get(range: ByteRange, version: string | undefined, signal: AbortSignal | undefined): Promise<RangeAnswer>;
}

export interface ReadRequest {
  readonly source: RangeSource;
  readonly range: ByteRange;
  readonly target: Uint8Array;
  /** The version that the bytes must be of; the first answer's when undefined. */
  readonly version: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The answer to a ranged GET as what it holds. A 200 is the whole object, whatever was asked for. Anything that cannot
 * be trusted is a TransientError: something between us and the server made it up.
 */
export function rangeAnswer(answer: BodyAnswer, wanted: ByteRange, version: string | undefined): RangeAnswer {
  try {
    return { ...rangeOf(answer, wanted), version, body: answer.body };
  } catch (error) {
    answer.body.close();
    throw error;
  }
}

function rangeOf({ status, headers }: ResponseHead, wanted: ByteRange): Pick<RangeAnswer, "start" | "end" | "total"> {
  const length = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
  const bad = (found: string) =>
    new TransientError("bad-answer", `asked for bytes ${wanted.start}-${wanted.end - 1}, the answer is ${found}`);
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") throw bad(`encoded as ${encoding}`);
  if (status === 200) return { start: 0, end: length, total: length };
  const found = headers["content-range"];
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(found ?? "") ?? [];
  if (status !== 206 || from === undefined) throw bad(`status ${status} with content-range ${found}`);
  const [start, end] = [Number(from), Number(to) + 1];
  if (start !== wanted.start || end > wanted.end || (length !== undefined && length !== end - start))
    throw bad(`content-range ${found} of ${length} bytes`);
  return { start, end, total: total === "*" ? undefined : Number(total) };
}
