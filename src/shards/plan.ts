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
  /** Record batches mixed with each other; their bytes bound the loader's memory. Default 16. */
  readonly groupBatches?: number;
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
  const { shuffle: shuffled = true, groupBatches = 16 } = options;
  const refs = manifest.shards.flatMap((shard, shardIndex) =>
    shard.batches.map((_, batch) => ({ shard: shardIndex, batch })),
  );
  if (shuffled) shuffle(refs, randomFor(seed, "batch-order", epoch));
  const groups: PlanGroup[] = [];
  for (let start = 0; start < refs.length; start += groupBatches) {
    const batches = refs.slice(start, start + groupBatches);
    const samples = batches.flatMap(({ shard, batch }, index) => {
      const rows = manifest.shards[shard]?.batches[batch]?.samples ?? 0;
      return Array.from({ length: rows }, (_, row) => ({ batch: index, row }));
    });
    if (shuffled) shuffle(samples, randomFor(seed, "sample-order", epoch, groups.length));
    groups.push({ batches, samples });
  }
  return groups;
}
