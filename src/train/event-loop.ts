// TensorFlow blocks the event loop while it computes.

/** Lets reads and signals through between two steps. Throws the reason of `signal` when it has aborted by then. */
export async function letEventsThrough(signal?: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  signal?.throwIfAborted();
}
