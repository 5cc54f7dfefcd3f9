import assert from "node:assert/strict";
import { test } from "node:test";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { rejectsWith } from "../../support/errors.js";
import { testOnWebgpu } from "../../support/webgpu-step.js";

// The others are in test/long.
for (const id of ["late-concat-rfa-thinner", "vit-dct-ti"]) testOnWebgpu(id);

test("the GPU that was found is named, and the processor is refused", async () => {
  const { device } = await openEngine({ engine: "webgpu", device: "gpu" });
  assert.match(device, /^GPU \(WebGPU\): \S/);
  await rejectsWith("INVALID_OPTION", () => openEngine({ engine: "webgpu", device: "cpu" }), /webgpu/);
});
