// Models that are none of ours: whatever their layers are set to, freezing and the training pass must not change what
// they compute.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { layers, SymbolicTensor, Tensor } from "@tensorflow/tfjs";
import type { Engine } from "../../../src/train/engine/engine.js";
import { layerWeights } from "../../../src/train/engine/layer-graph.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { useSwiftshader } from "../../support/swiftshader.js";
import { pattern, relativeError } from "../../support/tensors.js";

useSwiftshader();

type Tf = Engine["tf"];

/** tfjs cannot train it. */
const withoutScale = "a normalisation without scale";

/** Layers over [8, 8, 4] that our own networks do not have, one after the other. */
const models: Record<string, (tf: Tf) => layers.Layer[]> = {
  "a convolution with an activation before its normalisation": ({ layers }) => [
    layers.conv2d({ filters: 6, kernelSize: 3, activation: "relu" }),
    layers.batchNormalization({ axis: 3 }),
  ],
  "a dilated convolution": ({ layers }) => [
    layers.conv2d({ filters: 6, kernelSize: 3, dilationRate: 2 }),
    layers.batchNormalization(),
    layers.reLU(),
  ],
  [withoutScale]: ({ layers }) => [
    layers.conv2d({ filters: 6, kernelSize: 3 }),
    layers.batchNormalization({ scale: false }),
  ],
  "a normalisation along rows": ({ layers }) => [
    layers.conv2d({ filters: 5, kernelSize: 1 }),
    layers.batchNormalization({ axis: 1 }),
  ],
  "a transposed convolution with bias and activation": ({ layers }) => [
    layers.conv2dTranspose({ filters: 3, kernelSize: 2, strides: 2, activation: "relu" }),
  ],
  "interpolated upsampling, an unknown activation": ({ layers }) => [
    layers.upSampling2d({ size: [2, 2], interpolation: "bilinear" }),
    layers.conv2d({ filters: 3, kernelSize: 3, activation: "tanh" }),
  ],
  "layer normalisation without its weights": ({ layers }) => [
    layers.layerNormalization({ scale: false, center: false }),
  ],
};

for (const engineName of ["tensorflow", "webgpu"] as const) {
  for (const [what, make] of Object.entries(models)) {
    test(`${engineName}: ${what}: frozen and in training as tfjs computes it`, async () => {
      const engine = await openEngine({ engine: engineName });
      const { tf } = engine;
      const input = tf.input({ shape: [8, 8, 4] });
      const outputs = make(tf).reduce((value, layer) => layer.apply(value) as SymbolicTensor, input);
      const model = tf.model({ inputs: input, outputs });
      tf.tidy(() => {
        for (const [i, { variable, name }] of layerWeights(model).entries()) {
          const values = pattern(variable.size, `${i}`).map((v) => (name === "moving_variance" ? 1 + v / 2 : v));
          variable.assign(tf.tensor(values, variable.shape) as never); // of the variable's own rank
        }
      });
      const x = tf.tensor(pattern(2 * 8 * 8 * 4, "x"), [2, 8, 8, 4]);
      const compare = async (found: Tensor, expected: Tensor) => {
        assert.ok(relativeError((await found.data()) as Float32Array, (await expected.data()) as Float32Array) < 1e-4);
        tf.dispose([found, expected]);
      };
      const frozen = await engine.freeze(model);
      await compare(frozen.predict([x]), model.predict(x) as Tensor);
      if (what !== withoutScale) {
        const pass = engine.trainingPass(model);
        await compare(
          tf.tidy(() => pass([x])),
          model.apply(x, { training: true }) as Tensor,
        );
      }
      frozen.dispose();
      model.dispose();
      x.dispose();
    });
  }
}
