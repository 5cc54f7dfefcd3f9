// Bytes of a remote object, whatever happens on the way: an answer that breaks, stalls or ends early is continued at
// its byte, on the same version of the object. Transports define how one request is made; everything that makes
// requests dependable is here.
import { ToolkitError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { count } from "../counters.js";
import type { ByteRange, ObjectInfo, StreamOptions } from "../object-store.js";
import { reading } from "./activity.js";
import { ReadCoalescer } from "./coalesce.js";
import { skip } from "./exchange.js";
import type { RequestGate } from "./gate.js";
import { checkVersion, type KnownObjects } from "./known-objects.js";
import { PartBuffers } from "./part-buffers.js";
import type { RangeAnswer, RangeSource, ReadRequest } from "./range-source.js";
import { type RetryPolicy, TransientError } from "./retry.js";
import { readSequentially } from "./sequential.js";

/** A range larger than this is read by several requests at once: what S3 recommends for throughput is 8 to 16 MiB. */
const partBytes = 8 << 20;
/** Parts of one stream, and of one read, that are under way together. */
const partsInFlight = 8;
/** Parts of a stream of which only the beginning is wanted. */
const peekBytes = 256 << 10;

export class RangeReader {
  private readonly buffers = new PartBuffers(partBytes);
  private readonly coalescer = new ReadCoalescer((request) => this.readRange(request));

  constructor(
    private readonly retry: RetryPolicy,
    private readonly gate: RequestGate,
    private readonly known: KnownObjects,
  ) {}

  /**
   * The range, in `target` where one is given, of the version that is known. IO_ERROR when the object is shorter,
   * OBJECT_CHANGED.
   */
  async read(source: RangeSource, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = target ?? new Uint8Array(range.end - range.start);
    const version = this.known.versionOf(source.url);
    const found = await this.coalescer.submit({ source, range, target: bytes, version, signal });
    this.known.read(source.url, found);
    return bytes;
  }

  private async readRange({ source, range, target, version, signal }: ReadRequest): Promise<string | undefined> {
    let seen = version;
    const parts = splitRange(range, partBytes);
    const readPart = async (part: ByteRange, both: AbortSignal | undefined) => {
      const piece = target.subarray(part.start - range.start, part.end - range.start);
      seen = await this.readPart({ source, range: part, target: piece, version: seen, signal: both });
    };
    const [first] = parts;
    if (first === undefined) return seen;
    if (parts.length === 1 || seen === undefined) await readPart(first, signal);
    const rest = parts.length === 1 ? [] : version === undefined ? parts.slice(1) : parts;
    for await (const _ of mapOrdered(rest, readPart, { limit: partsInFlight, signal }));
    return seen;
  }

  /**
   * The object's bytes from `start` on, by parallel ranges, in order. Every range is read into memory as fast as it
   * comes, so a consumer that pauses holds no connection open.
   */
  async *stream(source: RangeSource, info: ObjectInfo, options: StreamOptions): AsyncGenerator<Uint8Array> {
    const { start = 0, reuseChunks = false, peek = false, signal } = options;
    if (start >= info.byteLength) return;
    if (info.sequential) {
      yield* readSequentially(source, info, start, { retry: this.retry, signal });
      return;
    }
    const readPart = async (range: ByteRange, both: AbortSignal) => {
      const buffer = this.buffers.take();
      const target = buffer.subarray(0, range.end - range.start);
      await this.readPart({ source, range, target, version: info.version, signal: both });
      return { buffer, target };
    };
    const parts = splitRange({ start, end: info.byteLength }, peek ? peekBytes : partBytes);
    const limit = peek ? 1 : partsInFlight;
    for await (const { buffer, target } of mapOrdered(parts, readPart, { limit, signal })) {
      yield target;
      if (reuseChunks) this.buffers.giveBack(buffer);
    }
  }

  /** One range by one request, and by as many more as it takes to continue it. */
  private async readPart({ source, range, target, version, signal }: ReadRequest): Promise<string | undefined> {
    let filled = 0;
    let seen = version;
    const attempt = () =>
      this.gate.run(async () => {
        const wanted = { start: range.start + filled, end: range.end };
        const answer = await source.get(wanted, seen, signal);
        try {
          checkVersion(answer.version, seen, source.url);
          seen ??= answer.version;
          checkReaches(answer, range.end, source.url);
          await this.copy(answer, wanted, target.subarray(filled), (bytes) => {
            filled += bytes;
          });
        } finally {
          answer.body.close();
        }
      }, signal);
    const about = { doing: "cannot read it", source: source.url, signal, progress: () => filled };
    await reading(() => this.retry.run(attempt, about));
    return seen;
  }

  /** Copies what of the answer falls into `wanted`; `onBytes` gets every piece as it lands. */
  private async copy(answer: RangeAnswer, wanted: ByteRange, target: Uint8Array, onBytes: (bytes: number) => void) {
    await skip(answer.body, wanted.start - answer.start);
    const bytes = await answer.body.read(target, (landed) => {
      count("bytesRead", landed);
      onBytes(landed);
    });
    if (bytes < target.length)
      throw new TransientError("short-body", `the answer ended ${target.length - bytes} bytes early`);
  }
}

function splitRange({ start, end }: ByteRange, byteLength: number): ByteRange[] {
  const count = Math.ceil((end - start) / byteLength);
  return Array.from({ length: count }, (_, i) => ({
    start: start + i * byteLength,
    end: Math.min(end, start + (i + 1) * byteLength),
  }));
}

function checkReaches({ total }: RangeAnswer, end: number, source: string): void {
  if (total === undefined || total >= end) return;
  const facts = { source, offset: total };
  throw new ToolkitError("IO_ERROR", `expected bytes up to ${end}, found the end of the object`, facts);
}
