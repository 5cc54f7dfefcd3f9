import assert from "node:assert/strict";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { crc32c } from "../../src/native/index.js";
import { openDataset } from "../../src/shards/dataset.js";
import { findSample, inspect, renderSample } from "../../src/shards/inspect.js";
import { readManifest } from "../../src/shards/manifest.js";
import { verify } from "../../src/shards/verify.js";
import { makeDataset } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";

const shardOf = (manifest: string) => path.join(path.dirname(manifest), "shard-00000-00000.arrow");

test("an untouched data set verifies", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 150);
  assert.deepEqual(await verify(manifest), { samples: 150, shards: 1, corrupt: [] });
});

test("a flipped byte in a record is found, with the shard and the sample", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 20);
  const { sample } = await findSample(manifest, "s0007");
  const file = shardOf(manifest);
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from(sample.packed));
  assert.ok(at > 0);
  bytes[at + 40] = (bytes[at + 40] as number) ^ 1;
  writeFileSync(file, bytes);
  const { corrupt, samples } = await verify(manifest);
  assert.deepEqual(
    corrupt.map(({ code, key }) => [code, key]),
    [
      ["CHECKSUM_MISMATCH", undefined],
      ["CHECKSUM_MISMATCH", "s0007"],
    ],
  );
  assert.equal(samples, 19);
});

test("an index that says something else than the records is found, sample by sample", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 30, { maxShardBytes: 30_000 });
  assert.deepEqual((await verify(url)).corrupt, []);
  const manifest = JSON.parse(readFileSync(url, "utf8"));
  const file = path.join(path.dirname(url), manifest.index.name);
  const bytes = readFileSync(file);
  const { index } = await openDataset(url);
  const at = bytes.indexOf(Buffer.from(index.crc32c.slice().buffer));
  assert.ok(at > 0);
  bytes[at + 4 * 17] = (bytes[at + 4 * 17] as number) ^ 1;
  writeFileSync(file, bytes);
  assert.deepEqual(
    (await verify(url)).corrupt.map(({ code }) => code),
    ["CHECKSUM_MISMATCH"],
  );
  manifest.index.crc32c = crc32c(bytes);
  writeFileSync(url, JSON.stringify(manifest));
  assert.deepEqual(
    (await verify(url)).corrupt.map(({ code, key }) => [code, key]),
    [["CORRUPT_INDEX", "s0017"]],
  );
});

test("a missing sidecar, a missing shard and a shortened one are each named", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 20);
  const codes = async () => (await verify(manifest)).corrupt.map(({ code }) => code);
  const sidecar = shardOf(manifest).replace(".arrow", ".json");
  const text = readFileSync(sidecar);
  rmSync(sidecar);
  assert.deepEqual(await codes(), ["MISSING_SIDECAR"]);
  writeFileSync(sidecar, text);
  assert.deepEqual(await codes(), []);
  truncateSync(shardOf(manifest), 5000);
  assert.ok((await codes()).includes("CHECKSUM_MISMATCH"));
  rmSync(shardOf(manifest));
  assert.deepEqual(await codes(), ["MISSING_SHARD"]);
});

test("inspect counts samples, samplings and what is kept raw, from a manifest or a single shard", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 48);
  const all = await inspect(manifest);
  assert.deepEqual([all.samples, all.classes, all.progressive, all.rawStored], [48, 2, 3, 6]);
  assert.equal(all.sampling["4:4:4"], 15);
  assert.equal(all.sampling.grey, 3);
  const shard = await inspect(shardOf(manifest));
  assert.deepEqual([shard.samples, shard.sampling, shard.labels], [48, all.sampling, { 0: 24, 1: 24 }]);
  await rejectsWith("CORRUPT_SHARD", async () => {
    writeFileSync(shardOf(manifest), "this is no Arrow file at all");
    await inspect(shardOf(manifest));
  });
});

test("a sample is found by its key and rendered at its own size", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 8);
  const found = await findSample(manifest, "s0001");
  assert.equal(renderSample(found).length, 101 * 77 * 3);
  await rejectsWith("UNKNOWN_KEY", () => findSample(manifest, "nope"), /keys look like s0000/);
  assert.equal((await readManifest(manifest)).samples, 8);
});
