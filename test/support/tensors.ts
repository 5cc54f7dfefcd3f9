// Comparing tensors' values, and running one training step on any engine.
import assert from "node:assert/strict";
import type { LayersModel, NamedTensorMap, Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import type { Engine } from "../../src/train/engine/engine.js";
import { layerWeights, variableOf } from "../../src/train/engine/layer-graph.js";
import { crossEntropy } from "../../src/train/evaluate.js";
import { buildNetwork } from "../../src/train/networks/build.js";

type Numbers = ArrayLike<number>;

function norm(values: Numbers): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** All weights of a model by name, "layer/weight". */
export function namedWeights(model: LayersModel): Map<string, Variable> {
  return new Map(layerWeights(model).map(({ layer, name, variable }) => [`${layer.name}/${name}`, variable]));
}

/** |a - b| / |b| over all values, as vectors. */
export function relativeError(found: Numbers, expected: Numbers): number {
  assert.equal(found.length, expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += ((found[i] as number) - (expected[i] as number)) ** 2;
    size += (expected[i] as number) ** 2;
  }
  return Math.sqrt(difference / Math.max(size, Number.MIN_VALUE));
}

/**
 * Numbers from -1 to 1 that any program can make again (test/fixtures/golden.py does): murmur3's finaliser of a
 * counter.
 */
export function pattern(count: number, name: string): Float32Array {
  let seed = 2166136261;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 16777619);
  return Float32Array.from({ length: count }, (_, i) => {
    let h = (i + seed) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}

/**
 * What a weight begins with, where that is not what it was built with: drawn from a formula, or only where zero and one
 * would hide mistakes.
 */
function startValues(name: string, weight: Variable, formula: boolean): Float32Array | undefined {
  const values = (scale: number, shift = 0) => pattern(weight.size, name).map((value) => value * scale + shift);
  // The ends of residual branches begin at zero, where nothing before them could be seen; large, they would multiply
  // every rounding.
  const gain = name.endsWith("branch2c/gamma") ? 0.2 : 1;
  if (name.endsWith("/gamma")) return values(0.5 * gain, gain);
  if (name.endsWith("/beta")) return values(0.3);
  if (!formula) return undefined;
  const fanIn = weight.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  if (name === "fc/kernel") return values(Math.sqrt(3 / fanIn));
  if (name === "fc/bias") return values(0.1);
  return name.endsWith("/kernel") ? values(Math.sqrt(6 / fanIn)) : undefined;
}

export interface StepResult {
  readonly loss: number;
  readonly logits: Float32Array;
  /** By weight, "layer/weight". */
  readonly gradients: Map<string, Float32Array>;
  /** After the update. */
  readonly weights: Map<string, Float32Array>;
  /** Of the frozen network, after the update. */
  readonly frozen: Float32Array;
}

/**
 * One training step of a small network on fixed weights and input; with `stock` on nothing but tfjs's own operations.
 */
export async function oneStep(
  engine: Engine,
  id: string,
  options: { readonly stock?: boolean; readonly seed?: number; readonly formula?: boolean } = {},
): Promise<StepResult> {
  const { tf } = engine;
  const shape = id.startsWith("vit") ? 0.5 : 0.125;
  const network = buildNetwork(tf, id, { classes: 5, width: shape, inputSize: 64, seed: options.seed ?? 3 });
  const weights = namedWeights(network.model);
  tf.tidy(() => {
    for (const [name, weight] of weights) {
      const values = startValues(name, weight, options.formula ?? false);
      if (values !== undefined) weight.assign(tf.tensor(values, weight.shape) as never); // of the variable's own rank
    }
  });
  const inputs = network.model.inputs.map((input, i) => {
    const size = [4, ...(input.shape.slice(1) as number[])];
    return tf.tensor(
      pattern(
        size.reduce((a, b) => a * b, 1),
        network.model.inputNames[i] as string,
      ),
      size,
    );
  });
  const labels = tf.tensor1d([0, 3, 4, 1], "int32");
  const stock = (given: readonly Tensor[]) =>
    network.logits.apply(given.length === 1 ? (given[0] as Tensor) : [...given], { training: true }) as Tensor;
  const forward = options.stock ? stock : engine.trainingPass(network.logits);
  const variables = network.logits.trainableWeights.map(variableOf);
  let logits: Tensor | undefined;
  const loss = () => {
    logits = tf.keep(forward(inputs));
    return crossEntropy(tf, logits, labels, 5) as Scalar;
  };
  const { value, grads } = tf.variableGrads(loss, variables);
  const byName = new Map<string, Float32Array>();
  for (const [name, weight] of weights) {
    const gradient = (grads as NamedTensorMap)[weight.name];
    if (gradient !== undefined) byName.set(name, (await gradient.data()) as Float32Array);
  }
  const settings = { rate: 0.1, momentum: 0.9, decay: 0.01 };
  for (const variable of variables) {
    const velocity = tf.tidy(() => tf.variable(tf.onesLike(variable), false));
    engine.updateMomentum(variable, velocity, (grads as NamedTensorMap)[variable.name] as Tensor, settings);
    velocity.dispose();
  }
  const after = new Map<string, Float32Array>();
  for (const [name, weight] of weights) after.set(name, (await weight.data()) as Float32Array);
  const frozen = await engine.freeze(network.logits);
  const predicted = frozen.predict(inputs);
  const result = {
    loss: (await value.data())[0] as number,
    logits: (await (logits as Tensor).data()) as Float32Array,
    gradients: byName,
    weights: after,
    frozen: (await predicted.data()) as Float32Array,
  };
  frozen.dispose();
  network.model.dispose();
  tf.dispose([predicted, value, grads, logits as Tensor, labels, ...inputs]);
  return result;
}

/** Every result within `tolerance`, relative to its size. */
function assertSameStep(found: StepResult, expected: StepResult, tolerance: number): void {
  const close = (name: string, a: Numbers, b: Numbers, limit = tolerance) =>
    assert.ok(relativeError(a, b) <= limit, `${name}: ${relativeError(a, b).toExponential(1)}`);
  close("loss", [found.loss], [expected.loss]);
  close("logits", found.logits, expected.logits);
  assert.deepEqual([...found.gradients.keys()].sort(), [...expected.gradients.keys()].sort());
  // A gradient that is nothing but rounding, as that of a weight whose effect the normalisation after it takes away, is
  // compared with the largest.
  const largest = Math.max(...[...expected.gradients.values()].map(norm));
  for (const [name, values] of expected.gradients) {
    const size = Math.max(norm(values), 1e-2 * largest);
    const error = (relativeError(found.gradients.get(name) as Float32Array, values) * norm(values)) / size;
    assert.ok(error <= tolerance, `gradient of ${name}: ${error.toExponential(1)}`);
  }
  for (const [name, values] of expected.weights) {
    // tfjs keeps the biased variance, the fused operations as Keras and PyTorch the unbiased one.
    if (!name.endsWith("moving_variance")) close(name, found.weights.get(name) as Float32Array, values);
  }
}

/**
 * The same step on two sides. A value that lies at zero but for rounding can pass a ReLU on one side and not on the
 * other, which changes the gradients of everything before it; that is chance and no error, so that weights of another
 * seed are tried then. An error shows with all.
 */
export async function assertSameSteps(
  one: (seed: number) => Promise<StepResult>,
  other: (seed: number) => Promise<StepResult>,
  tolerance: number,
): Promise<void> {
  for (const seed of [3, 4, 5]) {
    try {
      assertSameStep(await one(seed), await other(seed), tolerance);
      return;
    } catch (error) {
      if (seed === 5) throw error;
    }
  }
}
