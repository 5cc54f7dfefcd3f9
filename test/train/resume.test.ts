import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { train } from "../../src/train/run/trainer.js";
import { readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, projectRoot, temporaryFolder } from "../support/files.js";
import { countReads, heldServer, holdPartWay } from "../support/held-server.js";
import { small, testInterruptions } from "../support/interrupted-runs.js";
import { twoClasses } from "../support/two-classes.js";

// One with everything that has a state of its own, and one whose views grow; each thing by itself is in test/long.
testInterruptions({
  network: "late-concat-rfa-thinner",
  ...{ averageDecay: 0.9, clipNorm: 1, labelSmoothing: 0.1, zeroInit: true },
  ...{ accumulate: 2, policy: { mixup: 0.2, cutmix: 1 }, schedule: "cosine" },
});
testInterruptions({ network: "resnet50-rgb", firstInputSize: 32, inputSize: 64, epochs: 4, dropLast: true });

test("a run that was killed goes on from its last checkpoint with the same losses", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  await twoClasses(folder, 8, "val");
  const served = await heldServer(t, folder);
  const run = (out: string, killAt?: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const options = [
        "--network",
        "late-concat-rfa-thinner",
        "--width",
        "0.125",
        "--input-size",
        "32",
        "--batch-size",
        "8",
      ];
      const more = ["--lr", "0.02", "--max-steps", "60", "--checkpoint-steps", "3", "--no-drop-last", "--out", out];
      const val = ["--val", served.url("val/manifest.json")];
      const command = path.join(projectRoot, "dist", "tools", "dctstream.js");
      const child = spawn(process.execPath, [command, "train", manifest, ...val, ...options, ...more], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let text = "";
      child.stderr.on("data", (chunk) => {
        text += chunk;
        if (killAt?.test(text)) child.kill("SIGKILL");
      });
      child.on("close", (code, signal) => {
        if (killAt === undefined ? code === 0 : signal === "SIGKILL") resolve();
        else reject(new Error(`ended with ${code ?? signal}: ${text.slice(-500)}`));
      });
    });
  const lossesIn = (out: string) =>
    readFileSync(path.join(out, "history.jsonl"), "utf8")
      .split("\n")
      .flatMap((line) => (line.startsWith('{"kind":"step"') ? [JSON.parse(line).loss as number] : []));
  const [whole, killed] = [path.join(folder, "whole"), path.join(folder, "killed")];
  const validations = countReads(served); // fifteen, every four steps
  await run(whole);
  const reads = validations();
  holdPartWay(served, reads, 4 / 15);
  await run(killed, /checkpoint after step (6|9|12)\b/);
  served.release();
  holdPartWay(served, reads, 9 / 15);
  await run(killed, /checkpoint after step 3\d\b/);
  served.release();
  await run(killed);
  assert.equal(lossesIn(whole).length, 60);
  assert.deepEqual(lossesIn(killed), lossesIn(whole));
  const names = await namesIn(path.join(killed, "checkpoints"));
  const { best } = JSON.parse(readFileSync(path.join(killed, "run.json"), "utf8")) as { best: { step: number } };
  const kept = [...new Set([best.step, 57, 60])].sort((a, b) => a - b).map((step) => String(step).padStart(8, "0"));
  assert.deepEqual(names, kept, "half-written and older checkpoints are gone");
});

test("a run's folder is of one run: others are refused or, when asked to, replace it; what has ended is not done again", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const out = path.join(folder, "run");
  const options = { manifest, network: "resnet50-rgb", out, ...small, maxSteps: 2 };
  const first = await train(options);
  assert.deepEqual([first.alreadyDone, first.resumedAt], [false, 0]);
  const again = await train({ ...options, workers: 1, keepLast: 5 });
  assert.deepEqual({ ...again, alreadyDone: false }, JSON.parse(JSON.stringify(first)));
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train({ ...options, seed: 5 }), /begun with seed 4, now 5/);
  const other = await train({ ...options, seed: 5, overwrite: true });
  assert.notEqual(other.firstLoss, first.firstLoss);
  const held = await Promise.allSettled([
    train({ ...options, overwrite: true }),
    train({ ...options, overwrite: true }),
  ]);
  const codes = held.map((result) => (result.status === "rejected" ? result.reason.code : "done"));
  assert.deepEqual(codes.sort(), ["OUTPUT_IN_USE", "done"]);
});

test("a run whose checkpoint stands in another order of the data is refused, with what can be done", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const out = path.join(folder, "run");
  const options = { manifest, network: "resnet50-rgb", out, ...small, epochs: 2 };
  const interrupt = new AbortController();
  const onStep = () => interrupt.abort(new Error("interrupted"));
  await assert.rejects(train({ ...options, signal: interrupt.signal, onStep }), /interrupted/);
  const [latest = ""] = await namesIn(path.join(out, "checkpoints"));
  const file = path.join(out, "checkpoints", latest, "checkpoint.json");
  const checkpoint = JSON.parse(readFileSync(file, "utf8"));
  checkpoint.training.position.version = 1; // as versions with the former order wrote it
  writeFileSync(file, JSON.stringify(checkpoint));
  await rejectsWith("STATE_MISMATCH", () => train(options), /another order .* start anew with `overwrite`/);
  assert.equal((await train({ ...options, overwrite: true })).resumedAt, 0);
});

test("a loss that overflows ends the run with its step, rate and samples, and leaves a checkpoint to go on from", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const out = path.join(folder, "run");
  const options = { manifest, network: "resnet50-rgb", out, ...small, learningRate: 1e30, warmupEpochs: 0 };
  const message =
    /the loss is NaN at step \d, with learning rate 1e\+30; the batch's samples: train\d+, .*`learningRate`/;
  await rejectsWith("NUMERIC_OVERFLOW", () => train({ ...options, maxSteps: 6, checkpointSteps: 1 }), message);
  const left = await namesIn(path.join(out, "checkpoints")).catch(() => []);
  for (const name of left) {
    const { steps } = await readCheckpointInfo(path.join(out, "checkpoints", name));
    assert.equal(steps, Number(name));
    const weights = readFileSync(path.join(out, "checkpoints", name, "weights.bin"));
    const values = new Float32Array(weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength));
    assert.ok(values.every(Number.isFinite), "weights that are not finite are no checkpoint");
  }
});

test("the best checkpoint stays beside the latest ones", async (t) => {
  const folder = temporaryFolder(t);
  const [manifest, val] = [await twoClasses(folder, 16, "train"), await twoClasses(folder, 8, "val")];
  const out = path.join(folder, "run");
  const report = await train({ manifest, val, network: "resnet50-rgb", out, ...small, epochs: 6, keepLast: 1 });
  const { best, checkpoints } = JSON.parse(readFileSync(path.join(out, "run.json"), "utf8"));
  assert.equal(report.best?.valTop1, best.valTop1);
  const kept = [...new Set([best.step, 12])].map((step) => String(step).padStart(8, "0"));
  assert.deepEqual(await namesIn(path.join(out, "checkpoints")), kept);
  assert.equal(checkpoints.length, kept.length);
});
