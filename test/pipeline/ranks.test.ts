import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { divideSources } from "../../src/pipeline/preprocess/sources.js";
import { rankOf } from "../../tools/rank.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder, writeTar } from "../support/files.js";

/** Five tars of different sizes, one with a broken image in it. */
async function makeSources(t: TestContext): Promise<{ folder: string; sources: string[] }> {
  const folder = temporaryFolder(t);
  const sources: string[] = [];
  for (const [i, count] of [7, 3, 9, 1, 5].entries()) {
    const broken =
      i === 2
        ? ([
            ["bad.jpg", "no image"],
            ["bad.cls", "1"],
          ] as const)
        : [];
    sources.push(await writeTar(path.join(folder, `source-${i}.tar`), [...sampleEntries(count, `t${i}-`), ...broken]));
  }
  return { folder, sources };
}

async function digests(folder: string): Promise<Record<string, string>> {
  const names = (await namesIn(folder)).filter((name) => !name.startsWith("."));
  return Object.fromEntries(names.map((name) => [name, sha256(readFileSync(path.join(folder, name)))]));
}

test("several ranks at once write what one process writes, byte for byte, and the last one the manifest", async (t) => {
  const { folder, sources } = await makeSources(t);
  const single = path.join(folder, "single");
  const alone = await preprocess({ sources, out: single, maxShardBytes: 20_000, workers: 1 });
  for (const worldSize of [2, 3, 8]) {
    const out = path.join(folder, `by-${worldSize}`);
    const options = { sources, out, maxShardBytes: 20_000, workers: 1, worldSize };
    const ranks = Array.from({ length: worldSize }, (_, rank) => rank);
    const reports = await Promise.all(ranks.map((rank) => preprocess({ ...options, rank })));
    const last = reports.find(({ complete }) => complete);
    assert.equal(last?.samples, alone.samples);
    assert.deepEqual(await digests(out), await digests(single), `${worldSize} ranks`);
    const again = await preprocess({ ...options, rank: 0 });
    assert.deepEqual([again.alreadyDone, again.complete], [true, true]);
  }
});

test("a rank that did not run is found out by --merge; run again, it completes the data set", async (t) => {
  const { folder, sources } = await makeSources(t);
  const out = path.join(folder, "shards");
  const run = (...args: string[]) => dctstream(["preprocess", ...sources, "--out", out, "--json", ...args]);
  const first = lastJson(await run("--rank", "0", "--world-size", "3"));
  const third = lastJson(await run("--rank", "2", "--world-size", "3"));
  assert.deepEqual([first.complete, third.complete], [false, false]);
  const early = await run("--merge");
  assert.equal(early.status, 1);
  assert.match(early.stderr, /MISSING_SIDECAR: source \d of 5 is not finished.*source-\d\.tar/);
  const second = await dctstream(["preprocess", ...sources, "--out", out, "--json"], {
    env: { JOB_COMPLETION_INDEX: "1", AWS_BATCH_JOB_ARRAY_INDEX: "1", AWS_BATCH_JOB_ARRAY_SIZE: "3" },
  });
  assert.equal(lastJson(second).complete, true);
  rmSync(path.join(out, "manifest.json"));
  const merged = lastJson(await run("--merge"));
  assert.deepEqual([merged.complete, merged.samples, merged.failed], [true, 25, 1]);
  const single = path.join(folder, "single");
  await preprocess({ sources, out: single });
  assert.deepEqual(await digests(out), await digests(single));
});

test("one rank runs once at a time, and none may remove the others' work", async (t) => {
  const { folder, sources } = await makeSources(t);
  const out = path.join(folder, "shards");
  const options = { sources, out, workers: 1, rank: 0, worldSize: 2 };
  const both = await Promise.allSettled([preprocess(options), preprocess(options)]);
  const codes = both.map((result) => (result.status === "rejected" ? result.reason.code : "done"));
  assert.deepEqual(codes.sort(), ["OUTPUT_IN_USE", "done"]);
  await rejectsWith("INVALID_OPTION", () => preprocess({ ...options, overwrite: true }), /overwrite/);
  await rejectsWith("INVALID_OPTION", () => preprocess({ ...options, rank: 2 }), /rank/);
});

test("sources are divided by bytes: every one once, the parts about even", () => {
  const sources = [10, 1, 1, 1, 9, 8, 2].map((byteLength) => ({ byteLength }));
  const parts = divideSources(sources, 3);
  assert.deepEqual(parts.flat().sort(), [0, 1, 2, 3, 4, 5, 6]);
  const bytes = parts.map((part) => part.reduce((sum, index) => sum + (sources[index]?.byteLength as number), 0));
  assert.ok(Math.max(...bytes) - Math.min(...bytes) <= 2, bytes.join(" "));
});

test("rank and size come from options, or from whoever started the process", () => {
  const place = (args: object, env: NodeJS.ProcessEnv) => Object.values(rankOf(args as Record<string, unknown>, env));
  assert.deepEqual(place({}, {}), [0, 1]);
  assert.deepEqual(place({ rank: 2, worldSize: 4 }, { SLURM_PROCID: "1", SLURM_NTASKS: "2" }), [2, 4]);
  assert.deepEqual(place({}, { OMPI_COMM_WORLD_RANK: "3", OMPI_COMM_WORLD_SIZE: "8" }), [3, 8]);
  assert.deepEqual(place({}, { SLURM_PROCID: "1", SLURM_NTASKS: "2" }), [1, 2]);
  const array = { SLURM_ARRAY_TASK_ID: "7", SLURM_ARRAY_TASK_COUNT: "4", SLURM_ARRAY_TASK_MIN: "5" };
  assert.deepEqual(place({}, { ...array, SLURM_PROCID: "0", SLURM_NTASKS: "1" }), [2, 4]);
  assert.deepEqual(place({ worldSize: 16 }, { JOB_COMPLETION_INDEX: "9" }), [9, 16]);
  assert.deepEqual(place({}, { AWS_BATCH_JOB_ARRAY_INDEX: "1", AWS_BATCH_JOB_ARRAY_SIZE: "3" }), [1, 3]);
  assert.throws(() => place({}, { JOB_COMPLETION_INDEX: "9" }), /worldSize is missing: this is rank 9/);
  assert.throws(() => place({ worldSize: 3 }, {}), /rank/);
});
