import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { shardName } from "../../src/shards/manifest.js";
import type { PlanManifest } from "../../src/shards/plan/spans.js";
import { epochLength, planEpoch, repeatsForWeights } from "../../src/shards/plan.js";
import { randomFamily, randomFor, shuffle } from "../../src/shards/random.js";
import { rejectsWith } from "../support/errors.js";

/** Sources in shards with these numbers of samples, made of files of `bytes` each. */
function manifestOf(sources: readonly (readonly number[])[], bytes = 8192): PlanManifest {
  const shards = sources.flatMap((counts, source) =>
    counts.map((samples, part) => ({ name: shardName(source, part), samples })),
  );
  return { inputBytes: bytes * shards.reduce((sum, { samples }) => sum + samples, 0), shards };
}

const manifest = manifestOf(Array.from({ length: 20 }, (_, i) => [424 + i]));
const total = epochLength([{ manifest }]);
const samplesOf = (...args: Parameters<typeof planEpoch>) => Array.from(planEpoch(...args), ({ sample }) => sample);
/** Groups of this many bytes: several of them, of runs of a few samples. */
const small = { shuffleBytes: 1 << 24 };

test("an epoch holds every sample once, whatever the groups, and depends on seed and epoch only", () => {
  for (const options of [{}, small, { shuffleBytes: 1 }, { shuffleBytes: 1 << 22 }]) {
    const order = samplesOf(manifest, 1, 0, options);
    assert.equal(order.length, total);
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      Array.from({ length: total }, (_, i) => i),
    );
    assert.deepEqual(samplesOf(manifest, 1, 0, options), order);
    assert.notDeepEqual(samplesOf(manifest, 1, 1, options), order);
    assert.notDeepEqual(samplesOf(manifest, 2, 0, options), order);
  }
});

test("without shuffling the order is the manifest's", () => {
  const order = samplesOf(manifest, 1, 0, { ...small, shuffle: false });
  assert.deepEqual(
    order,
    Array.from({ length: total }, (_, i) => i),
  );
});

test("any group is made alone, and holds what the whole order holds there", () => {
  const plan = planEpoch(manifest, 5, 3, small);
  const whole = Array.from(plan, ({ sample }) => sample);
  assert.ok(plan.groups > 3);
  for (const position of [0, 1000, 5000, plan.length - 1]) {
    const group = plan.group(plan.groupOf(position));
    assert.ok(position >= group.start && position < group.start + group.length);
    assert.equal(group.at(position - group.start).sample, whole[position]);
    const { span, sample } = group.at(position - group.start);
    const { first, length } = plan.span(span);
    assert.ok(sample >= first && sample < first + length, "a sample lies in its span");
  }
});

/** Every sample and span of an epoch, in its order. */
function orderOf(...args: Parameters<typeof planEpoch>) {
  const plan = planEpoch(...args);
  return Array.from({ length: plan.groups }, (_, number) => {
    const group = plan.group(number);
    return Array.from({ length: group.length }, (_, i) => {
      const { source, sample, pass, span } = group.at(i);
      return [source, sample, pass, plan.span(span)];
    });
  });
}

/** The same sources in shards of at most so many samples. */
function inShardsOf(most: number, sources: readonly number[]): PlanManifest {
  const parts = (samples: number) =>
    Array.from({ length: Math.ceil(samples / most) }, (_, part) => Math.min(most, samples - part * most));
  return manifestOf(sources.map(parts));
}

test("the order and its spans follow from the sources alone: shards of any size, with parts, repeats and mixtures", () => {
  const sources = [700, 1, 900, 1300];
  const others = [333, 512];
  const selection = Uint8Array.from({ length: 2901 }, (_, i) => (i % 7 === 0 ? 0 : 1));
  const cases = [
    (most: number) => [{ manifest: inShardsOf(most, sources) }],
    (most: number) => [{ manifest: inShardsOf(most, sources), selection }],
    (most: number) => [
      { manifest: inShardsOf(most, sources), selection, repeat: 1.5 },
      { manifest: inShardsOf(most + 1, others), repeat: 2 },
    ],
  ];
  // Spans of a sample, of eight, and of a whole 4 MiB.
  for (const shuffleBytes of [1 << 23, 1 << 28, undefined]) {
    const options = shuffleBytes === undefined ? {} : { shuffleBytes };
    for (const data of cases) {
      const expected = orderOf(data(5000), 9, 2, options);
      for (const most of [1, 7, 128, 500]) assert.deepEqual(orderOf(data(most), 9, 2, options), expected);
    }
  }
  const spans = (names: readonly string[]) => {
    const shards = names.map((name) => ({ name, samples: 10 }));
    const order = orderOf({ inputBytes: 10 * 8192 * names.length, shards }, 1, 0, { shuffle: false });
    return new Set(order.flat().map(([, , , span]) => JSON.stringify(span))).size;
  };
  assert.equal(spans(["shard-00000-00000.arrow", "shard-00000-00001.arrow", "shard-00001-00000.arrow"]), 2);
  assert.equal(spans(["shard-00000-99999.arrow", "shard-00000-100000.arrow"]), 1, "more parts than five digits");
  assert.equal(spans(["s3://a/shard-00000-00000.arrow", "s3://a/shard-00000-00001.arrow"]), 1);
  assert.equal(spans(["../a/shard-00000-00000.arrow", "../b/shard-00000-00001.arrow"]), 2, "in another folder");
  assert.equal(spans(["one.arrow", "two.arrow", "two.arrow", "three"]), 4, "names of another shape stand alone");
});

test("an order is as it was recorded: another one needs another version of the loader's states", () => {
  const hash = createHash("sha256");
  for (const options of [{}, { shuffleBytes: 1 << 27 }])
    hash.update(JSON.stringify(orderOf([{ manifest, repeat: 1.25 }], 3, 4, options)));
  assert.equal(hash.digest("hex").slice(0, 16), "1e9d0253cb9204f3");
});

test("a manifest that claims no bytes or too many is still planned, in spans and groups of a bearable size", async () => {
  const samples = 300_000;
  for (const inputBytes of [0, 1, Number.MAX_SAFE_INTEGER]) {
    const plan = planEpoch({ inputBytes, shards: [{ name: "shard-00000-00000.arrow", samples }] }, 1, 0);
    const { span } = plan.group(0).at(0);
    assert.ok(plan.length === samples && plan.span(span).length <= 65_536, `${inputBytes}`);
  }
  const nothing = { inputBytes: 10, shards: [{ name: "shard-00000-00000.arrow", samples: 0 }] };
  await rejectsWith("INVALID_OPTION", () => planEpoch(nothing, 1, 0), /at least one sample/);
});

const byClass = { classes: 1000, perClass: 130, batch: 128 };

/** Mean over batches of the entropy of their classes, in nats. */
function meanEntropy(order: readonly number[]): number {
  const { perClass, batch } = byClass;
  let sum = 0;
  let batches = 0;
  for (let first = 0; first + batch <= order.length; first += batch, batches++) {
    const counts = new Map<number, number>();
    for (const sample of order.slice(first, first + batch)) {
      const label = Math.floor(sample / perClass);
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    for (const count of counts.values()) sum -= (count / batch) * Math.log(count / batch);
  }
  return sum / batches;
}

function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const place = new Map(a.map((sample, i) => [sample, i]));
  const mean = (a.length - 1) / 2;
  const sum = b.reduce((s, sample, i) => s + ((place.get(sample) as number) - mean) * (i - mean), 0);
  return sum / ((a.length * (a.length ** 2 - 1)) / 12);
}

test("a data set written class by class, larger than a group, is mixed like a full permutation", () => {
  const { classes, perClass } = byClass;
  const samples = classes * perClass;
  // 110 KB a sample, as ImageNet's originals: 13 groups at the default.
  const data = manifestOf(
    Array.from({ length: samples / 1300 }, () => Array.from({ length: 10 }, () => 130)),
    110_000,
  );
  const orders = [0, 1].map((epoch) => samplesOf(data, 1, epoch));
  const full = [0, 1].map((epoch) =>
    shuffle(
      Array.from({ length: samples }, (_, i) => i),
      randomFor(epoch, "full"),
    ),
  );
  assert.ok(planEpoch(data, 1, 0).groups >= 10);
  const entropy = meanEntropy(orders[0] as number[]) / meanEntropy(full[0] as number[]);
  assert.ok(entropy > 0.98, `${entropy} of a full permutation's entropy`);
  const correlation = rankCorrelation(orders[0] as number[], orders[1] as number[]);
  assert.ok(Math.abs(correlation) < 0.02, `rank correlation ${correlation}`);
});

test("a source is repeated, and a half of it is another half in every epoch", () => {
  const other = manifestOf([[100], [50]]);
  const sources = [{ manifest: other, repeat: 2.5 }, { manifest }];
  const planned = [...planEpoch(sources, 1, 0, small)];
  assert.equal(planned.length, 375 + total);
  assert.equal(epochLength(sources), planned.length);
  const own = planned.filter(({ source }) => source === 0);
  const times = (pass: number) => own.filter((one) => one.pass === pass).map(({ sample }) => sample);
  assert.equal(new Set(times(0)).size, 150);
  assert.equal(new Set(times(1)).size, 150);
  assert.equal(new Set(times(2)).size, 75);
  const later = [...planEpoch(sources, 1, 1, small)].filter(({ source, pass }) => source === 0 && pass === 2);
  assert.equal(later.length, 75);
  const halves = Array.from({ length: 8 }, (_, epoch) =>
    samplesOf([{ manifest, repeat: 0.5 }], 1, epoch, small)
      .sort((a, b) => a - b)
      .join(),
  );
  assert.equal(new Set(halves).size, 8);
});

test("weights become repeats", async () => {
  assert.deepEqual(
    repeatsForWeights([
      { samples: 100, weight: 1 },
      { samples: 300, weight: 1 },
    ]),
    [2, 2 / 3],
  );
  await rejectsWith("INVALID_OPTION", () => repeatsForWeights([{ samples: 100, weight: 0 }]));
});

test("a selection leaves the others out, and must fit", async () => {
  const selection = new Uint8Array(total);
  for (let i = 0; i < total; i += 3) selection[i] = 1;
  const order = samplesOf([{ manifest, selection }], 1, 0, small);
  assert.deepEqual(
    order.sort((a, b) => a - b),
    Array.from(selection.keys()).filter((i) => i % 3 === 0),
  );
  await rejectsWith("INVALID_OPTION", () => planEpoch([{ manifest, selection: new Uint8Array(5) }], 1, 0), /one byte/);
  await rejectsWith("INVALID_OPTION", () => planEpoch([{ manifest, repeat: -1 }], 1, 0), /repeat/);
  await rejectsWith("INVALID_OPTION", () => planEpoch([{ manifest, repeat: 0 }], 1, 0), /at least one sample/);
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

test("the streams of a family are independent of each other, and of their neighbours' keys", () => {
  const family = randomFamily(3, "views", 0);
  const firsts = Array.from({ length: 20000 }, (_, i) => family(i).next());
  assert.equal(new Set(firsts).size, firsts.length);
  const mean = firsts.reduce((a, b) => a + b, 0) / firsts.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01, `mean ${mean}`);
  const products = firsts.slice(1).map((value, i) => (value - 0.5) * ((firsts[i] as number) - 0.5));
  assert.ok(Math.abs(products.reduce((a, b) => a + b, 0) / products.length) < 0.003, "neighbours correlate");
  assert.equal(family(7, 1).next(), randomFamily(3, "views", 0)(7, 1).next());
  const others = [
    family(7),
    family(7, 1),
    family(7 + 2 ** 32),
    randomFamily(3, "views", 1)(7),
    randomFamily(4, "views", 0)(7),
  ];
  assert.equal(new Set(others.map((random) => random.next())).size, others.length);
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
