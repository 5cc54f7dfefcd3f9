// A training step of the fused operations beside the same of tfjs's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { assertSameSteps, oneStep } from "./tensors.js";

/** One of each kind of beginning and of block. */
export const quickNetworks: readonly string[] = [
  ...["resnet50-rgb", "late-concat-rfa-thinner", "deconvolution-rfa", "dct-ortho", "vit-dct-ti"],
];

export function testFusedStep(id: string): void {
  test(`${id}: a fused training step gives tfjs's loss, gradients and weights; the frozen network its predictions`, async () => {
    const engine = await openEngine();
    const { tf } = engine;
    const before = tf.memory().numTensors;
    await assertSameSteps(
      (seed) => oneStep(engine, id, { seed }),
      (seed) => oneStep(engine, id, { seed, stock: true }),
      1e-4,
    );
    assert.equal(tf.memory().numTensors, before, "nothing is left behind");
  });
}
