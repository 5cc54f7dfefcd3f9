// Which sample comes when. Pure: (manifest, seed, epoch) -> reads and an order, the same on every machine and for every worker count.
import type { Manifest } from "./manifest.js";
import { randomFor, shuffle } from "./random.js";

/** A record batch, by its place in the manifest. */
export interface BatchRef {
  readonly shard: number;
  readonly batch: number;
}

/** A sample of a group: which of the group's batches, and the row in it. */
export interface SampleRef {
  readonly batch: number;
  readonly row: number;
}

/** Record batches that are in memory together, and the order in which their samples are used. */
export interface PlanGroup {
  readonly batches: readonly BatchRef[];
  readonly samples: readonly SampleRef[];
}

export interface PlanOptions {
  /** False: manifest order, for evaluation. Default true. */
  readonly shuffle?: boolean;
  /** Record batches mixed with each other, at most. Default 16. */
  readonly groupBatches?: number;
  /** Their bytes, at most, unless a single batch has more: this bounds the loader's memory. Default 128 MiB. */
  readonly groupBytes?: number;
}

/**
 * Every sample of the manifest exactly once. All record batches of the data set are permuted, taken in groups, and the samples of a group
 * are permuted: a class-by-class data set is mixed as well as its batches are many.
 */
export function planEpoch(
  manifest: Pick<Manifest, "shards">,
  seed: number,
  epoch: number,
  options: PlanOptions = {},
): PlanGroup[] {
  const { shuffle: shuffled = true, groupBatches = 16, groupBytes = 128 << 20 } = options;
  const refs = manifest.shards.flatMap((shard, index) => shard.batches.map((_, batch) => ({ shard: index, batch })));
  if (shuffled) shuffle(refs, randomFor(seed, "batch-order", epoch));
  const entryOf = ({ shard, batch }: BatchRef) =>
    manifest.shards[shard]?.batches[batch] ?? { samples: 0, byteLength: 0 };
  return inGroups(refs, (ref) => entryOf(ref).byteLength, groupBatches, groupBytes).map((batches, group) => {
    const samples = batches.flatMap((ref, batch) =>
      Array.from({ length: entryOf(ref).samples }, (_, row) => ({ batch, row })),
    );
    if (shuffled) shuffle(samples, randomFor(seed, "sample-order", epoch, group));
    return { batches, samples };
  });
}

function inGroups(
  refs: readonly BatchRef[],
  bytesOf: (ref: BatchRef) => number,
  maxBatches: number,
  maxBytes: number,
): BatchRef[][] {
  const groups: BatchRef[][] = [];
  let bytes = 0;
  for (const ref of refs) {
    const current = groups.at(-1);
    bytes += bytesOf(ref);
    if (current !== undefined && current.length < maxBatches && bytes <= maxBytes) {
      current.push(ref);
      continue;
    }
    groups.push([ref]);
    bytes = bytesOf(ref);
  }
  return groups;
}
