// Waiting for conditions: never for a time. The limit is for a condition that never comes true, on the slowest machine
// too.
import { setTimeout as sleep } from "node:timers/promises";

/** Five minutes: what never happens is reported by its name and not by the runner's own limit. */
export const patienceMs = 300_000;

/**
 * Resolves with the first result of `look` that is neither false nor undefined; `what` completes "waited in vain
 * until".
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  everyMs = 10,
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s in vain until ${what}`);
    await sleep(everyMs);
  }
}

/** The result of `work`, which must come within the limit. */
export async function inTime<T>(what: string, work: Promise<T>, limitMs = patienceMs): Promise<T> {
  const timer = new AbortController();
  const late = sleep(limitMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${limitMs / 1000} s in vain until ${what}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    timer.abort();
  }
}
