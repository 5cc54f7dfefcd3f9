import assert from "node:assert/strict";
import { test } from "node:test";
import { planEpoch } from "../../src/shards/plan.js";
import { randomFor, shuffle } from "../../src/shards/random.js";

const entry = (name: string, counts: readonly number[]) => ({
  name,
  byteLength: 0,
  sha256: "",
  samples: 0,
  batches: counts.map((samples, i) => ({ offset: i, byteLength: 1 << 20, samples, crc32c: 0 })),
});
const manifest = { shards: Array.from({ length: 20 }, (_, i) => entry(`s${i}`, [128, 128, 128, 40 + i])) };
const total = manifest.shards.flatMap((shard) => shard.batches).reduce((sum, { samples }) => sum + samples, 0);

const flatten = (groups: ReturnType<typeof planEpoch>) =>
  groups.flatMap((group) =>
    group.samples.map(({ batch, row }) => `${group.batches[batch]?.shard}/${group.batches[batch]?.batch}/${row}`),
  );

test("an epoch holds every sample once, and depends on seed and epoch only", () => {
  const order = flatten(planEpoch(manifest, 1, 0));
  assert.equal(order.length, total);
  assert.equal(new Set(order).size, total);
  assert.deepEqual(flatten(planEpoch(manifest, 1, 0)), order);
  assert.notDeepEqual(flatten(planEpoch(manifest, 1, 1)), order);
  assert.notDeepEqual(flatten(planEpoch(manifest, 2, 0)), order);
});

test("without shuffling the order is the manifest's", () => {
  const order = flatten(planEpoch(manifest, 1, 0, { shuffle: false }));
  assert.deepEqual(order.slice(0, 2), ["0/0/0", "0/0/1"]);
  assert.equal(order.at(-1), "19/3/58");
});

test("groups stay within their batches and bytes; a batch larger than the bound is a group of its own", () => {
  const groups = planEpoch(manifest, 1, 0, { groupBatches: 16, groupBytes: 5 << 20 });
  assert.ok(groups.every((group) => group.batches.length <= 5));
  assert.ok(planEpoch(manifest, 1, 0, { groupBytes: 1 }).every((group) => group.batches.length === 1));
});

test("neighbours in an epoch come from different shards: a group is mixed", () => {
  const order = flatten(planEpoch(manifest, 1, 0)).map((name) => name.split("/")[0]);
  const changes = order.filter((shard, i) => shard !== order[i - 1]).length;
  assert.ok(changes / order.length > 0.8, `only ${changes} changes in ${order.length}`);
});

test("draws are uniform, reproducible, and different for every purpose", () => {
  const draws = Array.from(
    { length: 20000 },
    (() => {
      const r = randomFor(1, "a");
      return () => r.next();
    })(),
  );
  const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01 && Math.min(...draws) >= 0 && Math.max(...draws) < 1);
  assert.equal(randomFor(1, "a", 2).next(), randomFor(1, "a", 2).next());
  assert.equal(
    new Set(
      [randomFor(1, "a"), randomFor(1, "b"), randomFor(2, "a"), randomFor(1, "a", 1), randomFor(1, "a", "1")].map((r) =>
        r.next(),
      ),
    ).size,
    5,
  );
});

test("a shuffle is a permutation that reaches every place evenly", () => {
  const counts = new Array<number>(6).fill(0);
  for (let i = 0; i < 6000; i++) {
    const items = shuffle([0, 1, 2, 3, 4, 5], randomFor(i, "shuffle"));
    assert.deepEqual([...items].sort(), [0, 1, 2, 3, 4, 5]);
    const place = items.indexOf(0);
    counts[place] = (counts[place] as number) + 1;
  }
  assert.ok(
    counts.every((count) => Math.abs(count - 1000) < 150),
    counts.join(),
  );
});
