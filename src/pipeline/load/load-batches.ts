// The loader as a loop: for await (const batch of loadBatches("shards", options)).
import type { LoadedBatch } from "./loaded-batch.js";
import { Loader } from "./loader.js";
import type { LoaderOptions } from "./options.js";
import type { LoaderData } from "./sources.js";

export interface LoadBatchesOptions extends LoaderOptions {
  /** Passes over the data. Default 1. */
  readonly epochs?: number | undefined;
  /** Go on after the batch whose `state` this is. Default: at the beginning. */
  readonly state?: unknown;
}

/**
 * The batches of a data set, epoch after epoch. A batch's arrays are valid until the next one is asked for. Leaving the loop, an error and
 * the signal end the workers and free everything. Errors are those of Loader.open and Loader.epoch.
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
