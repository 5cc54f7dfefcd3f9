import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { dctstream, lastJson } from "../../support/command-line.js";
import { temporaryFolder } from "../../support/files.js";
import { countReads, heldServer, holdPartWay } from "../../support/held-server.js";
import { twoHosts } from "../../support/hosts.js";
import { mpirun } from "../../support/mpi.js";
import { onRanks, testGradients, testWeights } from "../../support/on-ranks.js";
import { twoClasses } from "../../support/two-classes.js";

test("values, bytes and sums go to all ranks", async (t) => {
  const found = await onRanks<Record<string, unknown>>(t, 3, "share");
  for (const [rank, values] of found.entries())
    assert.deepEqual(values, {
      value: { text: "from rank 0", none: null },
      bytes: [1, 2, 3],
      nothing: true,
      sum: [6, 1.5],
      later: 3,
      now: 30,
      rank,
      size: 3,
      localRank: rank,
      localSize: 3,
    });
});

// The other networks and numbers of ranks are in test/long.
testGradients("late-concat-rfa-thinner");
testWeights(2);

test("an epoch covers each sample once over all ranks, whatever their number", async (t) => {
  const manifest = await twoClasses(temporaryFolder(t), 30, "train");
  const all = Array.from({ length: 30 }, (_, i) => `train${i}`).sort();
  for (const ranks of [1, 2, 4]) {
    const found = await onRanks<{ epochs: string[][]; planned: number }>(t, ranks, "keys", manifest);
    for (const epoch of [0, 1]) assert.deepEqual(found.flatMap(({ epochs }) => epochs[epoch] as string[]).sort(), all);
    assert.ok(found.every(({ planned }) => planned === 60));
  }
});

test("what ranks have counted apart is one count, and takes no memory by the square of the classes", async (t) => {
  const classes = String(1_000_000); // whose square would be four terabytes
  type Counted = { samples: number; loss: number; cells: string[] };
  const [alone] = await onRanks<Counted>(t, 1, "tally", classes);
  assert.deepEqual([alone?.samples, alone?.loss, alone?.cells.length], [100, 4950, 56]);
  for (const each of await onRanks<Counted>(t, 3, "tally", classes)) assert.deepEqual(each, alone);
});

const trainArguments = (manifest: string, val: string, out: string) => [
  ...["train", manifest, "--network", "late-concat-rfa-thinner", "--width", "0.125", "--input-size", "32"],
  ...[
    "--batch-size",
    "8",
    "--lr",
    "0.02",
    "--max-steps",
    "40",
    "--no-drop-last",
    "--checkpoint-steps",
    "5",
    "--val",
    val,
    "--out",
    out,
    "--json",
  ],
];

const historyOf = (out: string) =>
  readFileSync(path.join(out, "history.jsonl"), "utf8")
    .split("\n")
    .flatMap((line) => (line.startsWith('{"kind":"step"') ? [JSON.parse(line).loss as number] : []));

test("train on two ranks: one report, what it says is what evaluate finds, and a rank that dies ends the job, which resumes", async (t) => {
  const folder = temporaryFolder(t);
  const [manifest, local] = [await twoClasses(folder, 30, "train"), await twoClasses(folder, 9, "val")];
  const [whole, killed] = [path.join(folder, "whole"), path.join(folder, "killed")];
  const served = await heldServer(t, folder);
  const val = served.url("val/manifest.json");
  const validations = countReads(served);
  const run = await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, whole));
  assert.equal(run.status, 0, run.stderr.slice(-1000));
  assert.equal(run.stdout.trim().split("\n").length, 1, "only rank 0 speaks");
  const report = lastJson(run);
  assert.deepEqual([report.worldSize, report.steps], [2, 40]);
  holdPartWay(served, validations());
  const evaluated = lastJson(await dctstream(["evaluate", whole, local, "--json"]));
  assert.equal(evaluated.top1, report.valTop1);
  assert.ok(Math.abs((evaluated.loss as number) - (report.valLoss as number)) < 1e-4);

  let victim: number | undefined;
  const died = await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, killed), {
    onStderr: (text) => {
      if (victim !== undefined || !/checkpoint after step 1\d/.test(text)) return;
      victim = rankProcess(killed, 1);
      process.kill(victim, "SIGKILL");
    },
  });
  assert.notEqual(died.status, 0);
  assert.match(died.stderr, /rank 1 .*exited on signal 9/s);
  served.release();
  const resumed = await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, killed));
  assert.equal(resumed.status, 0, resumed.stderr.slice(-1000));
  assert.ok((lastJson(resumed).resumedAt as number) >= 10);
  assert.deepEqual(historyOf(killed), historyOf(whole));
});

test("told to stop, the ranks stop together after a step and leave a checkpoint", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  const [whole, stopped] = [path.join(folder, "whole"), path.join(folder, "stopped")];
  const served = await heldServer(t, folder);
  const val = served.url("train/manifest.json");
  const validations = countReads(served);
  await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, whole));
  holdPartWay(served, validations());
  let told = false;
  const run = await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, stopped), {
    onStderr: (text) => {
      if (told || !/step 7\/40/.test(text)) return;
      told = true;
      process.kill(rankProcess(stopped, 1), "SIGTERM"); // as a machine that is about to go does: the other learns of it
      served.release();
    },
  });
  assert.notEqual(run.status, 0);
  assert.match(run.stderr, /checkpoint after step \d+.*run the same command again to resume/s);
  const { checkpoints } = JSON.parse(readFileSync(path.join(stopped, "run.json"), "utf8"));
  const last = checkpoints.at(-1).step as number;
  assert.ok(last >= 7 && last < 40, String(last));
  const resumed = await mpirun(2, "tools/dctstream.js", trainArguments(manifest, val, stopped));
  assert.equal(lastJson(resumed).resumedAt, last);
  assert.deepEqual(historyOf(stopped), historyOf(whole));
});

test("two ranks in networks of their own, as separate hosts, train together over TCP", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  const hosts = await twoHosts(t, folder);
  const out = path.join(folder, "run");
  const args = trainArguments(manifest, manifest, out);
  const before = hosts.bytesSent();
  const { status, stdout, stderr } = await mpirun(2, "tools/dctstream.js", args, hosts);
  assert.equal(status, 0, stderr.slice(-1500));
  const { worldSize, parameters } = lastJson({ status, stdout, stderr });
  assert.equal(worldSize, 2);
  // A few of the parameters are moving statistics, which are no gradients.
  const expected = 40 * 4 * (parameters as number);
  const sent = hosts.bytesSent() - before;
  assert.ok(sent > 0.9 * expected, `the gradients of 40 steps have gone over the wire: ${sent} of ${expected} bytes`);
});

test("a rank that fails says why and ends all", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const args = trainArguments(manifest, path.join(folder, "missing"), path.join(folder, "run"));
  const { status, stderr } = await mpirun(2, "tools/dctstream.js", args);
  assert.notEqual(status, 0);
  assert.match(stderr, /NOT_FOUND: no manifest there/);
  const uneven = await mpirun(2, "tools/dctstream.js", [
    ...trainArguments(manifest, manifest, path.join(folder, "run")),
    "--accumulate",
    "8",
  ]);
  assert.match(uneven.stderr, /INVALID_OPTION: --batch-size must be a multiple of 16/);
});

/** The process of a rank, by what mpirun gave it and its command line. */
function rankProcess(out: string, rank: number): number {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [command, environment] = ["cmdline", "environ"].map((file) =>
        readFileSync(`/proc/${name}/${file}`, "latin1"),
      );
      if (!command?.startsWith(process.execPath) || !command.includes(out)) continue;
      if (environment?.includes(`\0OMPI_COMM_WORLD_RANK=${rank}\0`)) return Number(name);
    } catch {
      // Ended meanwhile, or not ours to look at.
    }
  }
  throw new Error(`no process of rank ${rank}`);
}
