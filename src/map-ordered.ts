// Our one backpressure tool: at most N calls in flight, results in input order.
import { setMaxListeners } from "node:events";

export interface MapOrderedOptions {
  /** Calls in flight, and so results held back for their turn. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Maps `items` with up to `limit` concurrent calls of `fn` and yields the results in input order. An error of one call surfaces when its turn
 * comes; leaving the loop early, an error or the signal aborts the signal that `fn` gets, and no call outlives the loop.
 */
export async function* mapOrdered<A, B>(
  items: AsyncIterable<A> | Iterable<A>,
  fn: (item: A, signal: AbortSignal) => Promise<B>,
  options: MapOrderedOptions,
): AsyncGenerator<B> {
  const own = new AbortController();
  const signal = options.signal === undefined ? own.signal : AbortSignal.any([options.signal, own.signal]);
  setMaxListeners(0, signal); // as many listen to it as calls are in flight
  const running: Promise<B>[] = [];
  try {
    for await (const item of items) {
      options.signal?.throwIfAborted();
      const result = fn(item, signal);
      result.catch(() => {}); // observed now, reported when its turn comes
      running.push(result);
      if (running.length >= options.limit) yield await (running.shift() as Promise<B>);
    }
    while (running.length > 0) {
      options.signal?.throwIfAborted();
      yield await (running.shift() as Promise<B>);
    }
  } finally {
    own.abort();
    await Promise.allSettled(running);
  }
}
