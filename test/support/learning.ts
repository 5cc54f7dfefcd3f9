// Whether a network learns, on a data set that is easy.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs-node-gpu";
import { readManifest } from "../../src/shards/manifest.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { evaluateModel } from "../../src/train/evaluate.js";
import type { StepReport } from "../../src/train/report.js";
import { train } from "../../src/train/run/trainer.js";
import { loadCheckpoint } from "../../src/train/saved/checkpoint.js";
import { namesIn, temporaryFolder } from "./files.js";
import { quickRun, twoClasses } from "./two-classes.js";

export function testLearning(network: string): void {
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
