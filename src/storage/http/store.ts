// http(s):// objects, to read: any web server, a presigned URL, a model hub that redirects. Servers without ranges are
// read in one piece.
import querystring from "node:querystring";
import { ToolkitError } from "../../errors.js";
import { isHashed, publicUrl } from "../../public-url.js";
import type { ByteRange, ObjectInfo, ReadableStore, StreamOptions } from "../object-store.js";
import type { BodyAnswer, TimeoutOptions } from "../remote/exchange.js";
import { RequestGate } from "../remote/gate.js";
import { KnownObjects, objectChanged } from "../remote/known-objects.js";
import { type RangeAnswer, rangeAnswer } from "../remote/range-source.js";
import { RangeReader } from "../remote/ranges.js";
import { parseRetryAfter, type RetryOptions, RetryPolicy, TransientError } from "../remote/retry.js";
import { HttpClient } from "./http-client.js";

export interface HttpOptions {
  readonly retry?: RetryOptions;
  readonly timeouts?: TimeoutOptions;
  /** Requests under way at once. Default 256. */
  readonly maxRequests?: number;
}

const maxRedirections = 5;

export class HttpStore implements ReadableStore {
  private readonly client: HttpClient;
  private readonly retry: RetryPolicy;
  private readonly gate: RequestGate;
  private readonly ranges: RangeReader;
  private readonly known = new KnownObjects();

  constructor({ retry, timeouts, maxRequests }: HttpOptions = {}) {
    this.client = new HttpClient(timeouts);
    this.retry = new RetryPolicy(retry);
    this.gate = new RequestGate(maxRequests);
    this.ranges = new RangeReader(this.retry, this.gate, this.known);
  }

  /** Asks with a GET of one byte: presigned URLs allow no HEAD, and the answer shows whether ranges work. */
  async stat(url: string, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    const attempt = async () => {
      const range = { start: 0, end: 1 };
      const answer = await this.send(url, range, undefined, signal);
      if (answer.status === 206) await answer.body.read(new Uint8Array(1)); // so that its connection can be used again
      answer.body.close();
      if (answer.status === 404 || answer.status === 410) return undefined;
      const version = versionOf(answer);
      if (answer.status === 416) return { url, byteLength: 0, version, kind: "object" as const };
      this.check(answer, url);
      const { total } = rangeAnswer(answer, range, version);
      if (total !== undefined)
        return { url, byteLength: total, version, kind: "object" as const, sequential: answer.status === 200 };
      throw new ToolkitError("IO_ERROR", "the server does not say how long it is; download it first", { source: url });
    };
    const info = await this.retry.run(attempt, { doing: "cannot look at it", source: url, signal });
    this.known.looked(url, info);
    return info;
  }

  async read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.ranges.read(this.source(url), range, target, signal);
  }

  async *stream(url: string, options: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const info = this.known.infoOf(url) ?? (await this.stat(url, options.signal));
    if (info === undefined) throw new ToolkitError("NOT_FOUND", "no such object", { source: url });
    yield* this.ranges.stream(this.source(url), info, options);
  }

  async list(url: string): Promise<ObjectInfo[]> {
    throw new ToolkitError(
      "UNSUPPORTED_URL",
      "folders cannot be listed over http; name each file, {000..146} expands",
      {
        source: url,
      },
    );
  }

  async close(): Promise<void> {
    this.known.clear();
    await this.client.close();
  }

  private source(url: string) {
    const get = async (range: ByteRange, version: string | undefined, signal?: AbortSignal): Promise<RangeAnswer> => {
      const answer = await this.send(url, range, version, signal);
      if (answer.status === 416) {
        answer.body.close();
        throw new ToolkitError("IO_ERROR", "expected more bytes, found the end of the object", {
          source: url,
          offset: range.start,
        });
      }
      this.check(answer, url);
      return rangeAnswer(answer, range, versionOf(answer));
    };
    return { url, get };
  }

  private async send(
    url: string,
    range: ByteRange,
    version: string | undefined,
    signal?: AbortSignal,
  ): Promise<BodyAnswer> {
    const common = {
      range: `bytes=${range.start}-${range.end - 1}`,
      "accept-encoding": "identity",
      ...(version?.startsWith('"') ? { "if-match": version } : {}),
    };
    let place = parseUrl(url);
    const { origin } = place;
    const login = loginOf(place);
    for (let redirections = 0; ; redirections++) {
      // The server that we are sent on to does not get the password.
      const headers = login === undefined || place.origin !== origin ? common : { ...common, authorization: login };
      const path = place.pathname + place.search;
      const answer = await this.client.get({ origin: place.origin, path, headers }, signal);
      const { location } = answer.headers;
      if (answer.status < 300 || answer.status >= 400 || location === undefined) return answer;
      answer.body.close();
      if (redirections >= maxRedirections)
        throw new ToolkitError("IO_ERROR", `redirected more than ${maxRedirections} times`, { source: url });
      place = redirectedTo(location, place, url);
    }
  }

  /** Throws what a status other than success means. */
  private check({ status, headers, body }: BodyAnswer, source: string): void {
    if (status === 200 || status === 206) return;
    body.close();
    if (status === 404 || status === 410) throw new ToolkitError("NOT_FOUND", "no such object", { source });
    if (status === 401 || status === 403) {
      const cure = status === 401 ? "; a user name and a password stand in the URL, and in no saved setting" : "";
      const message = `the server refuses access (status ${status}); a signed URL may have expired${cure}`;
      throw new ToolkitError("ACCESS_DENIED", message, { source });
    }
    if (status === 412) throw objectChanged(source);
    const throttled = status === 429 || status === 503;
    if (throttled) this.gate.throttled();
    if (throttled || status === 408 || status >= 500) {
      const cause = throttled ? "throttled" : "server-error";
      throw new TransientError(cause, `status ${status}`, { retryAfterMs: parseRetryAfter(headers["retry-after"]) });
    }
    throw new ToolkitError("IO_ERROR", `unexpected status ${status}`, { source });
  }
}

/** A weak ETag still changes with the object. */
function versionOf({ headers }: BodyAnswer): string {
  return headers.etag ?? headers["last-modified"] ?? "";
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url)) throw new ToolkitError("UNSUPPORTED_URL", "not a valid URL", { source: url });
  const parsed = new URL(url);
  if (!isHashed(parsed.search)) return parsed;
  const message = "this is what is shown of a URL, with a hash for its query; give the URL as it was";
  throw new ToolkitError("UNSUPPORTED_URL", message, { source: url });
}

/** The target of a redirection. Throws IO_ERROR for anything but http and https. */
function redirectedTo(location: string, from: URL, source: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to?.protocol === "http:" || to?.protocol === "https:") return to;
  throw new ToolkitError("IO_ERROR", `redirected to ${publicUrl(location)}, which is not an http URL`, { source });
}

/** What HTTP's Basic scheme makes of a URL with a user name or a password. */
function loginOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  // A percent sign that begins no code stands for itself, as everywhere in URLs.
  return `Basic ${Buffer.from(`${querystring.unescape(username)}:${querystring.unescape(password)}`).toString("base64")}`;
}
