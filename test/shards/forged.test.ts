import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openDataset } from "../../src/shards/dataset.js";
import { recordFlags } from "../../src/shards/flags.js";
import { findSample, inspect } from "../../src/shards/inspect.js";
import {
  type LoadedManifest,
  type Manifest,
  parseManifest,
  readManifest,
  type Sidecar,
} from "../../src/shards/manifest.js";
import type { SampleRecord } from "../../src/shards/record.js";
import { mergeStatistics } from "../../src/shards/statistics.js";
import { verify } from "../../src/shards/verify.js";
import { configureStorage } from "../../src/storage/store.js";
import { makeDataset } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";
import { forgeDataset, readRecords, sealDataset } from "../support/forge.js";

test("a record that says anything else than its file is found, though every checksum is right", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 16);
  const records = await readRecords(manifest);
  const forge = (name: string, change: (record: SampleRecord) => object) =>
    forgeDataset(
      manifest,
      path.join(folder, name),
      records.map((record) => ({ ...record, ...change(record) })),
    );
  assert.deepEqual((await verify(await forge("unchanged", () => ({})))).corrupt, []);
  const changes: Record<string, (record: SampleRecord) => object> = {
    tables: ({ quantTables }) => ({ quantTables: quantTables.map((q) => Math.min(65_535, 7 * q + 1)) }),
    "one step of a table": ({ quantTables }) => ({ quantTables: quantTables.map((q, i) => (i === 5 ? q + 1 : q)) }),
    width: ({ width }) => ({ width: width >> 1 }),
    "a pixel less, in the same blocks": ({ width }) => ({ width: width % 8 === 1 ? width + 1 : width - 1 }),
    "no pixels": () => ({ width: 0, height: -5 }),
    huge: () => ({ width: 60_000, height: 60_000 }),
    sampling: ({ components }) => ({ components: components.map((c) => ({ ...c, h: 3, v: 1 })) }),
    grids: ({ components }) => ({ components: components.map((c) => ({ ...c, storedWide: 4096, storedHigh: 4096 })) }),
    "a component less": ({ components }) => ({ components: components.slice(0, -1) }),
    label: () => ({ label: 7 }),
    "label below 0": () => ({ label: -1 }),
    "flags of coding": ({ flags }) => ({ flags: flags ^ 1 }),
    "flag of the kept file": ({ flags }) => ({ flags: flags ^ 4 }),
    orientation: () => ({ orientation: 3 }),
    "key that leads up": () => ({ key: "../../x" }),
    "extension that leads up": () => ({ extension: "/../../x" }),
  };
  for (const [name, change] of Object.entries(changes)) {
    const { corrupt, samples } = await verify(await forge(name, change));
    assert.equal(samples, 0, name);
    // What the index may not say is said of the index first.
    const records = corrupt.filter(({ code }) => code === "CORRUPT_RECORD");
    assert.equal(records.length, 16, `${name}: ${JSON.stringify(corrupt[0])}`);
  }
});

test("the kept file of a progressive JPEG is compared with the coefficients beside it", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 32);
  const progressive = (await readRecords(manifest)).filter(({ flags }) => (flags & recordFlags.progressive) !== 0);
  assert.equal(progressive.length, 2);
  const [one, { raw, imageCrc32c }] = progressive as [SampleRecord, SampleRecord];
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), [{ ...one, raw, imageCrc32c }]);
  assert.match((await verify(forged)).corrupt[0]?.message ?? "", /its file has other coefficients/);
});

test("coefficients that lie elsewhere than the manifest says are found", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 20);
  const folder = path.dirname(manifest);
  const coefficients = (manifest: Manifest, by: number) => {
    for (const shard of manifest.shards) for (const batch of shard.batches) batch.coefficients += by;
  };
  sealDataset(folder, (sealed) => coefficients(sealed, 8));
  writeSidecarLike(folder);
  const codes = (await verify(manifest)).corrupt.map(({ code, message }) => `${code} ${message.slice(0, 24)}`);
  assert.deepEqual([...new Set(codes)], ["CORRUPT_SHARD its coefficients are at "]);
});

/** The sidecar says of the shard what the manifest says. */
function writeSidecarLike(folder: string): void {
  const { shards } = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")) as Manifest;
  const file = path.join(folder, "shard-00000-00000.json");
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), shard: shards[0] }));
}

test("frequencies that are not those of the statistics are found", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 8);
  sealDataset(path.dirname(manifest), ({ frequencies }) => {
    for (const component of frequencies) component.std[3] = 1e6;
  });
  assert.match(JSON.stringify((await verify(manifest)).corrupt), /frequencies are not what/);
});

test("statistics that are not those of the records are found, though the manifest's frequencies follow from them", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 16);
  const folder = path.dirname(manifest);
  const file = path.join(folder, "shard-00000-00000.json");
  const sidecar = JSON.parse(readFileSync(file, "utf8")) as Sidecar;
  const statistics = sidecar.statistics.map((sum, i) => (i === 3 ? String(2 * Number(sum)) : sum));
  writeFileSync(file, JSON.stringify({ ...sidecar, statistics }));
  sealDataset(folder, (sealed) => Object.assign(sealed, { frequencies: mergeStatistics([statistics]) }));
  const found = async (rebuild: boolean) => (await verify(manifest, { rebuild })).corrupt.map(({ message }) => message);
  assert.deepEqual(await found(true), ["its sidecar's statistics are not those of its records"]);
  assert.deepEqual(await found(false), [], "they come from the images");
});

test("numbers of a manifest that cannot be true together are refused before anything is made of that size", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 300);
  const good = JSON.parse(readFileSync(url, "utf8")) as LoadedManifest;
  const refused = async (message: RegExp, change: (manifest: LoadedManifest) => void) => {
    const changed = structuredClone(good) as LoadedManifest;
    change(changed);
    await rejectsWith("BAD_MANIFEST", () => parseManifest(JSON.stringify(changed), url), message);
  };
  type Batch = { offset: number; byteLength: number; samples: number; coefficients: number };
  const batch = ({ shards }: LoadedManifest, i = 0) => shards[0]?.batches[i] as Batch;
  await refused(/record batch 0 has .* samples in/, (m) => {
    batch(m).samples = 2 ** 53 - 1;
  });
  await refused(/300 samples stated, 301 in its record batches/, (m) => batch(m).samples++);
  await refused(/ends at byte .* of/, (m) => {
    batch(m, 2).byteLength = 2 ** 40;
  });
  await refused(/begins before the one in front of it ends/, (m) => batch(m, 1).offset--);
  await refused(/begin behind its end/, (m) => {
    batch(m).coefficients = 2 ** 40;
  });
});

test("an index or a record batch that is said to be larger than the file is refused, not allocated", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 10);
  const folder = path.dirname(url);
  sealDataset(folder, (manifest) => {
    manifest.index.byteLength = 2 ** 50;
  });
  await rejectsWith("CORRUPT_SHARD", () => openDataset(url), /places something up to byte/);
  sealDataset(folder, ({ shards }) => {
    const [shard] = shards;
    const batch = shard?.batches[0] as { byteLength: number };
    batch.byteLength = 2 ** 50;
    (shard as { byteLength: number }).byteLength = 2 ** 51;
  });
  await rejectsWith("CORRUPT_SHARD", () => inspect(url), /places something up to byte/);
});

test("an index whose samples take more bytes than their record batch is refused", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 10);
  const { index } = await openDataset(manifest);
  const file = path.join(path.dirname(manifest), "index.arrow");
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from(index.byteLength.slice().buffer));
  bytes.writeUInt32LE(2 ** 32 - 1, at);
  writeFileSync(file, bytes);
  await rejectsWith("CORRUPT_INDEX", () => openDataset(sealDataset(path.dirname(manifest))), /take more bytes than/);
});

test("a manifest names files in its own folder only, unless that is allowed", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 4);
  const good = JSON.parse(readFileSync(url, "utf8")) as LoadedManifest;
  const folder = path.dirname(url);
  const names = [
    "/etc/passwd",
    "../x.arrow",
    "a/b.arrow",
    "http://127.0.0.1:1/x",
    "s3://b/k",
    "..",
    "%2e%2e",
    "a?b",
    "",
  ];
  for (const name of names) {
    const shards = [{ ...good.shards[0], name }];
    await rejectsWith("BAD_MANIFEST", () => parseManifest(JSON.stringify({ ...good, shards }), url));
    const index = { ...good.index, name };
    await rejectsWith("BAD_MANIFEST", () => parseManifest(JSON.stringify({ ...good, index }), url));
  }
  const shards = [{ ...good.shards[0], name: path.join(folder, "shard-00000-00000.arrow") }];
  writeFileSync(path.join(folder, "own.json"), JSON.stringify({ ...good, shards }));
  await rejectsWith("BAD_MANIFEST", () => inspect(path.join(folder, "own.json")), /`allowOutside`/);
  configureStorage({ allowOutside: true });
  t.after(() => configureStorage({}));
  assert.equal((await inspect(path.join(folder, "own.json"))).samples, 4);
  assert.equal((await readManifest(path.join(folder, "own.json"))).shards.length, 1);
});

test("a forged record ends inspect with CORRUPT_RECORD", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 4);
  const records = (await readRecords(manifest)).map((record) => ({ ...record, width: 20_000, height: 20_000 }));
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), records);
  await rejectsWith("CORRUPT_RECORD", () => inspect(forged), /20000 x 20000/);
  await rejectsWith("CORRUPT_RECORD", () => findSample(forged, "s0001"));
});
