// Image files -> batches of views, without shards in between: for looking at pictures once. Memory is bounded by the
// batches in flight.
import { availableParallelism } from "node:os";
import type { WireError } from "../../errors.js";
import { mapOrdered } from "../../map-ordered.js";
import { defaultMaxPixels } from "../../native/limits.js";
import { formOf, type NamedArray, slotArrays, slotBytes } from "../load/slot.js";
import { checkViewOptions, type ViewOptions } from "../load/view.js";
import { SharedBuffers } from "../shared-buffers.js";
import { ThreadPool } from "../thread-pool.js";
import type { DirectAnswer, DirectTask } from "./direct-task.js";
import type { ImageFile } from "./image-files.js";

export interface ImageBatchesOptions {
  /** The evaluation view: nothing is drawn. */
  readonly view: ViewOptions;
  readonly batchSize: number;
  /** Images of more pixels are failures. Default 100 million. */
  readonly maxPixels?: number | undefined;
  /** Threads. Default: one per core. */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Views of some files, `batchSize` of them at most. Its arrays are overwritten some time after `release`. */
export interface ImageBatch {
  readonly names: readonly string[];
  /** The reason why there is no view, per file; the file's row in the arrays is zero then. */
  readonly errors: readonly (WireError | undefined)[];
  readonly arrays: readonly NamedArray[];
  readonly samples: number;
  release(): void;
}

/** Batches made ahead of the one in use. */
const batchesAhead = 3;

/** A batch of fewer images than were asked for, rather than of more bytes of files than this. */
const maxBatchBytes = 64 << 20;

/** Views of all files, in order. INVALID_OPTION. */
export async function* imageBatches(
  files: AsyncIterable<ImageFile>,
  options: ImageBatchesOptions,
): AsyncGenerator<ImageBatch> {
  const { view, batchSize, maxPixels = defaultMaxPixels, workers = availableParallelism(), signal } = options;
  checkViewOptions(view);
  const form = formOf(view, []);
  const slots = new SharedBuffers();
  const entry = new URL("./direct-entry.cjs", import.meta.url);
  const pool = new ThreadPool({ entry, what: "decoding", threads: workers });
  const render = async (group: readonly ImageFile[], both: AbortSignal): Promise<ImageBatch> => {
    const slot = slots.take(slotBytes(form, batchSize));
    const errors = group.map(({ error }) => error);
    const arrays = slotArrays(slot, form, batchSize);
    const share = Math.ceil(group.length / workers);
    const parts = Array.from({ length: Math.ceil(group.length / share) }, (_, i) => i * share);
    const render = async (firstRow: number) => {
      const part = group.slice(firstRow, firstRow + share);
      // An empty file is not an image either: it keeps its row, and the error that it has already.
      const images = part.map(({ bytes }) => bytes ?? new Uint8Array(0));
      const task: DirectTask = { images, slot, firstRow, rows: batchSize, view, form, maxPixels };
      const answer = await pool.run<DirectAnswer>(task, both);
      for (const [i, error] of answer.entries()) errors[firstRow + i] ??= error;
    };
    await Promise.all(parts.map(render));
    return {
      names: group.map(({ name }) => name),
      errors,
      arrays,
      samples: group.length,
      release: () => slots.giveBack(slot),
    };
  };
  try {
    yield* mapOrdered(inGroups(files, batchSize, maxBatchBytes), render, { limit: batchesAhead, signal });
  } finally {
    await pool.close();
  }
}

/** Files in order; a group ends when it has `size` of them, or when `maxBytes` are reached. */
async function* inGroups(files: AsyncIterable<ImageFile>, size: number, maxBytes: number): AsyncGenerator<ImageFile[]> {
  let group: ImageFile[] = [];
  let bytes = 0;
  for await (const file of files) {
    group.push(file);
    bytes += file.bytes?.length ?? 0;
    if (group.length < size && bytes < maxBytes) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}
