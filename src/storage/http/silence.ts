// Time limits on a server's silence.

/**
 * Calls `late` after so many milliseconds, unless the function that it returns is called before. What has arrived
 * meanwhile is taken in first: a thread that computes for longer than the limit finds the timer due and the answer come
 * at the same moment, and timers run first.
 */
export function whenSilent(ms: number, late: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(late); // after the event loop has looked for input
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
