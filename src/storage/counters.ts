// What storage did, counted: a run's report says how many requests and retries it took. One tally per thread; threads add theirs up.

/** Why a request was made again. */
export const retryCauses = [
  "connect",
  "reset",
  "first-byte",
  "stall",
  "short-body",
  "throttled",
  "server-error",
  "credentials",
  "bad-answer",
  "checksum",
] as const;

export type RetryCause = (typeof retryCauses)[number];

export interface StorageCounters {
  readonly requests: number;
  /** Of object bodies. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Requests made again, in all and by cause; causes that did not occur are absent. */
  readonly retries: number;
  readonly retriesByCause: Readonly<Partial<Record<RetryCause, number>>>;
}

export const noTraffic: StorageCounters = {
  requests: 0,
  bytesRead: 0,
  bytesWritten: 0,
  retries: 0,
  retriesByCause: {},
};

/** `b` times `sign` added to `a`. */
function combine(a: StorageCounters, b: StorageCounters, sign: 1 | -1): StorageCounters {
  const causes = retryCauses.map((cause) => {
    const count = (a.retriesByCause[cause] ?? 0) + sign * (b.retriesByCause[cause] ?? 0);
    return [cause, count] as const;
  });
  return {
    requests: a.requests + sign * b.requests,
    bytesRead: a.bytesRead + sign * b.bytesRead,
    bytesWritten: a.bytesWritten + sign * b.bytesWritten,
    retries: a.retries + sign * b.retries,
    retriesByCause: Object.fromEntries(causes.filter(([, count]) => count !== 0)),
  };
}

export const addCounters = (a: StorageCounters, b: StorageCounters): StorageCounters => combine(a, b, 1);

let tally: StorageCounters = noTraffic;

/** Everything this thread's stores did so far, and what other threads reported to it. */
export function storageCounters(): StorageCounters {
  return tally;
}

export function countersSince(start: StorageCounters): StorageCounters {
  return combine(tally, start, -1);
}

export function count(what: Partial<Pick<StorageCounters, "requests" | "bytesRead" | "bytesWritten">>): void {
  tally = addCounters(tally, { ...noTraffic, ...what });
}

export function countRetry(cause: RetryCause): void {
  tally = addCounters(tally, { ...noTraffic, retries: 1, retriesByCause: { [cause]: 1 } });
}

/** Takes over what another thread counted. */
export function absorbCounters(other: StorageCounters): void {
  tally = addCounters(tally, other);
}
