import assert from "node:assert/strict";
import { test } from "node:test";
import { type Engine, openEngine } from "../../../src/train/engine/engine.js";
import { rejectsWith } from "../../support/errors.js";
import { useSwiftshader } from "../../support/swiftshader.js";
import { assertSameSteps, oneStep } from "../../support/tensors.js";

useSwiftshader();

for (const id of [
  "resnet50-rgb",
  "late-concat-rfa-thinner",
  "deconvolution-rfa",
  "dct-ortho",
  "dct-resnet",
  "vit-dct-ti",
]) {
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

test("the GPU that was found is named, and the processor is refused", async () => {
  const { device } = await openEngine({ engine: "webgpu", device: "gpu" });
  assert.match(device, /^GPU \(WebGPU\): \S/);
  await rejectsWith("INVALID_OPTION", () => openEngine({ engine: "webgpu", device: "cpu" }), /webgpu/);
});
