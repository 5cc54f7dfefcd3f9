// Batches from an index of tars where they lie: the same, bit for bit, as from shards of the same tars.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Loader } from "../../src/pipeline/load/loader.js";
import type { LoaderOptions } from "../../src/pipeline/load/options.js";
import type { ViewOptions } from "../../src/pipeline/load/view.js";
import { manifestOf } from "../../src/pipeline/manifest-of.js";
import { indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../../src/shards/manifest.js";
import { countersSince, storageCounters } from "../../src/storage/counters.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import type { FaultProxy } from "../support/fault-proxy.js";
import { extraData, type TarEntries, temporaryFolder, writeTar } from "../support/files.js";
import { makeJpeg } from "../support/jpegs.js";
import { logIn, S3Server } from "../support/s3-server.js";

let server: S3Server;
let proxy: FaultProxy;

before(async () => {
  logIn();
  server = await S3Server.start();
  proxy = await server.proxy();
  await server.bucket("data");
});

after(async () => {
  await closeStorage();
  await proxy.stop();
  await server.stop();
});

const views: readonly ViewOptions[] = [
  { kind: "dct", size: 32, augment: "train" },
  { kind: "rgb", size: 32, augment: "train", policy: { brightness: 0.4, saturation: 0.3, mixup: 0.2 } },
  { kind: "rgb", size: 32, augment: "eval", type: "uint8" },
  { kind: "dct", size: 32, augment: "eval", type: "int16", chroma: "full", normalize: "none" },
  { kind: "ycbcr", size: 32, augment: "train" },
];

/** Batches of two epochs, by what they are. */
async function printsOf(data: string, options: Partial<LoaderOptions> & Pick<LoaderOptions, "view">) {
  const prints: string[] = [];
  await using loader = await Loader.open(data, { batchSize: 8, seed: 4, workers: 2, ...options });
  for await (const { arrays, labels, keys, release } of loader.epochs(0, 2)) {
    const hashes = arrays.map(({ data: values }) =>
      sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    );
    prints.push([...hashes, labels.join(), keys.join()].join(" "));
    release();
  }
  return prints;
}

async function bothForms(folder: string, sources: readonly string[]) {
  const shards = path.join(folder, "shards");
  const index = path.join(folder, "index");
  // Shards and parts of an index end elsewhere.
  await preprocess({ sources, out: shards, codec: "none", maxShardBytes: 60_000, workers: 1 });
  const report = await indexSources({ sources, out: index, maxShardBytes: 4_000, workers: 1 });
  return { shards, index, report };
}

test("batches are those of shards, in the same order, for every view, whatever stays where it is", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await Promise.all(
    ["a", "b"].map((name, i) => writeTar(path.join(folder, `${name}.tar`), sampleEntries(60 - 7 * i, name))),
  );
  const { shards, index, report } = await bothForms(folder, sources);
  assert.ok(report.inSources > 50 && report.inSources < report.samples, "some stay, some are stored");
  assert.ok(report.shards > 3);
  for (const view of views)
    for (const shuffle of [true, false])
      assert.deepEqual(await printsOf(index, { view, shuffle }), await printsOf(shards, { view, shuffle }), view.kind);
  const cache = { folder: path.join(folder, "cache"), maxBytes: 1e8, expanded: true };
  const [view] = views as [ViewOptions];
  for (const _ of ["filled", "read"])
    assert.deepEqual(await printsOf(index, { view, cache }), await printsOf(shards, { view }), "through a cache");
});

test("frequencies, classes and counts of an index are those of shards", async (t) => {
  const folder = temporaryFolder(t);
  const { shards, index } = await bothForms(folder, [await writeTar(path.join(folder, "a.tar"), sampleEntries(40))]);
  const [a, b] = [await readManifest(shards), await readManifest(index)];
  for (const name of ["frequencies", "classes", "samples", "failed", "inputBytes", "converted"] as const)
    assert.deepEqual(b[name], a[name], name);
});

test("class folders, nested and with odd names, are read where they lie", async (t) => {
  const folder = temporaryFolder(t);
  const images = sampleEntries(24).filter(([name]) => name.endsWith(".jpg"));
  for (const [i, [name, content]] of images.entries()) {
    const below = path.join(folder, "images", i % 2 === 0 ? "even" : "odd one %20#", i % 3 === 0 ? "deep/er" : ".");
    mkdirSync(below, { recursive: true });
    writeFileSync(path.join(below, i % 5 === 0 ? name.replace(".jpg", ".JPEG") : name), content);
  }
  const { shards, index } = await bothForms(folder, [path.join(folder, "images")]);
  for (const view of views.slice(0, 2))
    assert.deepEqual(await printsOf(index, { view }), await printsOf(shards, { view }));
});

/** Files that are worth reading in parts. */
function largeEntries(count: number): TarEntries {
  const kind = { name: "large", width: 640, height: 900, channels: 3, lumaH: 2, lumaV: 2, quality: 95 } as const;
  return Array.from({ length: count }, (_, i) => [
    [`${i}.jpg`, makeJpeg(kind, i)] as const,
    [`${i}.cls`, String(i % 3)] as const,
  ]).flat();
}

test("from S3 parts of files are read, or spans of small ones; what flips on the way is read again", async (t) => {
  const folder = temporaryFolder(t);
  const tars = { large: largeEntries(12), small: sampleEntries(80) };
  for (const [name, entries] of Object.entries(tars)) {
    const tar = await writeTar(path.join(folder, `${name}.tar`), entries);
    await server.put("data", `${name}.tar`, readFileSync(tar));
    configureStorage({ s3: server.options() });
    await preprocess({ sources: [tar], out: path.join(folder, name), workers: 1 });
    await indexSources({ sources: [`s3://data/${name}.tar`], out: `s3://data/${name}.index`, workers: 1 });
    const view: ViewOptions = { kind: "rgb", size: 64, augment: "train", scale: [0.05, 0.2] };
    const expected = await printsOf(path.join(folder, name), { view });
    const before = storageCounters();
    assert.deepEqual(await printsOf(`s3://data/${name}.index`, { view }), expected);
    const { bytesRead } = countersSince(before);
    const bytes = 2 * entries.reduce((sum, [, content]) => sum + content.length, 0);
    if (name === "large") assert.ok(bytesRead < 0.8 * bytes, `${bytesRead} of ${bytes} bytes`);
    // Every third read of the tar has a wrong byte.
    configureStorage({ s3: server.options(proxy.endpoint) });
    let reads = 0;
    proxy.decide = ({ method, path: asked }) =>
      method === "GET" && asked.includes(`${name}.tar`) && reads++ % 3 === 0
        ? { kind: "flip", atByte: 700 }
        : undefined;
    const faults = proxy.faults;
    assert.deepEqual(await printsOf(`s3://data/${name}.index`, { view }), expected);
    assert.ok(proxy.faults > faults);
    proxy.decide = () => undefined;
  }
});

test("indexes that share a tar share a cache, and nobody gets another file", async (t) => {
  const folder = temporaryFolder(t);
  const [a, b] = await Promise.all(
    (["a", "b"] as const).map((name) => writeTar(path.join(folder, `${name}.tar`), sampleEntries(150, name))),
  );
  const [view] = views as [ViewOptions];
  const cache = { folder: path.join(folder, "cache"), maxBytes: 1e8 };
  for (const [name, sources] of Object.entries({ both: [a, b], second: [b] }) as [string, string[]][]) {
    const index = path.join(folder, name);
    await indexSources({ sources, out: index, workers: 1 });
    assert.deepEqual(await printsOf(index, { view, cache }), await printsOf(index, { view }), name);
  }
});

test("what is damaged is named by its tar, or skipped", async (t) => {
  const folder = temporaryFolder(t);
  const tar = await writeTar(path.join(folder, "a.tar"), largeEntries(6));
  const index = path.join(folder, "index");
  await indexSources({ sources: [tar], out: index, workers: 1 });
  const bytes = readFileSync(tar);
  bytes[100_000] = (bytes[100_000] as number) ^ 1;
  const { mtime } = statSync(tar);
  writeFileSync(tar, bytes);
  utimesSync(tar, mtime, mtime);
  const view: ViewOptions = { kind: "rgb", size: 64, augment: "none" };
  const cache = { folder: path.join(folder, "cache"), maxBytes: 1e8 };
  for (const options of [{ view }, { view, cache }]) {
    const all = { ...options, batchSize: 2, shuffle: false, view: { ...view, augment: "eval" } } as const;
    await rejectsWith("CHECKSUM_MISMATCH", () => printsOf(index, all), /a\.tar/);
    await using loader = await Loader.open(index, { ...all, onBadSample: "skip" });
    for await (const { release } of loader.epoch(0)) release();
    assert.deepEqual(loader.skipped, { CHECKSUM_MISMATCH: 1 });
  }
});

test("a tar that was replaced or is gone is refused with its name", async (t) => {
  const folder = temporaryFolder(t);
  const tar = await writeTar(path.join(folder, "a.tar"), sampleEntries(10));
  const index = path.join(folder, "index");
  await indexSources({ sources: [tar], out: index, workers: 1 });
  const open = () => Loader.open(index, { view: views[0] as ViewOptions, batchSize: 2 });
  await (await open()).close();
  utimesSync(tar, new Date(), new Date(2000, 1));
  await rejectsWith("SOURCE_CHANGED", open, /a\.tar/);
  writeFileSync(tar, "");
  await rejectsWith("SOURCE_CHANGED", open, /0 bytes/);
});

test("what is named as data may be tars: they are indexed once, and again when they have changed", async (t) => {
  const folder = temporaryFolder(t);
  const cacheFolder = path.join(folder, "cache");
  const tar = await writeTar(path.join(folder, "a.tar"), sampleEntries(20));
  await writeTar(path.join(folder, "b.tar"), sampleEntries(10, "b"));
  let told = 0;
  const onProgress = () => told++;
  const open = (place: string) => manifestOf(place, { cacheFolder, onProgress });
  const both = await Promise.all([open(path.join(folder, "*.tar")), open(path.join(folder, "{a,b}.tar"))]);
  assert.deepEqual(
    both.map(({ samples, url }) => [samples, url]),
    [
      [30, both[0]?.url],
      [30, both[0]?.url],
    ],
    "one index, made by whoever came first",
  );
  assert.ok(told > 0);
  told = 0;
  assert.equal((await open(path.join(folder, "*.tar"))).samples, 30);
  assert.equal(told, 0, "it was there");
  await writeTar(tar, sampleEntries(21));
  assert.equal((await open(path.join(folder, "*.tar"))).samples, 31);
  assert.equal(readdirSync(cacheFolder).length, 2);
  const [{ url }] = both;
  assert.equal(
    (await open(path.dirname(url)).catch(({ code }) => ({ samples: code }))).samples,
    30,
    "a data set itself",
  );
  await rejectsWith("NOT_FOUND", () => open(path.join(folder, "none")), /no manifest/);
  const relative = path.relative(process.cwd(), path.join(folder, "b.tar"));
  const named = await Promise.all([open(relative), open(path.join(folder, "b.tar")), open(`file://${folder}/b.tar`)]);
  assert.equal(new Set(named.map((manifest) => manifest.url)).size, 1, "however it is called");
  const bare = await writeTar(
    path.join(folder, "bare.tar"),
    sampleEntries(3).filter(([name]) => name.endsWith(".jpg")),
  );
  await rejectsWith("NO_LABELS", () => open(bare), /dctstream index/);
});

const originals = extraData("imagenet-wds-000000.tar");
if (originals.length > 0)
  test("photographs too", async (t) => {
    const folder = temporaryFolder(t);
    const { shards, index, report } = await bothForms(folder, originals);
    assert.equal(report.inSources, report.samples);
    const { inputBytes, outputBytes } = await indexSources({ sources: originals, out: path.join(folder, "whole") });
    assert.ok(outputBytes < 0.015 * inputBytes, `${outputBytes} of ${inputBytes} bytes`);
    const [view] = views as [ViewOptions];
    assert.deepEqual(await printsOf(index, { view }), await printsOf(shards, { view }));
  });
