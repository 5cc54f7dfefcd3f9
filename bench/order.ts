// How good a shuffle is, and how soon an epoch begins: a data set of ImageNet's size, written class by class, against a
// full permutation.
//
//   node dist/bench/order.js [classes] [samples per class] [bytes per sample] [batch]
import { shardName } from "../src/shards/manifest.js";
import { planEpoch } from "../src/shards/plan.js";
import { randomFor, shuffle } from "../src/shards/random.js";
import { usually } from "./settings.js";

const [classes = usually(1000, 20), perClass = 1281, bytes = 115_000, batch = 256] = process.argv.slice(2).map(Number);
const samples = classes * perClass;

/** Mean over batches of the entropy of their classes, in nats. */
function meanEntropy(order: Uint32Array): number {
  let total = 0;
  let batches = 0;
  for (let first = 0; first + batch <= order.length; first += batch, batches++) {
    const counts = new Map<number, number>();
    for (let i = first; i < first + batch; i++) {
      const label = Math.floor((order[i] as number) / perClass);
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    for (const count of counts.values()) total -= (count / batch) * Math.log(count / batch);
  }
  return total / batches;
}

/** Of the samples' positions in two epochs: 0 when nothing of one order is left in the other. */
function rankCorrelation(a: Uint32Array, b: Uint32Array): number {
  const rank = new Float64Array(samples);
  for (let i = 0; i < a.length; i++) rank[a[i] as number] = i;
  const mean = (samples - 1) / 2;
  let sum = 0;
  for (let i = 0; i < b.length; i++) sum += ((rank[b[i] as number] as number) - mean) * (i - mean);
  return sum / ((samples * (samples * samples - 1)) / 12);
}

const perShard = 1280;
const manifest = {
  inputBytes: samples * bytes,
  shards: Array.from({ length: Math.ceil(samples / perShard) }, (_, shard) => ({
    name: shardName(shard, 0),
    samples: Math.min(perShard, samples - shard * perShard),
  })),
};

const orderOf = (epoch: number) => Uint32Array.from(planEpoch(manifest, 1, epoch), ({ sample }) => sample);
const full = (epoch: number) =>
  shuffle(
    Uint32Array.from({ length: samples }, (_, i) => i),
    randomFor(epoch, "full"),
  );
const [ours, next, theirs, theirNext] = [orderOf(0), orderOf(1), full(0), full(1)] as const;
const [entropy, reference] = [meanEntropy(ours), meanEntropy(theirs)];
console.log(
  `${samples} samples of ${classes} classes, one class after another, ${bytes} bytes each, batches of ${batch}`,
);
console.log(
  `  class entropy of a batch: ${entropy.toFixed(4)} nats, ${(entropy / reference).toFixed(4)} of a full permutation's ${reference.toFixed(4)}`,
);
console.log(
  `  rank correlation of two epochs: ${rankCorrelation(ours, next).toFixed(5)}, full permutations ${rankCorrelation(theirs, theirNext).toFixed(5)}`,
);

const started = performance.now();
const plan = planEpoch(manifest, 1, 7);
plan.group(plan.groupOf(Math.floor(plan.length / 2)));
console.log(
  `  ${manifest.shards.length} shards, ${plan.groups} groups: the middle of an epoch is planned in ${(performance.now() - started).toFixed(0)} ms`,
);
