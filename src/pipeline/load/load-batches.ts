// The loader as a loop: for await (const batch of loadBatches("shards", options)).
import type { LoadedBatch } from "./loaded-batch.js";
import { Loader } from "./loader.js";
import type { LoaderOptions } from "./options.js";
import type { LoaderData } from "./sources.js";

/** What `loadBatches` can be asked for. */
export interface LoadBatchesOptions extends LoaderOptions {
  /** Passes over the data. Default 1. */
  readonly epochs?: number | undefined;
  /** Continue after the batch whose `state` this is. Default: from the beginning. */
  readonly state?: unknown;
}

/**
 * Gives the batches of a data set, epoch after epoch: of `batchSize` samples, shared between the ranks. A batch's
 * arrays are valid until the next one is asked for. Leaving the loop, an error and the signal end the view threads and
 * free everything.
 *
 * Shapes, for a view of side s: `y` [n, s/8, s/8, 64], `cb` and `cr` [n, s/16, s/16, 64] for "dct"; `rgb` or `ycbcr`
 * [n, s, s, 3] for pixels.
 *
 * Errors: those of Loader.open and Loader.epoch.
 *
 * @example
 * ```ts
 * import { loadBatches } from "dctstream";
 *
 * const options = { batchSize: 64, epochs: 90, seed: 1, view: { kind: "dct", size: 224, augment: "train" } } as const;
 * for await (const { arrays, labels, epoch, step } of loadBatches("shards/train", options)) {
 *   for (const { name, data, shape } of arrays) console.log(epoch, step, name, shape, data.length);
 *   console.log(labels.length);
 * }
 * ```
 */
export async function* loadBatches(data: LoaderData, options: LoadBatchesOptions): AsyncGenerator<LoadedBatch> {
  await using loader = await Loader.open(data, options);
  const from = options.state === undefined ? { epoch: 0, step: 0 } : loader.resume(options.state);
  const end = options.epochs ?? 1;
  for await (const batch of loader.epochs(from.epoch, end, from.step)) {
    yield batch;
    batch.release();
  }
}
