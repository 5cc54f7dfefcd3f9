import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { renderView } from "../../src/native/index.js";
import { type LoadedBatch, Loader, type LoaderOptions } from "../../src/pipeline/load/loader.js";
import { planView, type ViewOptions } from "../../src/pipeline/load/view.js";
import { SharedBuffers } from "../../src/pipeline/shared-buffers.js";
import { type LoadedManifest, readManifest } from "../../src/shards/manifest.js";
import { randomFor } from "../../src/shards/random.js";
import { readShard } from "../../src/shards/reader.js";
import { makeDataset, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder } from "../support/files.js";

const view: ViewOptions = { kind: "dct", size: 32, augment: "train" };

async function dataset(t: TestContext, count: number, options = {}): Promise<LoadedManifest> {
  return readManifest((await makeDataset(temporaryFolder(t), count, options)).manifest);
}

/** One fingerprint per sample, in order; every batch released. */
async function fingerprints(options: LoaderOptions, epoch = 0): Promise<string[]> {
  const loader = new Loader(options);
  const prints: string[] = [];
  try {
    for await (const batch of loader.epoch(epoch)) {
      prints.push(...printsOf(batch));
      batch.release();
    }
  } finally {
    await loader.close();
  }
  return prints;
}

function printsOf({ arrays, samples }: LoadedBatch): string[] {
  const planes = arrays.kind === "dct" ? [arrays.y, arrays.cb, arrays.cr] : [arrays.rgb];
  return Array.from({ length: samples }, (_, i) => {
    const parts = planes.map((plane) => plane.slice((i * plane.length) / samples, ((i + 1) * plane.length) / samples));
    return `${arrays.labels[i]}:${sha256(Buffer.concat(parts.map((part) => Buffer.from(part.buffer)))).slice(0, 12)}`;
  });
}

test("an epoch is the same for any number of workers, batches ahead and codec; another epoch is another order", async (t) => {
  const manifest = await dataset(t, 200, { maxShardBytes: 100_000 });
  const common = { manifest, view, batchSize: 16, seed: 3 };
  const order = await fingerprints({ ...common, workers: 1, prefetchBatches: 1 });
  assert.equal(order.length, 192, "the last, smaller batch is left out when shuffling");
  assert.deepEqual(await fingerprints({ ...common, workers: 3, prefetchBatches: 5 }), order);
  assert.notDeepEqual(await fingerprints({ ...common, workers: 2 }, 1), order);
  const uncompressed = await dataset(t, 200, { maxShardBytes: 100_000, codec: "none" });
  assert.equal(uncompressed.samples, 200);
});

test("in manifest order every sample comes once, the last batch is smaller, and views are those of the geometry", async (t) => {
  const manifest = await dataset(t, 50);
  const found = await fingerprints({
    manifest,
    view: { kind: "rgb", size: 24, augment: "eval" },
    batchSize: 16,
    shuffle: false,
  });
  const expected: string[] = [];
  for (const shard of manifest.shards) {
    for await (const batch of readShard(manifest, shard)) {
      for (let row = 0; row < batch.length; row++) {
        const sample = batch.sample(row);
        const { x, y } = planView(
          sample.width,
          sample.height,
          { kind: "rgb", size: 24, augment: "eval" },
          randomFor(0, "unused"),
        );
        const rgb = new Float32Array(24 * 24 * 3);
        const { imagenetScaling: scaling } = await import("../../src/pipeline/load/slot.js");
        renderView({ ...sample, codec: batch.codec }, x, y, { kind: "rgb", rgb, scaling });
        expected.push(`${sample.label}:${sha256(Buffer.from(rgb.buffer)).slice(0, 12)}`);
      }
    }
  }
  assert.equal(found.length, 50);
  assert.deepEqual(found, expected);
});

test("a damaged record stops the epoch with its sample's name", async (t) => {
  const manifest = await dataset(t, 30);
  const file = path.join(manifest.folder, manifest.shards[0]?.name ?? "");
  const bytes = readFileSync(file);
  for await (const batch of readShard(manifest, manifest.shards[0] as LoadedManifest["shards"][number])) {
    const { packed } = batch.sample(11);
    const at = bytes.indexOf(Buffer.from(packed));
    bytes[at + packed.length - 5] = (bytes[at + packed.length - 5] as number) ^ 0x40;
  }
  writeFileSync(file, bytes);
  await rejectsWith("CHECKSUM_MISMATCH", () => fingerprints({ manifest, view, batchSize: 8 }), /s0011/);
  rmSync(file);
  await rejectsWith("NOT_FOUND", () => fingerprints({ manifest, view, batchSize: 8 }), /shard-00000-00000/);
});

test("leaving an epoch early, with a batch unreleased, leaves a loader that goes on", async (t) => {
  const manifest = await dataset(t, 100);
  const loader = new Loader({ manifest, view, batchSize: 8, prefetchBatches: 2 });
  for await (const _ of loader.epoch(0)) break;
  let samples = 0;
  for await (const batch of loader.epoch(1)) {
    samples += batch.samples;
    batch.release();
  }
  assert.equal(samples, 96);
  await loader.close();
});

test("memory is bounded: batches ahead of a slow consumer are as many as asked for, and slots are used again", async (t) => {
  const manifest = await dataset(t, 160);
  const loader = new Loader({ manifest, view, batchSize: 8, prefetchBatches: 2 });
  const buffers = new Set<ArrayBufferLike>();
  for (const epoch of [0, 1, 2]) {
    for await (const batch of loader.epoch(epoch)) {
      buffers.add(batch.arrays.labels.buffer);
      batch.release();
    }
  }
  assert.equal(loader.steps, 20);
  assert.ok(buffers.size <= 3, `${buffers.size} buffers for 60 batches`);
  await loader.close();
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

test("options are checked, and a batch is released once", async (t) => {
  const manifest = await dataset(t, 12);
  const make = (options: object) => () => new Loader({ manifest, view, batchSize: 4, ...options });
  await rejectsWith("INVALID_OPTION", make({ batchSize: 13 }), /at most the 12 samples/);
  await rejectsWith("INVALID_OPTION", make({ view: { ...view, size: 40 } }), /multiple of 16/);
  await rejectsWith("INVALID_OPTION", make({ workers: 0 }));
  await make({ workers: undefined })().close();
  const loader = make({})();
  for await (const batch of loader.epoch(0)) {
    batch.release();
    assert.throws(() => batch.release(), /twice/);
  }
  await loader.close();
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
  assert.deepEqual([x.scaledSize, x.outStart, x.outCount, y.scaledSize, y.outStart], [341, 59, 224, 256, 16]);
});

for (const expanded of [false, true]) {
  test(`with a cache${expanded ? " of expanded batches" : ""} an epoch is the same, the next reads nothing else, and damage in it costs a read`, async (t) => {
    const manifest = await dataset(t, 150, { maxShardBytes: 40_000 });
    const folder = temporaryFolder(t);
    const common = { manifest, view, batchSize: 16, seed: 3, workers: 2 };
    const order = [await fingerprints(common, 0), await fingerprints(common, 1)];
    const cache = { folder, maxBytes: 10 << 20, expanded };
    const loader = new Loader({ ...common, cache });
    const epoch = async (number: number) => {
      const prints: string[] = [];
      for await (const batch of loader.epoch(number)) {
        prints.push(...printsOf(batch));
        batch.release();
      }
      return prints;
    };
    const batches = manifest.shards.reduce((sum, shard) => sum + shard.batches.length, 0);
    assert.deepEqual(await epoch(0), order[0]);
    assert.deepEqual(loader.cacheCounters, { hits: 0, misses: batches, filled: batches, evicted: 0, damaged: 0 });
    const own = path.join(folder, "dctstream-cache-1");
    const [entry = ""] = (await namesIn(own)).filter((name) => name.endsWith(".entry"));
    const bytes = readFileSync(path.join(own, entry));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(path.join(own, entry), bytes);
    assert.deepEqual(await epoch(1), order[1]);
    assert.deepEqual(loader.cacheCounters, {
      hits: batches - 1,
      misses: batches + 1,
      filled: batches + 1,
      evicted: 0,
      damaged: 1,
    });
    await loader.close();
    for (const shard of manifest.shards) rmSync(path.join(manifest.folder, shard.name));
    assert.deepEqual(
      await fingerprints({ ...common, cache }, 0),
      order[0],
      "all from the cache, by another process too",
    );
    await rejectsWith("NOT_FOUND", () => fingerprints({ ...common, cache: { ...cache, expanded: !expanded } }));
  });
}
