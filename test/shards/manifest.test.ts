import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { parseManifest, readManifest } from "../../src/shards/manifest.js";
import { makeDataset } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";

test("a manifest says what the data set holds, and is found by its folder too", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest: url, report } = await makeDataset(folder, 40);
  const manifest = await readManifest(path.dirname(url));
  assert.equal(manifest.samples, 40);
  assert.equal(manifest.samples, report.samples);
  assert.deepEqual(manifest.classes, [
    { index: 0, name: "class 0" },
    { index: 1, name: "class 1" },
  ]);
  assert.equal(manifest.frequencies.length, 3);
  assert.ok(
    (manifest.frequencies[0]?.std[0] ?? 0) > (manifest.frequencies[0]?.std[63] ?? 0),
    "DC varies more than the highest frequency",
  );
});

test("a manifest from the future, a damaged one and none at all are told apart", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest: url } = await makeDataset(folder, 4);
  const good = JSON.parse(readFileSync(url, "utf8")) as Record<string, unknown>;
  const parse = (change: object) => parseManifest(JSON.stringify({ ...good, ...change }), url);
  await rejectsWith(
    "UNSUPPORTED_MANIFEST_VERSION",
    () => parse({ version: 99, shards: "in another shape" }),
    /version 99.*update/,
  );
  await rejectsWith("BAD_MANIFEST", () => parse({ samples: 5 }), /5 samples stated, 4 in its shards/);
  await rejectsWith("BAD_MANIFEST", () => parse({ shards: [{ name: "x" }] }), /shards\.0/);
  await rejectsWith("BAD_MANIFEST", () => parse({ format: "other" }), /format/);
  await rejectsWith("BAD_MANIFEST", () => parseManifest("{", url), /not JSON/);
  await rejectsWith("NOT_FOUND", () => readManifest(path.join(folder, "elsewhere")), /no manifest/);
  writeFileSync(url, "");
  await rejectsWith("BAD_MANIFEST", () => readManifest(url));
});
