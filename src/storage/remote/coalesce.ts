// Small reads of one object that are asked for together become one request: a service charges by the request, and each
// costs a round trip.
import { copyBytes } from "../../native/index.js";
import type { ReadRequest } from "./range-source.js";

/** Reads of at least this go their own way: together they would be no faster. */
const smallBytes = 1 << 20;
/** Bytes between two reads that may be read in vain. */
const maxGapBytes = 128 << 10;
const maxMergedBytes = 8 << 20;

type Read = (request: ReadRequest) => Promise<string | undefined>;

interface Waiting {
  readonly request: ReadRequest;
  resolve(version: string | undefined): void;
  reject(error: unknown): void;
}

export class ReadCoalescer {
  private waiting: Waiting[] = [];

  constructor(private readonly read: Read) {}

  /** Reads like `read`, but small requests wait for the others of this turn of the event loop. */
  submit(request: ReadRequest): Promise<string | undefined> {
    if (request.target.length >= smallBytes) return this.read(request);
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, resolve, reject });
      if (this.waiting.length === 1) setImmediate(() => this.flush());
    });
  }

  private flush(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const group of mergeable(waiting)) {
      const [first] = group;
      if (first === undefined) continue;
      if (group.length === 1) this.read(first.request).then(first.resolve, first.reject);
      else void this.readMerged(first.request, group);
    }
  }

  private async readMerged(first: ReadRequest, group: readonly Waiting[]): Promise<void> {
    const start = first.range.start;
    const end = Math.max(...group.map(({ request }) => request.range.end));
    const target = new Uint8Array(end - start);
    try {
      const version = await this.read({ ...first, range: { start, end }, target });
      for (const { request, resolve } of group) {
        const { range } = request;
        copyBytes(request.target, target.subarray(range.start - start, range.end - start));
        resolve(version);
      }
    } catch {
      // One of them may ask for what is not there; each gets what is wrong with its own.
      for (const { request, resolve, reject } of group) this.read(request).then(resolve, reject);
    }
  }
}

/**
 * Groups of reads that lie close together in one version of one object and end with one signal, each in the order of
 * their starts.
 */
function mergeable(waiting: readonly Waiting[]): Waiting[][] {
  const sorted = [...waiting].sort(
    (a, b) => compare(a.request.source.url, b.request.source.url) || a.request.range.start - b.request.range.start,
  );
  const groups: Waiting[][] = [];
  for (const each of sorted) {
    const group = groups.at(-1);
    if (group !== undefined && belongs(group, each.request)) group.push(each);
    else groups.push([each]);
  }
  return groups;
}

function belongs(group: readonly Waiting[], { source, range, version, signal }: ReadRequest): boolean {
  const first = (group[0] as Waiting).request;
  const end = Math.max(...group.map(({ request }) => request.range.end));
  return (
    first.source.url === source.url &&
    first.version === version &&
    first.signal === signal &&
    range.start - end <= maxGapBytes &&
    range.end - first.range.start <= maxMergedBytes
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
