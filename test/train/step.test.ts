import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayersModel, SymbolicTensor, Tensor, Variable } from "@tensorflow/tfjs";
import type { LoadedBatch } from "../../src/pipeline/load/loaded-batch.js";
import { layerWeights } from "../../src/train/engine/layer-graph.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { findNetwork, type Network } from "../../src/train/networks/build.js";
import { stepSettings } from "../../src/train/step/plain-step.js";
import { Stepper, type StepSettings } from "../../src/train/step/step.js";
import { targetsOf } from "../../src/train/step/targets.js";
import { rejectsWith } from "../support/errors.js";
import { pattern, relativeError } from "../support/tensors.js";

const engine = await openEngine();
const { tf } = engine;
const classes = 3;

/** Without batch normalisation, so that a step's samples do not see each other. */
function plainNetwork(): Network {
  const input = tf.input({ name: "rgb", shape: [8, 8, 3] });
  const conv = tf.layers.conv2d({ name: "conv", filters: 4, kernelSize: 3, padding: "same" }).apply(input);
  const relu = tf.layers.reLU({ name: "relu" }).apply(conv);
  const pooled = tf.layers.globalAveragePooling2d({ name: "pool" }).apply(relu);
  const fc = tf.layers.dense({ name: "fc", units: classes }).apply(pooled) as SymbolicTensor;
  const output = tf.layers.activation({ name: "softmax", activation: "softmax" }).apply(fc) as SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: output });
  tf.tidy(() => {
    for (const { layer, name, variable } of layerWeights(model))
      variable.assign(tf.tensor(pattern(variable.size, layer.name + name), variable.shape) as never);
  });
  return {
    definition: findNetwork("resnet50-rgb"),
    model,
    logits: tf.model({ inputs: input, outputs: fc }),
    constrain: () => {},
  };
}

/** Samples [first, end) of one that never ends; those in `masked` do not count. */
function samples(first: number, end: number, masked: readonly number[] = []): LoadedBatch {
  const count = end - first;
  const values = pattern(1000 * 192, "pictures").slice(first * 192, end * 192);
  const labels = Int32Array.from({ length: count }, (_, i) =>
    masked.includes(first + i) ? -1 : (first + i) % classes,
  );
  return {
    epoch: 0,
    step: 0,
    arrays: [{ name: "rgb", data: values, shape: [count, 8, 8, 3], axes: ["sample", "row", "column", "channel"] }],
    labels,
    mask: Float32Array.from(labels, (label) => (label < 0 ? 0 : 1)),
    mixed: undefined,
    samples: count,
    keys: Array.from(labels, (_, i) => `s${first + i}`),
    release: () => {},
  } as unknown as LoadedBatch;
}

async function* inParts(...parts: LoadedBatch[]) {
  yield* parts;
}

const weightsOf = (model: LayersModel) =>
  layerWeights(model).map(({ variable }) => variable.dataSync() as Float32Array);

/** Weights after one step of each list of parts. */
async function after(changes: Partial<StepSettings>, steps: readonly (readonly LoadedBatch[])[], planned = 6) {
  const network = plainNetwork();
  const stepper = new Stepper(engine, network, { ...stepSettings(classes, 0.1), ...changes });
  const results = [];
  for (const [i, parts] of steps.entries())
    results.push(await stepper.step(inParts(...parts), parts.length, planned, i));
  const weights = weightsOf(network.model);
  const averages = stepper.average?.averages.map((average: Variable) => average.dataSync() as Float32Array);
  stepper.dispose();
  network.model.dispose();
  return { results, weights, averages };
}

function assertClose(found: readonly Float32Array[], expected: readonly Float32Array[], tolerance = 1e-6): void {
  for (const [i, values] of expected.entries()) {
    const error = relativeError(found[i] as Float32Array, values);
    assert.ok(error < tolerance, `weight ${i}: ${error}`);
  }
}

test("targets: a label, smoothed, mixed with another, masked", () => {
  const batch = {
    labels: Int32Array.of(0, 2, 1, -1),
    mask: Float32Array.of(1, 1, 1, 0),
    mixed: { labels: Int32Array.of(2, 0, 1, -1), shares: Float32Array.of(0.75, 0.75, 1, 1) },
    samples: 4,
  };
  const plain = targetsOf({ ...batch, mixed: undefined }, { classes, smoothing: 0, weight: 0.5 });
  assert.deepEqual([...plain], [0.5, 0, 0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, 0]);
  const mixed = targetsOf(batch, { classes, smoothing: 0, weight: 1 });
  assert.deepEqual([...mixed], [0.75, 0, 0.25, 0.25, 0, 0.75, 0, 1, 0, 0, 0, 0]);
  const smooth = targetsOf({ ...batch, mixed: undefined }, { classes, smoothing: 0.3, weight: 1 });
  assert.deepEqual(
    [...smooth.slice(0, 3)].map((value) => Number(value.toFixed(6))),
    [0.8, 0.1, 0.1],
  );
});

test("a step in parts is the step on all samples, also when the parts are of different sizes", async () => {
  const whole = await after({}, [[samples(0, 6)], [samples(6, 12)]]);
  const parts = await after({}, [
    [samples(0, 2), samples(2, 4), samples(4, 6)],
    [samples(6, 7), samples(7, 12)],
  ]);
  assertClose(parts.weights, whole.weights);
  assert.ok(Math.abs((parts.results[1]?.loss as number) - (whole.results[1]?.loss as number)) < 1e-6);
  assert.deepEqual([parts.results[0]?.samples, parts.results[0]?.top1], [6, whole.results[0]?.top1]);
});

test("a masked sample counts for nothing: not in the loss, not in the gradient", async () => {
  const without = await after({}, [[samples(0, 5)]], 5);
  const masked = await after({}, [[samples(0, 6, [5])]], 6);
  assertClose(masked.weights, without.weights);
  assert.equal(masked.results[0]?.samples, 5);
  assert.ok(Math.abs((masked.results[0]?.loss as number) - (without.results[0]?.loss as number)) < 1e-6);
});

test("clipping scales the whole gradient to its norm, and leaves smaller ones alone", async () => {
  const start = weightsOf(plainNetwork().model);
  const { recipe } = stepSettings(classes, 0.1);
  const step = async (clipNorm: number | undefined) => {
    const { weights, results } = await after({ recipe: { ...recipe, clipNorm, weightDecay: 0 } }, [[samples(0, 6)]]);
    const moved = weights.flatMap((values, i) => Array.from(values, (value, k) => value - (start[i]?.[k] as number)));
    return { norm: results[0]?.gradientNorm, moved: Math.hypot(...moved) / 0.1 };
  };
  const free = await step(undefined);
  const clipped = await step(free.moved / 4);
  const loose = await step(free.moved * 2);
  assert.equal(free.norm, undefined);
  for (const { norm } of [clipped, loose])
    assert.ok(Math.abs((norm as number) / free.moved - 1) < 1e-3, "reported before clipping");
  assert.ok(Math.abs(clipped.moved / (free.moved / 4) - 1) < 1e-3);
  assert.ok(Math.abs(loose.moved / free.moved - 1) < 1e-3);
});

test("label smoothing: the loss of a smoothed target", async () => {
  const smoothing = 0.2;
  const [plain, smooth] = [
    await after({}, [[samples(0, 6)]]),
    await after({ labelSmoothing: smoothing }, [[samples(0, 6)]]),
  ];
  const { model, logits } = plainNetwork();
  const batch = samples(0, 6);
  const expected = tf.tidy(() => {
    const logs = tf.logSoftmax(
      logits.predict(tf.tensor(batch.arrays[0]?.data as Float32Array, [6, 8, 8, 3])) as Tensor,
    );
    return -(logs.mean().dataSync()[0] as number);
  });
  const mix = (1 - smoothing) * (plain.results[0]?.loss as number) + smoothing * expected;
  assert.ok(Math.abs((smooth.results[0]?.loss as number) - mix) < 1e-5);
  model.dispose();
});

test("the moving average follows the weights, and stands in for them only while asked", async () => {
  const steps = [0, 1, 2].map((i) => [samples(6 * i, 6 * i + 6)]);
  const trace = [weightsOf(plainNetwork().model)];
  for (let n = 1; n <= 3; n++) trace.push((await after({}, steps.slice(0, n))).weights);
  const { averages, weights } = await after({ averageDecay: 0.9 }, steps);
  const expected = (trace[0] as Float32Array[]).map((start, i) => {
    let average = Float64Array.from(start);
    for (let n = 1; n <= 3; n++) {
      const decay = Math.min(0.9, (1 + n) / (10 + n));
      average = average.map((value, k) => decay * value + (1 - decay) * (trace[n]?.[i]?.[k] as number));
    }
    return Float32Array.from(average);
  });
  assertClose(averages as Float32Array[], expected, 1e-5);
  assertClose(weights, trace[3] as Float32Array[], 1e-7);
  const network = plainNetwork();
  const stepper = new Stepper(engine, network, { ...stepSettings(classes, 0.1), averageDecay: 0.9 });
  await stepper.step(inParts(samples(0, 6)), 1, 6, 0);
  const [before, tensors] = [weightsOf(network.model), tf.memory().numTensors];
  const within = await stepper.average?.during(async () => weightsOf(network.model));
  assertClose(
    within as Float32Array[],
    stepper.average?.averages.map((one) => one.dataSync() as Float32Array) as Float32Array[],
    1e-7,
  );
  assert.deepEqual(weightsOf(network.model), before);
  assert.equal(tf.memory().numTensors, tensors);
  stepper.dispose();
  network.model.dispose();
});

test("a step without samples, or with a loss that is no number, is an error that names it", async () => {
  await rejectsWith("NO_SAMPLES", () => after({}, [[samples(0, 2, [0, 1])]]), /step 1/);
  const broken = samples(0, 6);
  for (const { data } of broken.arrays) data.fill(Number.NaN);
  await rejectsWith(
    "NUMERIC_OVERFLOW",
    () => after({}, [[broken]]),
    /step 1, with learning rate 0\.1.*s0, s1, s2, s3, s4, s5\. /,
  );
});
