// What storage did, counted: a run's report contains how many requests and retries it took. One tally per thread;
// threads add theirs up.

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
  /** Bytes of object bodies. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Requests made again, in all and by cause; causes that did not occur are absent. */
  readonly retries: number;
  readonly retriesByCause: Readonly<Partial<Record<RetryCause, number>>>;
}

// Counted for every piece that lands, so kept as plain numbers.
const tally = { requests: 0, bytesRead: 0, bytesWritten: 0 };
const retries = new Map<RetryCause, number>();

/** Everything this thread's stores did so far, and what other threads reported to it. */
export function storageCounters(): StorageCounters {
  const all = [...retries.values()].reduce((sum, count) => sum + count, 0);
  return { ...tally, retries: all, retriesByCause: Object.fromEntries(retries) };
}

export function countersSince(start: StorageCounters): StorageCounters {
  const now = storageCounters();
  const causes = retryCauses.map((cause) => {
    return [cause, (now.retriesByCause[cause] ?? 0) - (start.retriesByCause[cause] ?? 0)] as const;
  });
  return {
    requests: now.requests - start.requests,
    bytesRead: now.bytesRead - start.bytesRead,
    bytesWritten: now.bytesWritten - start.bytesWritten,
    retries: now.retries - start.retries,
    retriesByCause: Object.fromEntries(causes.filter(([, count]) => count !== 0)),
  };
}

export function count(what: "requests" | "bytesRead" | "bytesWritten", by: number): void {
  tally[what] += by;
}

export function countRetry(cause: RetryCause, by = 1): void {
  retries.set(cause, (retries.get(cause) ?? 0) + by);
}

/** Takes over what another thread counted. */
export function absorbCounters(other: StorageCounters): void {
  for (const what of ["requests", "bytesRead", "bytesWritten"] as const) count(what, other[what]);
  for (const cause of retryCauses) {
    const times = other.retriesByCause[cause];
    if (times !== undefined) countRetry(cause, times);
  }
}
