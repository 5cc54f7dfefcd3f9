import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { crc32c, renderView } from "../../src/native/index.js";
import { loadBatches } from "../../src/pipeline/load/load-batches.js";
import type { LoadedBatch } from "../../src/pipeline/load/loaded-batch.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import { OpenFiles } from "../../src/pipeline/load/open-files.js";
import type { LoaderOptions } from "../../src/pipeline/load/options.js";
import { defaultPrefetchBytes } from "../../src/pipeline/load/prefetch-bytes.js";
import { imagenetScaling } from "../../src/pipeline/load/slot.js";
import type { LoaderData } from "../../src/pipeline/load/sources.js";
import { planView, type ViewOptions } from "../../src/pipeline/load/view.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { SharedBuffers } from "../../src/pipeline/shared-buffers.js";
import { openDataset } from "../../src/shards/dataset.js";
import { Extents } from "../../src/shards/extents.js";
import { type LoadedManifest, readManifest } from "../../src/shards/manifest.js";
import { planEpoch } from "../../src/shards/plan.js";
import { randomFor } from "../../src/shards/random.js";
import { readShard } from "../../src/shards/reader.js";
import { makeDataset, sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, projectRoot, temporaryFolder, writeTar } from "../support/files.js";

const view: ViewOptions = { kind: "dct", size: 32, augment: "train" };

async function dataset(t: TestContext, count: number, options = {}): Promise<LoadedManifest> {
  return readManifest((await makeDataset(temporaryFolder(t), count, options)).manifest);
}

/** Label, key and fingerprint of every sample's view, in order. */
function printsOf({ arrays, labels, keys, samples }: LoadedBatch): string[] {
  return Array.from({ length: samples }, (_, i) => {
    const parts = arrays.map(({ data, shape }) => {
      const size = data.length / (shape[0] as number);
      const part = data.slice(i * size, (i + 1) * size);
      return Buffer.from(part.buffer, 0, part.byteLength);
    });
    return `${labels[i]} ${keys[i]} ${sha256(Buffer.concat(parts)).slice(0, 12)}`;
  });
}

async function prints(data: LoaderData, options: LoaderOptions, epoch = 0, fromStep = 0): Promise<string[]> {
  await using loader = await Loader.open(data, options);
  return await printsOfEpoch(loader, epoch, fromStep);
}

async function printsOfEpoch(loader: Loader, epoch: number, fromStep = 0): Promise<string[]> {
  const all: string[] = [];
  for await (const batch of loader.epoch(epoch, fromStep)) {
    all.push(...printsOf(batch));
    batch.release();
  }
  return all;
}

test("an epoch is the same for any number of workers, batches and bytes ahead and codec; another epoch is another order", async (t) => {
  const manifest = await dataset(t, 200, { maxShardBytes: 100_000 });
  const common = { view, batchSize: 16, seed: 3 };
  const order = await prints(manifest, { ...common, workers: 1, prefetchBatches: 1 });
  assert.equal(order.length, 192, "the last, incomplete step is left out when shuffling");
  assert.equal(new Set(order).size, 192);
  assert.deepEqual(await prints(manifest, { ...common, workers: 3, prefetchBatches: 5 }), order);
  assert.deepEqual(await prints(manifest, { ...common, workers: 2, prefetchBytes: 1 }), order);
  assert.notDeepEqual(await prints(manifest, { ...common, workers: 2 }, 1), order);
  const plain = await dataset(t, 200, { codec: "none" });
  assert.deepEqual(await prints(plain, { ...common, workers: 2 }), order);
});

test("batches are bit for bit the same from every form of the same sources, read from files or ahead of their use", async (t) => {
  const folder = temporaryFolder(t);
  const sources = [
    await writeTar(path.join(folder, "a.tar"), sampleEntries(140, "a")),
    await writeTar(path.join(folder, "b.tar"), sampleEntries(20, "b")),
  ];
  const forms = [{ codec: "zstd" }, { codec: "none" }, { codec: "zstd", maxShardBytes: 20_000 }] as const;
  const manifests = await Promise.all(
    forms.map(async (form, i) =>
      readManifest((await preprocess({ sources, out: path.join(folder, `${i}`), workers: 1, ...form })).manifest),
    ),
  );
  assert.deepEqual(
    manifests.map(({ shards }) => Math.min(shards.length, 9)),
    [2, 2, 9],
  );
  const common = { view, batchSize: 20, seed: 3, workers: 2 };
  const mixed = (i: number) => [
    { manifest: manifests[i] as LoadedManifest, fraction: 0.8, seed: 2, repeat: 1.5 },
    { manifest: manifests[(i + 1) % manifests.length] as LoadedManifest, repeat: 2 },
  ];
  // In one group of spans that cross batches and shards, and in several groups of single samples.
  for (const options of [common, { ...common, shuffleBytes: 200_000 }]) {
    const expected = await prints(manifests[0] as LoadedManifest, options);
    const ofMixture = await prints(mixed(0), options);
    for (const [i, manifest] of manifests.entries()) {
      const cache = { folder: path.join(folder, `cache${i}`), maxBytes: 10 << 20 };
      assert.deepEqual(await prints(manifest, { ...options, cache }), expected, `form ${i}, read ahead`);
      if (i === 0) continue;
      assert.deepEqual(await prints(manifest, options), expected, `form ${i}`);
      assert.deepEqual(await prints(mixed(i), options), ofMixture, `form ${i}, mixed`);
    }
  }
});

test("memory ahead holds a group however it is stored, unless it is a group made larger on purpose or a forged one", () => {
  const gigabyte = 2 ** 30;
  const inputBytes = 140 * gigabyte;
  const stored = (ratio: number, repeat = 1) => {
    const shard = { name: "shard-00000-00000.arrow", samples: 1_280_000, byteLength: ratio * inputBytes };
    return [{ manifest: { inputBytes, shards: [{ ...shard, sha256: "", batches: [] }] }, repeat }];
  };
  for (const ratio of [0.15, 1.05, 1.92, 2.5]) {
    const held = defaultPrefetchBytes(stored(ratio));
    assert.ok(held >= gigabyte && held >= 1.05 * ratio * gigabyte && held <= 3 * gigabyte, `${ratio}`);
    const ofMore = defaultPrefetchBytes(stored(ratio, 2));
    assert.ok(Math.abs(ofMore - held) < 10, "a group is as large when there are more of them");
  }
  assert.equal(defaultPrefetchBytes(stored(1.92), { worldSize: 8 }), gigabyte);
  assert.equal(defaultPrefetchBytes(stored(1.05), { shuffleBytes: 8 * gigabyte }), gigabyte);
  assert.equal(defaultPrefetchBytes(stored(1000)), gigabyte);
  assert.ok(defaultPrefetchBytes([{ manifest: { inputBytes: 0, shards: [] } }]) === gigabyte);
});

test("in manifest order every sample comes once, the last step is padded and masked, and views are those of the geometry", async (t) => {
  const manifest = await dataset(t, 50);
  const whole = { kind: "rgb", size: 24, augment: "eval" } as const;
  await using loader = await Loader.open(manifest, { view: whole, batchSize: 16, shuffle: false });
  const found: string[] = [];
  for await (const batch of loader.epoch(0)) {
    found.push(...printsOf(batch));
    const [rgb] = batch.arrays;
    assert.deepEqual(rgb?.shape, [16, 24, 24, 3]);
    assert.deepEqual(rgb?.axes, ["sample", "row", "column", "channel"]);
    const last = batch.step === 3;
    assert.equal(batch.samples, last ? 2 : 16);
    assert.equal(
      batch.mask.reduce((a, b) => a + b),
      batch.samples,
    );
    if (last) {
      assert.ok(batch.labels.subarray(2).every((label) => label === -1));
      assert.ok(rgb?.data.subarray(2 * 24 * 24 * 3).every((value) => value === 0));
    }
    batch.release();
  }
  const expected: string[] = [];
  for (const shard of manifest.shards) {
    for await (const batch of readShard(manifest, shard)) {
      for (let row = 0; row < batch.length; row++) {
        const sample = batch.sample(row);
        const { x, y } = planView(sample.width, sample.height, whole, randomFor(0, "unused"));
        const rgb = new Float32Array(24 * 24 * 3);
        renderView({ ...sample, codec: batch.codec }, x, y, { kind: "rgb", rgb, scaling: imagenetScaling });
        expected.push(`${sample.label} ${sample.key} ${sha256(Buffer.from(rgb.buffer)).slice(0, 12)}`);
      }
    }
  }
  assert.deepEqual(found, expected);
});

test("ranks share every step, whatever their number; each has the same number of steps", async (t) => {
  const manifest = await dataset(t, 103);
  const common = { view, batchSize: 12, seed: 1, shuffleBytes: 1 << 20 };
  for (const dropLast of [true, false]) {
    const steps: string[][] = [];
    for await (const batch of loadBatches(manifest, { ...common, dropLast })) steps.push(printsOf(batch));
    assert.equal(steps.length, dropLast ? 8 : 9);
    for (const worldSize of [2, 3]) {
      const byRank = await Promise.all(
        Array.from({ length: worldSize }, async (_, rank) => {
          const own: string[][] = [];
          for await (const batch of loadBatches(manifest, { ...common, dropLast, rank, worldSize }))
            own.push(printsOf(batch));
          return own;
        }),
      );
      assert.ok(byRank.every((own) => own.length === steps.length));
      assert.deepEqual(
        steps.map((_, step) => byRank.flatMap((own) => own[step] as string[])),
        steps,
      );
    }
  }
});

test("a state is small, and going on from it is exact, with other ranks too; a state of other data is refused", async (t) => {
  const manifest = await dataset(t, 90);
  const options = { view, batchSize: 8, seed: 4, epochs: 3 };
  const all: string[][] = [];
  const states: string[] = [];
  for await (const batch of loadBatches(manifest, options)) {
    all.push(printsOf(batch));
    states.push(JSON.stringify(batch.state));
  }
  assert.equal(all.length, 33);
  for (const after of [0, 9, 10, 20]) {
    assert.ok((states[after] as string).length < 300);
    const state = JSON.parse(states[after] as string);
    const rest: string[][] = [];
    for await (const batch of loadBatches(manifest, { ...options, state })) rest.push(printsOf(batch));
    assert.deepEqual(rest, all.slice(after + 1));
    const halves: string[][] = [];
    for await (const batch of loadBatches(manifest, { ...options, state, rank: 1, worldSize: 2 }))
      halves.push(printsOf(batch));
    assert.deepEqual(
      halves,
      all.slice(after + 1).map((step) => step.slice(4)),
    );
  }
  const state = JSON.parse(states[3] as string);
  const resume =
    (change: object, given: unknown = state) =>
    async () => {
      for await (const _ of loadBatches(manifest, { ...options, ...change, state: given })) break;
    };
  await rejectsWith("STATE_MISMATCH", resume({ seed: 5 }), /seed 4, now it is 5/);
  await rejectsWith("STATE_MISMATCH", resume({ batchSize: 16 }), /globalBatch/);
  await rejectsWith("BAD_STATE", resume({}, { epoch: 1 }), /format/);
  await rejectsWith("STATE_MISMATCH", resume({}, { ...state, version: 1 }), /an earlier version .* another order/);
  await rejectsWith("STATE_MISMATCH", resume({}, { ...state, version: 3 }), /a later version .* another order/);
  const other = await dataset(t, 91);
  await rejectsWith(
    "STATE_MISMATCH",
    async () => {
      for await (const _ of loadBatches(other, { ...options, state })) break;
    },
    /data/,
  );
});

test("classes, fractions and splits choose samples; manifests are mixed by repeats or weights", async (t) => {
  const manifest = await dataset(t, 80);
  const common = { view: { ...view, augment: "eval" }, batchSize: 4, dropLast: false } as const;
  const keysOf = async (data: LoaderData) => (await prints(data, common)).map((line) => line.split(" ")[1] as string);
  const odd = await keysOf([{ manifest, classes: ["class 1"] }]);
  assert.equal(odd.length, 40);
  assert.ok(odd.every((key) => Number(key.slice(1)) % 2 === 1));
  const split = (part: "train" | "validation") => keysOf([{ manifest, split: { validation: 0.25, part }, seed: 7 }]);
  const [train, validation] = [await split("train"), await split("validation")];
  assert.equal(validation.length, 20);
  assert.equal(new Set([...train, ...validation]).size, 80);
  const [tenth, half] = [await keysOf([{ manifest, fraction: 0.1 }]), await keysOf([{ manifest, fraction: 0.5 }])];
  assert.deepEqual([tenth.length, half.length], [8, 40]);
  assert.ok(
    tenth.every((key) => half.includes(key)),
    "a smaller share is a part of a larger one",
  );
  const other = await dataset(t, 20);
  assert.equal((await keysOf([{ manifest }, { manifest: other, repeat: 3 }])).length, 140);
  const weighted = await Loader.open(
    [
      { manifest, weight: 1 },
      { manifest: other, weight: 1 },
    ],
    common,
  );
  const counts = [0, 0];
  for await (const batch of weighted.epoch(0)) {
    for (const source of batch.sources) counts[source] = (counts[source] as number) + 1;
    batch.release();
  }
  await weighted.close();
  assert.deepEqual(counts, [50, 50]);
  await rejectsWith("INVALID_OPTION", () => keysOf([{ manifest, classes: ["zebra"] }]), /class 0/);
  await rejectsWith("INVALID_OPTION", () => keysOf([{ manifest, weight: 1 }, { manifest: other }]), /every source/);
});

/** Flips a bit in the middle of the named samples' coefficients. */
async function damage(manifest: LoadedManifest, rows: readonly number[]): Promise<void> {
  const shard = manifest.shards[0] as LoadedManifest["shards"][number];
  const file = path.join(manifest.folder, shard.name);
  const bytes = readFileSync(file);
  for await (const batch of readShard(manifest, shard)) {
    for (const row of rows) {
      const { packed } = batch.sample(row);
      const at = bytes.indexOf(Buffer.from(packed)) + (packed.length >> 1);
      bytes[at] = (bytes[at] as number) ^ 0x40;
    }
    break;
  }
  writeFileSync(file, bytes);
}

test("a damaged sample stops the epoch with its name, or is counted and replaced by its neighbour, or masked", async (t) => {
  const manifest = await dataset(t, 40);
  const common = { view, batchSize: 8, seed: 2 };
  const clean = await prints(manifest, { ...common, workers: 1 });
  await damage(manifest, [11, 12]);
  await rejectsWith("CHECKSUM_MISMATCH", () => prints(manifest, common), /s001[12]/);
  const runs: string[][] = [];
  for (const workers of [1, 3]) {
    await using loader = await Loader.open(manifest, { ...common, workers, onBadSample: "skip" });
    runs.push(await printsOfEpoch(loader, 0));
    assert.deepEqual(loader.skipped, { CHECKSUM_MISMATCH: 2 });
  }
  assert.deepEqual(runs[0], runs[1], "the same for any number of workers");
  const changed = clean.filter((line, i) => line !== runs[0]?.[i]);
  assert.deepEqual(changed.map((line) => line.split(" ")[1]).sort(), ["s0011", "s0012"]);
  assert.equal(runs[0]?.length, clean.length, "batches are full");
  await using padded = await Loader.open(manifest, { ...common, onBadSample: "skip", dropLast: false, shuffle: false });
  let counted = 0;
  for await (const batch of padded.epoch(0)) {
    counted += batch.mask.reduce((a, b) => a + b);
    if (batch.step === 1) assert.deepEqual([...batch.labels.subarray(2, 6)], [0, -1, -1, 1]);
    batch.release();
  }
  assert.equal(counted, 38);
  // What is read ahead, as from a service, follows the same policy; and damage is not kept in the cache.
  const cache = { folder: temporaryFolder(t), maxBytes: 10 << 20 };
  await rejectsWith("CHECKSUM_MISMATCH", () => prints(manifest, { ...common, cache }), /s001[12]/);
  for (const _ of ["read", "from the cache where it is good"]) {
    await using ahead = await Loader.open(manifest, { ...common, cache, onBadSample: "skip" });
    assert.deepEqual(await printsOfEpoch(ahead, 0), runs[0]);
    assert.deepEqual(ahead.skipped, { CHECKSUM_MISMATCH: 2 });
  }
  rmSync(path.join(manifest.folder, manifest.shards[0]?.name ?? ""));
  await rejectsWith("NOT_FOUND", () => prints(manifest, { ...common, onBadSample: "skip" }), /shard-00000-00000/);
});

test("skip passes over whatever is wrong with one sample: one whose sizes contradict each other too", async (t) => {
  const manifest = await dataset(t, 24);
  const { index, indexBytes } = await openDataset(manifest);
  index.width[5] = 60_000; // more than its blocks cover
  const url = path.join(manifest.folder, manifest.index.name);
  writeFileSync(url, indexBytes);
  const forged = { ...manifest, index: { ...manifest.index, crc32c: crc32c(indexBytes) } };
  const common = { view, batchSize: 8, seed: 2 };
  await rejectsWith("CORRUPT_RECORD", () => prints(forged, common), /s0005/);
  for (const cache of [undefined, { folder: temporaryFolder(t), maxBytes: 10 << 20, expanded: true }]) {
    await using loader = await Loader.open(forged, { ...common, onBadSample: "skip", cache });
    assert.equal((await printsOfEpoch(loader, 0)).length, 24);
    assert.deepEqual(loader.skipped, { CORRUPT_RECORD: 1 });
  }
});

test("a loader works inside a worker thread", async (t) => {
  const manifest = await dataset(t, 24);
  const program = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(path.join(projectRoot, "dist", "src", "index.js"))}).then(async ({ loadBatches }) => {
      let samples = 0;
      for await (const batch of loadBatches(${JSON.stringify(manifest.url)}, ${JSON.stringify({ view, batchSize: 8, workers: 2 })}))
        samples += batch.samples;
      parentPort.postMessage(samples);
    });`;
  const worker = new Worker(program, { eval: true });
  const samples = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  assert.equal(samples, 24);
  await worker.terminate();
});

test("more shards than a thread may keep open are read all the same", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest: url } = await makeDataset(folder, 40, { maxShardBytes: 1 });
  const files = new OpenFiles(3);
  const names = Array.from({ length: 10 }, (_, i) => path.join(folder, `${i}`));
  for (const name of names) writeFileSync(name, name);
  const open = () => readdirSync("/proc/self/fd").length;
  const before = existsSync("/proc/self/fd") ? open() : undefined;
  const descriptors = names.map((name) => files.open(name));
  assert.equal(new Set(descriptors).size, 10, "all that a task uses are open at once");
  assert.equal(files.open(names[4] as string), descriptors[4]);
  files.taskEnded();
  if (before !== undefined) assert.equal(open(), before + 3, "and three after it");
  assert.equal(files.open(names[9] as string), descriptors[9], "the latest");
  files.taskEnded();
  await rejectsWith("NOT_FOUND", () => files.open(path.join(folder, "none")), /no such file.*none/);
  const manifest = await readManifest(url);
  assert.equal(manifest.shards.length, 40);
  assert.equal((await prints(manifest, { view, batchSize: 8, seed: 2 })).length, 40);
});

test("a shard cut short is damage like any other; an index that is wrong is refused", async (t) => {
  const manifest = await dataset(t, 30);
  const file = path.join(manifest.folder, manifest.shards[0]?.name ?? "");
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, 5000));
  await rejectsWith("CORRUPT_RECORD", () => prints(manifest, { view, batchSize: 4 }), /ends before the sample/);
  const index = path.join(manifest.folder, manifest.index.name);
  const good = readFileSync(index);
  good[good.length >> 1] = (good[good.length >> 1] as number) ^ 1;
  writeFileSync(index, good);
  await rejectsWith("CHECKSUM_MISMATCH", () => prints(manifest, { view, batchSize: 4 }), /index/);
});

/** Files of a folder that this process has open. */
const openIn = (folder: string) =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false; // closed meanwhile
    }
  });

test("leaving early, with a batch unreleased, leaves a loader that goes on; leaving the loop closes everything", async (t) => {
  const manifest = await dataset(t, 100);
  const loader = await Loader.open(manifest, { view, batchSize: 8, prefetchBatches: 2 });
  for await (const _ of loader.epoch(0)) break;
  assert.equal((await printsOfEpoch(loader, 1)).length, 96);
  assert.ok(openIn(manifest.folder).length > 0);
  await loader.close();
  await loader.close();
  for await (const _ of loadBatches(manifest, { view, batchSize: 8 })) break;
  const abort = new AbortController();
  await assert.rejects(async () => {
    for await (const batch of loadBatches(manifest, { view, batchSize: 8, signal: abort.signal }))
      if (batch.step === 2) abort.abort(new Error("enough"));
  }, /enough/);
  assert.deepEqual(openIn(manifest.folder), []);
});

test("memory is bounded: batches ahead of a slow consumer are as many as asked for or fit, and slots are used again", async (t) => {
  const manifest = await dataset(t, 160);
  for (const ahead of [{ prefetchBatches: 2 }, { prefetchBatches: 50, prefetchBytes: 120_000 }]) {
    const loader = await Loader.open(manifest, { view, batchSize: 8, ...ahead });
    const buffers = new Set<ArrayBufferLike>();
    for (const epoch of [0, 1, 2]) {
      for await (const batch of loader.epoch(epoch)) {
        const [y] = batch.arrays;
        buffers.add(y?.data.buffer as ArrayBufferLike);
        batch.release();
        batch.release();
      }
    }
    assert.equal(loader.steps, 20);
    assert.ok(buffers.size <= 3, `${buffers.size} buffers for 60 batches`);
    await loader.close();
  }
});

test("shared buffers are used again when they are large enough", () => {
  const buffers = new SharedBuffers();
  const [small, large] = [buffers.take(10), buffers.take(100)];
  buffers.giveBack(small);
  assert.notEqual(buffers.take(50), small);
  buffers.giveBack(large);
  assert.equal(buffers.take(50), large);
  assert.equal(buffers.take(10), small);
});

test("options are checked", async (t) => {
  const manifest = await dataset(t, 12);
  const open = (options: object) => () => Loader.open(manifest, { view, batchSize: 4, ...options });
  await rejectsWith("INVALID_OPTION", open({ batchSize: 13 }), /at most the 12 samples/);
  await rejectsWith("INVALID_OPTION", open({ view: { ...view, size: 40 } }), /multiple of 16/);
  await rejectsWith("INVALID_OPTION", open({ workers: 0 }));
  await rejectsWith("INVALID_OPTION", open({ worldSize: 3 }), /multiple of the 3 ranks/);
  await rejectsWith("INVALID_OPTION", open({ rank: 1 }), /from 0 to 0/);
  await rejectsWith("INVALID_OPTION", open({ view: { ...view, type: "uint8" } }), /int16/);
  await rejectsWith("INVALID_OPTION", open({ view: { ...view, frequencies: 25 } }), /24, 48, 64/);
  await rejectsWith("INVALID_OPTION", open({ view: { ...view, normalize: "imagenet" } }), /normalize/);
  await rejectsWith("INVALID_OPTION", open({ view: { ...view, policy: { grey: 2 } } }), /probability/);
  await rejectsWith(
    "INVALID_OPTION",
    open({ batchSize: 6, worldSize: 2, view: { ...view, policy: { mixup: 1 } } }),
    /even/,
  );
  await (await open({ workers: undefined })()).close();
});

test("random crops stay inside the image, vary, and fall back to a centred box for extreme shapes", () => {
  const random = randomFor(1, "crops");
  const boxes = Array.from({ length: 300 }, () => planView(333, 200, view, random));
  for (const { x, y } of boxes) {
    assert.ok(x.boxStart >= 0 && x.boxEnd <= 333 && y.boxStart >= 0 && y.boxEnd <= 200);
    const ratio = (x.boxEnd - x.boxStart) / (y.boxEnd - y.boxStart);
    assert.ok(ratio > 0.7 && ratio < 1.4, `ratio ${ratio}`);
  }
  const areas = boxes.map(({ x, y }) => ((x.boxEnd - x.boxStart) * (y.boxEnd - y.boxStart)) / (333 * 200));
  assert.ok(Math.min(...areas) < 0.2 && Math.max(...areas) > 0.7);
  const flips = boxes.filter(({ x }) => x.flip).length;
  assert.ok(flips > 110 && flips < 190, `${flips} of 300 flipped`);
  const strip = planView(1000, 10, view, random);
  assert.ok(strip.x.boxEnd - strip.x.boxStart <= 14 && strip.y.boxStart === 0 && strip.y.boxEnd === 10);
});

test("the evaluation view is torchvision's: shorter side to 256 for 224, centre crop", () => {
  const { x, y } = planView(500, 375, { kind: "rgb", size: 224, augment: "eval" }, randomFor(0, "unused"));
  assert.deepEqual([x.scaledSize, x.outStart, x.outCount, y.scaledSize, y.outStart], [341, 58, 224, 256, 16]);
});

/**
 * By Python: int(size * long / short), then int(round((scaled - crop) / 2.0)). Crop; width and height, those scaled,
 * left and top.
 */
const torchvisionCrops = [
  [224, 500, 375, 341, 256, 58, 16],
  [224, 375, 500, 256, 341, 16, 58],
  [224, 500, 334, 383, 256, 80, 16],
  [224, 91, 300, 256, 843, 16, 310],
  [224, 256, 259, 256, 259, 16, 18],
  [224, 1, 1, 256, 256, 16, 16],
  [224, 3, 1000, 256, 85333, 16, 42554],
  [224, 1600, 1203, 340, 256, 58, 16],
  [224, 105, 109, 256, 265, 16, 20],
  [160, 333, 500, 183, 274, 12, 57],
  [160, 500, 334, 273, 183, 56, 12],
  [160, 91, 300, 183, 603, 12, 222],
  [160, 257, 256, 183, 183, 12, 12],
  [160, 1600, 1203, 243, 183, 42, 12],
  [96, 333, 500, 110, 165, 7, 34],
  [96, 256, 259, 110, 111, 7, 8],
  [96, 3, 1000, 110, 36666, 7, 18285],
  [96, 105, 109, 110, 114, 7, 9],
  [304, 375, 500, 347, 462, 22, 79],
] as const;

test("sizes and half offsets of the evaluation view are torchvision's", () => {
  for (const [size, width, height, ...expected] of torchvisionCrops) {
    const { x, y } = planView(width, height, { kind: "rgb", size, augment: "eval" }, randomFor(0, "unused"));
    assert.deepEqual([x.scaledSize, y.scaledSize, x.outStart, y.outStart], expected, `${width} x ${height} at ${size}`);
  }
});

test("no evaluation view crops more than there is, so that nothing need be padded", () => {
  for (let size = 16; size <= 4096; size++) {
    for (const [width, height] of [
      [1, 1],
      [17, 1],
      [100, 101],
    ] as const) {
      const { x, y } = planView(width, height, { kind: "rgb", size, augment: "eval" }, randomFor(0, "unused"));
      for (const axis of [x, y])
        assert.ok(axis.outStart >= 0 && axis.outStart + axis.outCount <= axis.scaledSize, `${size}`);
    }
  }
});

/** What a cache holds an entry of: the parts of an epoch's spans whose bytes lie side by side. */
async function entriesOf(manifest: LoadedManifest, options: { seed: number; shuffleBytes: number }): Promise<number> {
  const plan = planEpoch(manifest, options.seed, 0, { shuffleBytes: options.shuffleBytes });
  const extents = new Extents(await openDataset(manifest));
  const entries = new Set<string>();
  for (let group = 0; group < plan.groups; group++) {
    const order = plan.group(group);
    for (let i = 0; i < order.length; i++) {
      const { sample, span } = order.at(i);
      entries.add(`${plan.span(span).first} ${extents.numberOf(sample)}`);
    }
  }
  return entries.size;
}

for (const expanded of [false, true]) {
  test(`with a cache${expanded ? " of expanded samples" : ""} an epoch is the same, the next reads nothing else, and damage in it costs a read`, async (t) => {
    const manifest = await dataset(t, 150, { maxShardBytes: 40_000 });
    const folder = temporaryFolder(t);
    const common = { view, batchSize: 16, seed: 3, workers: 2, shuffleBytes: 64 << 20, dropLast: false };
    const order = [await prints(manifest, common, 0), await prints(manifest, common, 1)];
    const cache = { folder, maxBytes: 10 << 20, expanded };
    const loader = await Loader.open(manifest, { ...common, cache });
    const entries = await entriesOf(manifest, common);
    assert.ok(entries >= manifest.shards.length && entries > 5, `${entries} entries`);
    assert.deepEqual(await printsOfEpoch(loader, 0), order[0]);
    assert.deepEqual(loader.cacheCounters, { hits: 0, misses: entries, filled: entries, evicted: 0, damaged: 0 });
    const own = path.join(folder, "dctstream-cache-1");
    const [entry = ""] = (await namesIn(own)).filter((name) => name.endsWith(".entry"));
    const bytes = readFileSync(path.join(own, entry));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(path.join(own, entry), bytes);
    assert.deepEqual(await printsOfEpoch(loader, 1), order[1]);
    const after = { hits: entries - 1, misses: entries + 1, filled: entries + 1, evicted: 0, damaged: 1 };
    assert.deepEqual(loader.cacheCounters, after);
    await loader.close();
    for (const shard of manifest.shards) rmSync(path.join(manifest.folder, shard.name));
    assert.deepEqual(
      await prints(manifest, { ...common, cache }, 0),
      order[0],
      "all from the cache, by another process too",
    );
    await rejectsWith("NOT_FOUND", () => prints(manifest, { ...common, cache: { ...cache, expanded: !expanded } }));
  });
}
