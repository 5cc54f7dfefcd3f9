import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { train } from "../../src/train/run/trainer.js";
import { loadCheckpoint, readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";
import { testLearning } from "../support/learning.js";
import { twoClasses } from "../support/two-classes.js";

// Others are in test/long.
for (const network of ["late-concat-rfa-thinner", "vit-dct-ti"]) testLearning(network);

test("a run is reproducible, and another seed is another run", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 32, "train");
  const run = async (seed: number) =>
    (
      await train({
        manifest,
        network: "late-concat-rfa-thinner",
        out: path.join(folder, "run"),
        overwrite: true,
        width: 0.125,
        inputSize: 32,
        batchSize: 8,
        maxSteps: 3,
        seed,
      })
    ).firstLoss;
  const [a, b, c] = [await run(1), await run(1), await run(2)];
  assert.equal(a, b);
  assert.notEqual(a, c);
});

test("what cannot be trained or evaluated is refused before any step", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 8, "train");
  const run = (options: object) =>
    train({ manifest, network: "resnet50-rgb", out: path.join(folder, "run"), batchSize: 4, ...options });
  await rejectsWith("UNKNOWN_NETWORK", () => run({ network: "resnet18" }));
  await rejectsWith("INVALID_OPTION", () => run({ epochs: 0 }), /epochs/);
  await rejectsWith("INVALID_OPTION", () => run({ workers: 0 }), /workers/);
  await rejectsWith(
    "INVALID_OPTION",
    () => run({ network: "late-concat-rfa-thinner", inputSize: 100 }),
    /multiple of 32/,
  );
  await rejectsWith("NOT_FOUND", () => run({ manifest: path.join(folder, "none") }));
  await rejectsWith(
    "NUMERIC_OVERFLOW",
    () => run({ learningRate: 1e30, maxSteps: 6, width: 0.125, inputSize: 32 }),
    /Lower the learning rate/,
  );
});

test("damaged checkpoints are told apart from missing ones", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 8, "train");
  const out = path.join(folder, "run");
  await train({ manifest, network: "resnet50-rgb", out, batchSize: 4, maxSteps: 1, width: 0.125, inputSize: 32 });
  const { tf } = await openEngine();
  const file = path.join(out, "checkpoint.json");
  const good = readFileSync(file, "utf8");
  assert.equal((await readCheckpointInfo(file)).steps, 1);
  writeFileSync(file, good.replace('"rgb"', '"sound"'));
  await rejectsWith("BAD_CHECKPOINT", () => readCheckpointInfo(out), /input/);
  writeFileSync(file, good);
  writeFileSync(path.join(out, "weights.bin"), readFileSync(path.join(out, "weights.bin")).subarray(0, 1000));
  await rejectsWith("BAD_CHECKPOINT", () => loadCheckpoint(tf, out));
  rmSync(path.join(out, "weights.bin"));
  await rejectsWith("BAD_CHECKPOINT", () => loadCheckpoint(tf, out), /missing/);
  await rejectsWith("NOT_FOUND", () => readCheckpointInfo(path.join(folder, "elsewhere")));
});
