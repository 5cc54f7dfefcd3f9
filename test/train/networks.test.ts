import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs-node-gpu";
import { fusedBatchNormalization } from "../../src/train/engine/batch-norm.js";
import { loadTensorflow } from "../../src/train/engine/tensorflow.js";
import { buildNetwork, findNetwork } from "../../src/train/networks/build.js";
import { parseStages } from "../../src/train/networks/stages.js";
import { defaultRecipe, learningRateAt } from "../../src/train/recipe.js";
import { rejectsWith } from "../support/errors.js";

const tf = loadTensorflow();

test("the block notation: kernels, strides, widths and the paper's names", () => {
  const names = new Map<string, number>();
  const blocks = [
    ...parseStages("3[96,384] P3/1 I3x3 | 4[192,768] P3/2", names),
    ...parseStages("4x[128,256] P1/1", names),
    ...parseStages("4[256,1024] I3x2", names),
  ];
  assert.deepEqual(
    blocks.map(({ name }) => name),
    ["3a", "3b", "3c", "3d", "4a", "4x", "4b", "4c"],
  );
  assert.deepEqual(blocks[4], { name: "4a", kind: "projection", kernel: 3, stride: 2, bottleneck: 192, width: 768 });
  assert.throws(() => parseStages("3[96] P3/1"), SyntaxError);
});

/** Trainable parameters without convolution biases, and the shapes that matter, as computed from the authors' diagrams. */
const published = [
  {
    id: "resnet50-rgb",
    parameters: 25_557_032,
    shapes: {
      conv1: [112, 112, 64],
      pool1: [55, 55, 64],
      res2c: [55, 55, 256],
      res3d: [28, 28, 512],
      res4f: [14, 14, 1024],
      res5c: [7, 7, 2048],
    },
  },
  {
    id: "late-concat-rfa-thinner",
    parameters: 24_679_400,
    shapes: {
      res2a: [28, 28, 384],
      res2b_branch2b: [28, 28, 96],
      res3d: [28, 28, 384],
      res4a: [14, 14, 768],
      res4x: [14, 14, 256],
      concat: [14, 14, 1024],
      res4f: [14, 14, 1024],
      res5c: [7, 7, 2048],
    },
  },
] as const;

for (const { id, parameters, shapes } of published) {
  test(`${id}: parameter count and layer shapes are the published ones`, () => {
    const before = tf.memory().numTensors;
    const { model } = buildNetwork(tf, id, { classes: 1000 });
    const trainable = model.trainableWeights.reduce(
      (sum, { shape }) => sum + shape.reduce((a: number, b) => a * (b as number), 1),
      0,
    );
    assert.equal(trainable, parameters);
    for (const [name, shape] of Object.entries(shapes))
      assert.deepEqual(model.getLayer(name).outputShape, [null, ...shape], name);
    model.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
}

test("a narrower network on smaller input has the same layers; equal seeds give equal weights", () => {
  for (const width of [0.25, 0.3]) {
    const { model } = buildNetwork(tf, "late-concat-rfa-thinner", { classes: 10, width, inputSize: 64 });
    assert.deepEqual(model.getLayer("res5c").outputShape.slice(1, 3), [2, 2]);
    model.dispose();
  }
  const first = (seed: number) => {
    const { model } = buildNetwork(tf, "resnet50-rgb", { classes: 3, width: 0.125, inputSize: 32, seed });
    const values = [...(model.getWeights()[0] as Tensor).dataSync().slice(0, 5)];
    model.dispose();
    return values;
  };
  assert.deepEqual(first(1), first(1));
  assert.notDeepEqual(first(1), first(2));
});

test("an unknown network names the nearest; impossible widths are refused", async () => {
  await rejectsWith("UNKNOWN_NETWORK", () => findNetwork("resnet50_rgb"), /did you mean resnet50-rgb/);
  await rejectsWith("INVALID_OPTION", () => buildNetwork(tf, "resnet50-rgb", { classes: 10, width: 0 }), /width/);
});

test("fused batch normalisation: outputs, gradients and moving statistics equal the layer of tfjs", () => {
  tf.tidy(() => {
    const x = tf.randomNormal([4, 5, 6, 8], 1.5, 2, "float32", 3);
    const direction = tf.randomNormal([4, 5, 6, 8], 0, 1, "float32", 4);
    const config = {
      momentum: 0.9,
      epsilon: 1e-5,
      gammaInitializer: tf.initializers.randomUniform({ minval: 0.5, maxval: 2, seed: 1 }),
    };
    const layers = [
      fusedBatchNormalization(tf, { name: "fused", ...config }),
      tf.layers.batchNormalization({ name: "stock", ...config }),
    ];
    const results = layers.map((layer) => {
      const run = (input: Tensor) => layer.apply(input, { training: true }) as Tensor;
      run(x); // builds the weights
      const { value, grad } = tf.valueAndGrad((input: Tensor) => run(input).mul(direction).sum())(x);
      return [value, grad, ...layer.getWeights(), layer.apply(x, { training: false }) as Tensor].map((tensor) =>
        tensor.dataSync(),
      );
    }) as [Float32Array[], Float32Array[]];
    results[0].forEach((fused, i) => {
      const stock = results[1][i] as Float32Array;
      const scale = Math.max(...stock.map(Math.abs), 1e-6);
      // The kernel corrects the variance it reports for the sample's size (n / (n - 1)); the moving variance
      // and what is computed from it (results 5 and 6) differ by that.
      const tolerance = i >= 5 ? 0.02 : 2e-3;
      for (const [j, value] of fused.entries()) {
        assert.ok(
          Math.abs(value - (stock[j] as number)) <= tolerance * scale,
          `result ${i}, value ${j}: ${value} and ${stock[j]}`,
        );
      }
    });
  });
});

test("the learning rate warms up, peaks at the recipe's and ends near zero", () => {
  const recipe = defaultRecipe(256, 900);
  const rates = Array.from({ length: 900 }, (_, step) => learningRateAt(recipe, step));
  assert.equal(recipe.learningRate, 0.1);
  assert.ok(
    (rates[0] as number) < 0.01 && Math.abs(Math.max(...rates) - 0.1) < 1e-9 && (rates.at(-1) as number) < 1e-5,
  );
  assert.equal(rates.indexOf(Math.max(...rates)), 50);
});
