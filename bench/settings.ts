// How long benches measure. DCTSTREAM_BENCH=short: just long enough to have run all of a bench once; its figures mean
// nothing then.

export const short = process.env.DCTSTREAM_BENCH === "short";

/** What a bench takes, and what it takes to see that it runs. */
export function usually<T>(usual: T, shortened: T): T {
  return short ? shortened : usual;
}
