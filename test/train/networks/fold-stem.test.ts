import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayersModel, SymbolicTensor, Tensor } from "@tensorflow/tfjs";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { buildNetwork } from "../../../src/train/networks/build.js";
import { dctMatrix } from "../../../src/train/networks/dct-basis.js";
import { foldRgbStem } from "../../../src/train/networks/fold-stem.js";
import { rejectsWith } from "../../support/errors.js";
import { pattern, relativeError } from "../../support/tensors.js";

const engine = await openEngine();
const { tf } = engine;
const imagenet = { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] } as const;

/** One component's picture [side, side] of coefficients [blocks, blocks, 64], each sample `step` x `step` pixels. */
function samples(coefficients: Float32Array, blocks: number, step: number): Float64Array {
  const t = dctMatrix(8);
  const side = blocks * 8 * step;
  const picture = new Float64Array(side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [sampleY, sampleX] = [Math.floor(y / step), Math.floor(x / step)];
      const block = (sampleY >> 3) * blocks + (sampleX >> 3);
      let sum = 0;
      for (let u = 0; u < 8; u++)
        for (let v = 0; v < 8; v++)
          sum +=
            (coefficients[block * 64 + u * 8 + v] as number) *
            (t[u * 8 + (sampleY & 7)] as number) *
            (t[v * 8 + (sampleX & 7)] as number);
      picture[y * side + x] = sum;
    }
  return picture;
}

/** Coefficients of a noisy picture, and the normalised RGB pixels they stand for, in double precision. */
function picture(size: number) {
  const component = (name: string, step: number) => {
    const blocks = size / (8 * step);
    const values = pattern(blocks * blocks * 64, name).map((v, i) => v * (i % 64 === 0 ? 400 : 60 / (1 + (i % 64))));
    return { values, blocks, plane: samples(values, blocks, step) };
  };
  const [y, cb, cr] = [component("y", 1), component("cb", 2), component("cr", 2)];
  const rgb = new Float32Array(size * size * 3);
  for (let i = 0; i < size * size; i++) {
    const [luma, blue, red] = [(y.plane[i] as number) + 128, cb.plane[i] as number, cr.plane[i] as number];
    const colors = [luma + 1.402 * red, luma - 0.344136286 * blue - 0.714136286 * red, luma + 1.772 * blue];
    for (const [c, value] of colors.entries())
      rgb[i * 3 + c] = (value - (imagenet.mean[c] as number)) / (imagenet.std[c] as number);
  }
  return { rgb, inputs: [y, cb, cr] };
}

async function outputs(model: LayersModel): Promise<[Float32Array, Float32Array]> {
  const size = model.inputs[0]?.shape[1] as number;
  const { rgb, inputs } = picture(size);
  const folded = await foldRgbStem(tf, model, imagenet);
  assert.deepEqual(folded.inputNames, ["y", "cb", "cr"]);
  const results = tf.tidy(() => {
    const expected = model.predict(tf.tensor(rgb, [1, size, size, 3])) as Tensor;
    const found = folded.predict(
      inputs.map(({ values, blocks }) => tf.tensor(values, [1, blocks, blocks, 64])),
    ) as Tensor;
    assert.deepEqual(found.shape, expected.shape);
    return [found.dataSync(), expected.dataSync()] as [Float32Array, Float32Array];
  });
  folded.dispose();
  return results;
}

const stems = [
  { kernel: 16, stride: 16, padding: "valid", what: "a transformer's patches of 16" },
  { kernel: 8, stride: 8, padding: "valid", what: "patches of 8" },
  { kernel: 4, stride: 4, padding: "valid", what: "patches of 4, as in Swin and ConvNeXt" },
  { kernel: 32, stride: 32, padding: "valid", what: "patches of 32" },
  { kernel: 7, stride: 2, padding: 3, what: "ResNet's 7x7 with zeros on both sides" },
  { kernel: 3, stride: 2, padding: "same", what: "3x3 with TensorFlow's own padding" },
  { kernel: 3, stride: 1, padding: 1, what: "3x3 without a stride" },
  { kernel: 5, stride: 4, padding: "same", what: "5x5, overlapping" },
  { kernel: 1, stride: 8, padding: "valid", what: "one pixel in 64" },
  { kernel: 20, stride: 16, padding: 2, what: "patches that overlap" },
] as const;

for (const { kernel, stride, padding, what } of stems) {
  for (const extra of [{}, { useBias: true, activation: "relu" }] as const) {
    test(`${what}${"useBias" in extra ? ", with bias and activation" : ""}: on coefficients as on pixels`, async () => {
      const before = tf.memory().numTensors;
      const input = tf.input({ shape: [64, 64, 3] });
      const padded =
        typeof padding === "number" ? (tf.layers.zeroPadding2d({ padding }).apply(input) as SymbolicTensor) : input;
      const conv = tf.layers.conv2d({
        filters: 6,
        kernelSize: kernel,
        strides: stride,
        padding: padding === "same" ? "same" : "valid",
        useBias: false,
        biasInitializer: "randomNormal",
        kernelInitializer: tf.initializers.heNormal({ seed: 1 }),
        ...extra,
      });
      const model = tf.model({ inputs: input, outputs: conv.apply(padded) as SymbolicTensor });
      const [found, expected] = await outputs(model);
      assert.ok(relativeError(found, expected) < 1e-5, `${relativeError(found, expected)}`);
      model.dispose();
      assert.equal(tf.memory().numTensors, before);
    });
  }
}

test("a whole ResNet-50 that takes pixels gives the same output from coefficients, also frozen", async () => {
  const { model } = buildNetwork(tf, "resnet50-rgb", { classes: 10, width: 0.25, inputSize: 64 });
  const [found, expected] = await outputs(model);
  assert.ok(relativeError(found, expected) < 1e-5, `${relativeError(found, expected)}`);
  const folded = await foldRgbStem(tf, model, imagenet);
  const frozen = await engine.freeze(folded);
  const { inputs } = picture(64);
  tf.tidy(() => {
    const tensors = inputs.map(({ values, blocks }) => tf.tensor(values, [1, blocks, blocks, 64]));
    assert.ok(relativeError(frozen.predict(tensors).dataSync() as Float32Array, expected) < 1e-5);
  });
  frozen.dispose();
  folded.dispose();
  model.dispose();
});

test("a vision transformer that takes pixels gives the same output from coefficients", async () => {
  const input = tf.input({ shape: [64, 64, 3] });
  const patches = tf.layers.conv2d({ filters: 48, kernelSize: 16, strides: 16 }).apply(input) as SymbolicTensor;
  let tokens = tf.layers.reshape({ targetShape: [16, 48] }).apply(patches) as SymbolicTensor;
  const normalized = tf.layers.layerNormalization().apply(tokens) as SymbolicTensor;
  const part = () => tf.layers.dense({ units: 48 }).apply(normalized) as SymbolicTensor;
  const scores = tf.layers.dot({ axes: [2, 2] }).apply([part(), part()]) as SymbolicTensor;
  const weights = tf.layers.activation({ activation: "softmax" }).apply(scores) as SymbolicTensor;
  const attended = tf.layers.dot({ axes: [2, 1] }).apply([weights, part()]) as SymbolicTensor;
  tokens = tf.layers.add().apply([tokens, attended]) as SymbolicTensor;
  const pooled = tf.layers.globalAveragePooling1d({}).apply(tokens) as SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: tf.layers.dense({ units: 5 }).apply(pooled) as SymbolicTensor });
  const [found, expected] = await outputs(model);
  assert.ok(relativeError(found, expected) < 1e-5, `${relativeError(found, expected)}`);
  model.dispose();
});

test("what cannot be folded is refused", async () => {
  const conv = (shape: number[], options: object) => {
    const input = tf.input({ shape });
    const layer = tf.layers.conv2d({ filters: 2, kernelSize: 3, ...options });
    return tf.model({ inputs: input, outputs: layer.apply(input) as SymbolicTensor });
  };
  const refused: [LayersModel, RegExp][] = [
    [conv([64, 64, 4], {}), /found 1 inputs, the first \[64,64,4\]/],
    [conv([60, 60, 3], {}), /multiple of 16/],
    [conv([64, 64, 3], { strides: 3 }), /a stride of 3/],
    [conv([64, 64, 3], { kernelSize: [3, 5] }), /square/],
  ];
  for (const [model, message] of refused) {
    await rejectsWith("INVALID_ARGUMENT", () => foldRgbStem(tf, model, imagenet), message);
    model.dispose();
  }
  const { model } = buildNetwork(tf, "late-concat-rfa-thinner", { classes: 3, width: 0.125, inputSize: 32 });
  await rejectsWith("INVALID_ARGUMENT", () => foldRgbStem(tf, model, imagenet), /3 inputs/);
  model.dispose();
});
