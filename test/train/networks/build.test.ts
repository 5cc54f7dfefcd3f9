import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs";
import { weightOf } from "../../../src/train/engine/layer-graph.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { buildNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { positionTable } from "../../../src/train/networks/positions.js";
import { summarize, totals } from "../../../src/train/networks/summary.js";
import { namedWeights } from "../../support/tensors.js";

const { tf } = await openEngine();
const small = { classes: 7, width: 0.125, inputSize: 64 } as const;

for (const definition of networks) {
  // A transformer's heads must divide its width.
  const shape = definition.stem === "patches" ? { ...small, width: 0.5 } : small;
  test(`${definition.id}: the model has the listed layers' shapes and parameters, and leaves nothing behind`, () => {
    const before = tf.memory().numTensors;
    const { model } = buildNetwork(tf, definition.id, shape);
    const layers = layersOf(definition, shape);
    const names = new Set(model.layers.map(({ name }) => name));
    for (const { name, out, op } of layers)
      if (names.has(name) && op !== "input") assert.deepEqual(model.getLayer(name).outputShape, [null, ...out], name);
    const count = (weights: typeof model.weights) =>
      weights.reduce((sum, weight) => sum + (weight.shape as number[]).reduce((a, b) => a * b, 1), 0);
    const { parameters, fixedParameters } = totals(summarize(layers));
    assert.equal(count(model.trainableWeights), parameters);
    // Positions stand in a layer with one more weight per value and one of its own: see Builder.positions.
    const positions = layers.find(({ op }) => op === "positions");
    const beside =
      positions === undefined
        ? 0
        : (positions.out[0] as number) * (positions.out[1] as number) + (positions.out[1] as number);
    assert.equal(count(model.nonTrainableWeights), fixedParameters + beside);
    model.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
}

test("equal seeds give equal weights, others others", () => {
  const first = (seed: number) => {
    const { model } = buildNetwork(tf, "resnet50-rgb", { ...small, seed });
    const values = [...(model.getWeights()[0] as Tensor).dataSync().slice(0, 5)];
    model.dispose();
    return values;
  };
  assert.deepEqual(first(1), first(1));
  assert.notDeepEqual(first(1), first(2));
});

/** Direct two-dimensional DCT-II of n x n values, in double precision. */
function dct2(pixels: readonly number[], n: number): number[] {
  return Array.from({ length: n * n }, (_, uv) => {
    const [u, v] = [Math.floor(uv / n), uv % n];
    let sum = 0;
    for (let y = 0; y < n; y++)
      for (let x = 0; x < n; x++)
        sum +=
          (pixels[y * n + x] as number) *
          Math.cos(((2 * y + 1) * u * Math.PI) / (2 * n)) *
          Math.cos(((2 * x + 1) * v * Math.PI) / (2 * n));
    return (sum * 2 * (u === 0 ? Math.SQRT1_2 : 1) * (v === 0 ? Math.SQRT1_2 : 1)) / n;
  });
}

test("the 8x8 kernels of the dct networks give a block's DCT coefficients in natural order", () => {
  for (const id of ["dct-learn", "dct-ortho", "dct-frozen", "dct-frozen-x2"]) {
    const { model } = buildNetwork(tf, id, small);
    const pixels = Array.from({ length: 64 }, (_, i) => ((i * 37) % 101) - 50);
    const found = tf.tidy(() => {
      const kernel = weightOf(model.getLayer("conv_cb"), "kernel") as unknown as Tensor4D;
      return tf.conv2d(tf.tensor4d(pixels, [1, 8, 8, 1]), kernel, 8, "valid").dataSync();
    });
    for (const [i, value] of dct2(pixels, 8).entries())
      assert.ok(Math.abs(value - (found[i] as number)) < 1e-3, `${id} ${i}`);
    const trained = model.getLayer("conv_cb").trainableWeights.length;
    assert.equal(trained, id.startsWith("dct-frozen") ? 0 : 1, id);
    model.dispose();
  }
});

test("the transformers' joining kernel turns four blocks' coefficients into the 16x16 DCT of their pixels", () => {
  const { model } = buildNetwork(tf, "vit-dct-ti", { ...small, width: 0.5 });
  const pixels = Array.from({ length: 256 }, (_, i) => ((i * 53) % 211) - 100);
  const block = (row: number, column: number) =>
    dct2(
      Array.from({ length: 64 }, (_, i) => pixels[(row * 8 + (i >> 3)) * 16 + column * 8 + (i & 7)] as number),
      8,
    );
  const blocks = [...block(0, 0), ...block(0, 1), ...block(1, 0), ...block(1, 1)];
  const found = tf.tidy(() => {
    const kernel = weightOf(model.getLayer("join_y"), "kernel") as unknown as Tensor4D;
    return tf.conv2d(tf.tensor4d(blocks, [1, 2, 2, 64]), kernel, 2, "valid").dataSync();
  });
  for (const [i, value] of dct2(pixels, 16).entries()) assert.ok(Math.abs(value - (found[i] as number)) < 5e-3, `${i}`);
  model.dispose();
});

test("the orthonormal kernels come back to orthonormal after an update that led away", () => {
  const network = buildNetwork(tf, "dct-ortho", small);
  const kernel = weightOf(network.model.getLayer("conv_y"), "kernel");
  assert.ok(kernel);
  const deviation = () =>
    tf.tidy(() => {
      const matrix = kernel.reshape([64, 64]) as Tensor2D;
      return tf
        .sub(tf.matMul(matrix, matrix, false, true), tf.eye(64))
        .abs()
        .max()
        .dataSync()[0] as number;
    });
  assert.ok(deviation() < 1e-5);
  tf.tidy(() => kernel.assign(kernel.add(tf.randomNormal(kernel.shape, 0, 0.003, "float32", 5)) as never));
  assert.ok(deviation() > 1e-2);
  network.constrain();
  assert.ok(deviation() < 1e-4, `${deviation()}`);
  network.model.dispose();
});

test("every token of a transformer is given its place", () => {
  const table = positionTable(16, 32);
  const rows = Array.from({ length: 16 }, (_, token) => table.slice(token * 32, (token + 1) * 32).join(" "));
  assert.equal(new Set(rows).size, 16);
  const { model } = buildNetwork(tf, "vit-dct-ti", { ...small, width: 0.5 });
  const weights = namedWeights(model);
  assert.deepEqual([...(weights.get("positions_table/bias") as Tensor).dataSync()], [...positionTable(16, 96)]);
  model.dispose();
});
