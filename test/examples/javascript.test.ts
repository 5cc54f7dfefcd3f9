import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { readManifest } from "../../src/shards/manifest.js";
import { makeDataset } from "../support/dataset.js";
import { projectRoot, temporaryFolder } from "../support/files.js";

async function run(t: TestContext, example: string, ...args: string[]) {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 80);
  const shards = path.dirname(manifest);
  const program = path.join(projectRoot, "examples", example);
  const done = spawnSync(process.execPath, [program, shards, ...args], { cwd: folder, encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return { lines: done.stdout.trim().split("\n"), folder, manifest };
}

test("iterate.mjs shows named arrays and leaves in time", async (t) => {
  const { lines } = await run(t, "iterate.mjs", "2");
  assert.equal(lines[0], "y: sample 16, row 28, column 28, frequency 64");
  assert.equal(lines[2], "cr: sample 16, row 14, column 14, frequency 64");
  assert.match(lines[3] as string, /^step 0: 16 samples, the first is s00\d\d of class [01]$/);
  assert.match(lines.at(-1) as string, /^32 samples, \d+ a second$/);
});

test("features.mjs writes one row per sample, in order", async (t) => {
  const { folder, manifest } = await run(t, "features.mjs", "out.npy");
  const bytes = readFileSync(path.join(folder, "out.npy"));
  const start = 10 + bytes.readUInt16LE(8);
  assert.equal(start % 64, 0);
  assert.match(bytes.subarray(10, start).toString(), /'shape': \(80, 192\)/);
  assert.equal(bytes.length, start + 80 * 192 * 4);
  assert.ok(bytes.readFloatLE(start) > 0);
  const keys = readFileSync(path.join(folder, "out.npy.keys"), "utf8").trim().split("\n");
  assert.equal(keys.length, (await readManifest(manifest)).samples);
  assert.deepEqual(keys, [...keys].sort());
});

test("training-loop.mjs learns, and evaluates every validation sample once", async (t) => {
  const { lines, folder } = await run(t, "training-loop.mjs", "30");
  const losses = lines.filter((line) => line.includes("loss")).map((line) => Number(line.split(" ").at(-1)));
  assert.equal(losses.length, 120);
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  assert.ok(mean(losses.slice(-40)) < 0.8 * mean(losses.slice(0, 40)), losses.join(" "));
  assert.match(lines.at(-1) as string, /^top-1 [\d.]+ % of 16 validation samples$/);
  assert.ok(!existsSync(path.join(folder, "training-loop.state.json")));
});
