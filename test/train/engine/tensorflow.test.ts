import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { FusedOps } from "../../../src/train/engine/fused-ops.js";
import { inferenceGraph } from "../../../src/train/engine/inference-graph.js";
import { Kernels } from "../../../src/train/engine/kernels.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { PrivateMemory } from "../../../src/train/engine/private-memory.js";
import { buildNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { labelledSamples, stepSettings } from "../../../src/train/step/plain-step.js";
import { Stepper } from "../../../src/train/step/step.js";
import { rejectsWith } from "../../support/errors.js";
import { quickNetworks, testFusedStep } from "../../support/fused-step.js";
import { pattern, relativeError } from "../../support/tensors.js";

const engine = await openEngine();
const { tf } = engine;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function fusedOps(own: boolean): FusedOps {
  const kernels = new Kernels(tf);
  return new FusedOps(kernels, new PrivateMemory(kernels), own);
}

// The others are in test/long.
for (const id of quickNetworks) testFusedStep(id);

/** y, gradients of everything that goes in, moving statistics. */
function batchNorm(own: boolean, options: { relu: boolean; residual: boolean; shape: number[]; shift?: number }) {
  const ops = fusedOps(own);
  const channels = options.shape.at(-1) as number;
  const vector = (name: string, shift: number) =>
    tf.variable(tf.tensor1d(pattern(channels, name).map((v) => shift + 0.4 * v)));
  const weights = {
    gamma: vector("gamma", 1),
    beta: vector("beta", 0),
    movingMean: vector("mean", 0),
    movingVariance: vector("variance", 1),
  };
  const tensor = (name: string, shift = 0) =>
    tf.tensor(
      pattern(tf.util.sizeFromShape(options.shape), name).map((v) => v + shift),
      options.shape,
    );
  const [x, residual, direction] = [tensor("x", options.shift), tensor("residual"), tensor("direction")];
  const settings = { epsilon: 1e-5, momentum: 0.9, relu: options.relu };
  const run = (input: Tensor, added: Tensor, gamma: Tensor, beta: Tensor) =>
    ops.batchNorm(
      input,
      { ...weights, gamma: gamma as Variable, beta: beta as Variable },
      options.residual ? added : undefined,
      settings,
    );
  const { value, grads } = tf.valueAndGrads((...given: Tensor[]) => {
    const [input, added, gamma, beta] = given as [Tensor, Tensor, Tensor, Tensor];
    return run(input, added, gamma, beta)
      .mul(direction)
      .add(options.residual ? 0 : added.mul(0))
      .sum();
  })([x, residual, weights.gamma, weights.beta]);
  return [value, ...grads, weights.movingMean, weights.movingVariance].map(
    (result) => result.dataSync() as Float32Array,
  );
}

for (const shape of [
  [4, 5, 6, 8],
  [2, 7, 3, 19],
  [1, 1, 1, 3],
  [8, 28, 28, 64],
]) {
  for (const relu of [false, true])
    for (const residual of [false, true]) {
      test(`batch normalisation of [${shape}]${residual ? " + residual" : ""}${relu ? " + ReLU" : ""}: our kernel agrees with TensorFlow's`, () => {
        tf.tidy(() => {
          const [own, theirs] = [
            batchNorm(true, { relu, residual, shape }),
            batchNorm(false, { relu, residual, shape }),
          ];
          const names = ["sum", "dx", "dresidual", "dgamma", "dbeta", "moving mean", "moving variance"];
          for (const [i, values] of theirs.entries()) {
            // One value per channel has no variance: its gradient is rounding around zero.
            if (shape.slice(0, 3).every((size) => size === 1) && [1, 3].includes(i)) continue;
            assert.ok(
              relativeError(own[i] as Float32Array, values) < 1e-4,
              `${names[i]}: ${relativeError(own[i] as Float32Array, values)}`,
            );
          }
        });
      });
    }
}

test("batch normalisation of values far from zero keeps its digits", () => {
  tf.tidy(() => {
    const options = { relu: false, residual: false, shape: [8, 14, 14, 16] };
    const [near, far] = [batchNorm(true, options), batchNorm(true, { ...options, shift: 1000 })];
    assert.ok(relativeError(far[1] as Float32Array, near[1] as Float32Array) < 2e-3, "the input's gradient");
    const blended = (near[6] as Float32Array).map((value, i) => value - ((far[6] as Float32Array)[i] as number));
    assert.ok(Math.max(...blended.map(Math.abs)) < 1e-4, "the variance");
  });
});

test("the gradient of max pooling goes to the first maximum of each window, as TensorFlow's does", () => {
  tf.tidy(() => {
    for (const [size, window, stride] of [
      [11, 3, 2],
      [8, 2, 2],
      [7, 3, 1],
    ] as const) {
      // Few different values: many windows hold their maximum more than once.
      const x = tf.tensor(
        pattern(3 * size * size * 5, "pool").map((v) => Math.round(3 * v)),
        [3, size, size, 5],
      );
      const results = [true, false].map((own) => {
        const ops = fusedOps(own);
        const direction = tf.tensor(
          pattern(3 * 5 * 100, "d").slice(0, ops.maxPool(x, window, stride).size),
          ops.maxPool(x, window, stride).shape,
        );
        return tf
          .grad((input: Tensor) => ops.maxPool(input, window, stride).mul(direction).sum())(x)
          .dataSync();
      });
      assert.deepEqual(results[0], results[1]);
    }
  });
});

test("the momentum update in one operation is the composed one", () => {
  tf.tidy(() => {
    for (const size of [1, 7, 100_003]) {
      const [weight, velocity, gradient] = ["w", "v", "g"].map((name) => pattern(size, name)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const [w, v, g] = [tf.variable(tf.tensor1d(weight)), tf.variable(tf.tensor1d(velocity)), tf.tensor1d(gradient)];
      engine.updateMomentum(w, v, g, { rate: 0.3, momentum: 0.8, decay: 0.05 });
      const next = velocity.map((value, i) => 0.8 * value + (gradient[i] as number) + 0.05 * (weight[i] as number));
      assert.ok(relativeError(v.dataSync() as Float32Array, next) < 1e-6);
      assert.ok(
        relativeError(
          w.dataSync() as Float32Array,
          weight.map((value, i) => value - 0.3 * (next[i] as number)),
        ) < 1e-6,
      );
      assert.deepEqual(g.dataSync(), gradient, "the gradient stays as it was");
    }
  });
});

test("wrong shapes are errors, not reads past the end", () => {
  const ops = fusedOps(true);
  const vector = (size: number) => tf.variable(tf.ones([size]));
  const options = { epsilon: 1e-5, momentum: 0.9, relu: false };
  const weights = { gamma: vector(3), beta: vector(4), movingMean: vector(4), movingVariance: vector(4) };
  assert.throws(
    () => ops.batchNorm(tf.ones([2, 2, 2, 4]), weights, undefined, options),
    /gamma: expected 4 values, got 3/,
  );
  const [w, v] = [vector(8), vector(7)];
  assert.throws(
    () => engine.updateMomentum(w, v, tf.ones([8]), { rate: 1, momentum: 1, decay: 0 }),
    /velocity: expected 8 values, got 7/,
  );
});

for (const id of ["resnet50-rgb", "deconvolution-rfa", "vit-dct-ti"]) {
  test(`${id}: frozen in bfloat16 it gives nearly the same logits`, async () => {
    const { logits, model } = buildNetwork(tf, id, { classes: 9, width: 0.5, inputSize: 64 });
    const network = await engine.freeze(logits, { precision: "bfloat16" });
    tf.tidy(() => {
      const inputs = model.inputs.map((input, i) => {
        const size = [2, ...(input.shape.slice(1) as number[])];
        return tf.tensor(pattern(tf.util.sizeFromShape(size), `${i}`), size);
      });
      const expected = logits.predict(inputs) as Tensor;
      const found = network.predict(inputs);
      assert.equal(found.dtype, "float32");
      const error = relativeError(found.dataSync() as Float32Array, expected.dataSync() as Float32Array);
      assert.ok(error > 1e-5 && error < 0.05, `${error}`);
    });
    network.dispose();
    model.dispose();
  });
}

test("every network of ours becomes one graph: none is run layer by layer", async () => {
  for (const { id, stem } of networks) {
    const { model, logits } = buildNetwork(tf, id, {
      classes: 3,
      width: stem === "patches" ? 0.5 : 0.125,
      inputSize: 32,
    });
    assert.ok(await inferenceGraph(logits, "float32"), id);
    model.dispose();
  }
});

test("200 steps leave no tensor and no memory behind", async () => {
  const network = buildNetwork(tf, "late-concat-rfa-thinner", { classes: 4, width: 0.125, inputSize: 64 });
  const stepper = new Stepper(engine, network, stepSettings(4, 0.01));
  const inputs = network.model.inputs.map((input) => tf.randomNormal([8, ...(input.shape.slice(1) as number[])]));
  const labelled = labelledSamples(Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3));
  const tensors = new Set<number>();
  const resident: number[] = [];
  for (let step = 0; step < 200; step++) {
    await stepper.stepOn(inputs, labelled, step);
    tensors.add(tf.memory().numTensors);
    if (step % 50 !== 49) continue;
    collectGarbage(); // what is merely not collected yet is no leak
    resident.push(process.memoryUsage().rss);
  }
  assert.equal(tensors.size, 1);
  const growth = (resident[3] as number) - Math.max(...resident.slice(0, 2));
  assert.ok(growth < 16e6, `${Math.round(growth / 1e6)} MB more after 200 steps than after 100`);
  stepper.dispose();
  network.model.dispose();
  tf.dispose(inputs);
});

test("a frozen network takes any batch size", async () => {
  const { logits, model } = buildNetwork(tf, "deconvolution-rfa", { classes: 3, width: 0.125, inputSize: 32 });
  const network = await engine.freeze(logits);
  for (const batch of [1, 5]) {
    tf.tidy(() => {
      const inputs = model.inputs.map((input) => tf.ones([batch, ...(input.shape.slice(1) as number[])]));
      assert.deepEqual(network.predict(inputs).shape, [batch, 3]);
    });
  }
  network.dispose();
  model.dispose();
});

test("a GPU that is asked for and not there is an error that says what to do", async () => {
  await rejectsWith("NO_GPU", () => openEngine({ device: "gpu" }), /setup.mjs --gpu/);
  await rejectsWith("INVALID_OPTION", () => openEngine({ device: "tpu" as "gpu" }), /device/);
  await rejectsWith("INVALID_OPTION", () => openEngine({ engine: "torch" as "webgpu" }), /engine/);
  assert.match(engine.device, /^CPU, \d+ threads, own kernels$/);
});

test("without our kernels TensorFlow's own do the step, and the description says so", () => {
  const script = `
    import { openEngine } from "${new URL("../../../src/train/engine/open-engine.js", import.meta.url)}";
    import { assertSameSteps, oneStep } from "${new URL("../../support/tensors.js", import.meta.url)}";
    const engine = await openEngine();
    console.log(engine.device);
    for (const id of ["resnet50-rgb", "dct-resnet"])
      await assertSameSteps((seed) => oneStep(engine, id, { seed }), (seed) => oneStep(engine, id, { seed, stock: true }), 1e-4);
    console.log("same");`;
  const env = { ...process.env, DCTSTREAM_KERNELS: "tensorflow" };
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    env,
    encoding: "utf8",
    cwd: fileURLToPath(new URL(".", import.meta.url)),
  });
  assert.match(done.stdout, /TensorFlow's kernels\nsame/, done.stderr);
});
