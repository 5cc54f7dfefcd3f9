// A training step on WebGPU beside the same on TensorFlow.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine } from "../../src/train/engine/engine.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { useSwiftshader } from "./swiftshader.js";
import { assertSameSteps, oneStep } from "./tensors.js";

export function testOnWebgpu(id: string): void {
  useSwiftshader();
  test(`${id}: a training step and the frozen network on WebGPU agree with TensorFlow, and leave nothing behind`, async () => {
    const run = async (engine: Engine, seed: number) => {
      const before = engine.tf.memory().numTensors;
      const result = await oneStep(engine, id, { seed });
      assert.equal(engine.tf.memory().numTensors, before, engine.name);
      return result;
    };
    await assertSameSteps(
      async (seed) => run(await openEngine({ engine: "webgpu" }), seed),
      async (seed) => run(await openEngine({ engine: "tensorflow" }), seed),
      1e-3, // shaders may divide and take roots in fewer bits
    );
  });
}
