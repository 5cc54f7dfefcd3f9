import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs-node-gpu";
import { readManifest } from "../../src/shards/manifest.js";
import { loadCheckpoint, readCheckpointInfo } from "../../src/train/checkpoint.js";
import { openEngine } from "../../src/train/engine/engine.js";
import { evaluateModel } from "../../src/train/evaluate.js";
import type { StepReport } from "../../src/train/report.js";
import { train } from "../../src/train/trainer.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder } from "../support/files.js";
import { quickRun, twoClasses } from "../support/two-classes.js";

for (const network of ["resnet50-rgb", "late-concat-rfa-thinner", "dct-ortho", "vit-dct-ti"]) {
  test(`${network}: learns two classes, leaks no tensor, and its checkpoint is the trained network`, async (t) => {
    const folder = temporaryFolder(t);
    const [manifest, val] = [await twoClasses(folder, 64, "train"), await twoClasses(folder, 30, "val")];
    const steps: StepReport[] = [];
    const engine = await openEngine();
    const { tf } = engine;
    const before = tf.memory().numTensors;
    const out = path.join(folder, "run");
    const report = await train({
      manifest,
      val,
      network,
      out,
      ...quickRun,
      onStep: (step) => steps.push(step),
    });
    assert.equal(steps.length, 40);
    assert.ok(report.loss < 0.5 * report.firstLoss, `loss ${report.firstLoss} -> ${report.loss}`);
    assert.ok((report.valTop1 as number) > 0.8, `top-1 ${report.valTop1}`);
    assert.equal(new Set(steps.map(({ tensors }) => tensors)).size, 1, "the number of tensors stays the same");
    assert.ok(report.inputStallFraction >= 0 && report.inputStallFraction < 1);
    const trained = ["checkpoint.json", "model.json", "weights.bin"];
    for (const name of [...trained, "run.json", "config.json", "history.jsonl", "checkpoints", "tensorboard"])
      assert.ok((await namesIn(out)).includes(name), name);
    const checkpoint = await loadCheckpoint(tf, out);
    const score = await evaluateModel(engine, checkpoint.logits, checkpoint, {
      manifest: await readManifest(val),
      batchSize: 7,
    });
    assert.deepEqual(
      [score.top1, score.samples, score.top5],
      [report.valTop1, 30, 1],
      "the same network, whatever the batch size",
    );
    assert.deepEqual(
      score.perClass.map(({ samples }) => samples),
      [15, 15],
    );
    assert.equal(
      score.confusion.reduce((sum, { count }) => sum + count, 0),
      Math.round(30 * (1 - score.top1)),
    );
    const probabilities = tf.tidy(
      () =>
        (
          checkpoint.model.predict(
            checkpoint.model.inputs.map((input) => tf.zeros([1, ...(input.shape.slice(1) as number[])])),
          ) as Tensor
        )
          .sum()
          .dataSync()[0] as number,
    );
    assert.ok(Math.abs(probabilities - 1) < 1e-4, "the saved model ends in a softmax");
    checkpoint.model.dispose();
    assert.ok(tf.memory().numTensors - before < 400, "only the trained network's own weights are left");
  });
}

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
