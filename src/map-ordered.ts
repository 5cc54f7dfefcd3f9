// At most N calls in flight, results in input order. Which of the things that bound work to take:
//
// - mapOrdered, where somebody takes the results one after another: files, parts of a stream, tasks of a pool. The
//   usual one.
// - InFlight (in-flight.ts), where nobody waits for a result, only for room and for the first failure: what is written.
// - RequestGate (storage/remote/gate.ts), for requests of a store: its bound is for all who use the store and falls
//   when the service asks for it.
//   It is inside the stores; what calls them takes one of the others, too.
// - ThreadPool (pipeline/thread-pool.ts), for work of threads: it queues what it gets, so that mapOrdered is what
//   bounds it.
// - SpanReader (pipeline/load/span-reader.ts) bounds bytes that are held, since samples ahead of their use are of very
//   different sizes.
import { setMaxListeners } from "node:events";

export interface MapOrderedOptions {
  /** Calls in flight, results held back for their turn, and the one that is being used. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

type Items<A> = AsyncIterable<A> | Iterable<A>;

/**
 * Maps `items` with up to `limit` concurrent calls of `fn` and yields the results in input order. Items are asked for
 * while results are used, so a source that is slow now and then is waited for only when nothing is left. An error of
 * the items or of a call surfaces when its turn comes; leaving the loop early, an error or the signal aborts the signal
 * that `items` and `fn` get, and no call outlives the loop.
 */
export async function* mapOrdered<A, B>(
  items: Items<A> | ((signal: AbortSignal) => Items<A>),
  fn: (item: A, signal: AbortSignal) => Promise<B>,
  options: MapOrderedOptions,
): AsyncGenerator<B> {
  const own = new AbortController();
  const signal = options.signal === undefined ? own.signal : AbortSignal.any([options.signal, own.signal]);
  setMaxListeners(0, signal); // as many listen to it as calls are in flight
  const iterator = iterate(typeof items === "function" ? items(signal) : items);
  const running: Promise<B>[] = [];
  let inUse = 0;
  let ended = false;
  let arriving: Promise<void> | undefined;
  const add = (result: Promise<B>) => {
    result.catch(() => {}); // observed now, reported when its turn comes
    running.push(result);
  };
  const pull = async () => {
    try {
      const next = await iterator.next();
      if (next.done === true) ended = true;
      else if (!signal.aborted) add(fn(next.value, signal));
    } catch (error) {
      ended = true;
      add(Promise.reject(error));
    }
  };
  const goOn = () => {
    const full = running.length + inUse >= options.limit;
    if (arriving !== undefined || ended || full || signal.aborted) return;
    arriving = pull().then(() => {
      arriving = undefined;
      goOn();
    });
  };
  try {
    for (;;) {
      goOn();
      while (running.length === 0 && arriving !== undefined) await arriving;
      options.signal?.throwIfAborted();
      const first = running[0];
      if (first === undefined) return;
      const result = await first;
      running.shift();
      inUse = 1;
      yield result;
      inUse = 0;
    }
  } finally {
    own.abort();
    const closing = Promise.all([iterator.return?.(), arriving]);
    // Items that heed the signal end soon; others may be waiting for what never comes, such as a line of a terminal.
    if (arriving === undefined || typeof items === "function") await closing;
    else closing.catch(() => {});
    await Promise.allSettled(running);
  }
}

function iterate<A>(items: Items<A>): AsyncIterator<A> | Iterator<A> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}
