import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRateAt, progressiveSize, type Recipe, scaledLearningRate } from "../../src/train/step/recipe.js";

const recipe: Recipe = {
  learningRate: scaledLearningRate(256),
  schedule: "step",
  steps: 900,
  warmupSteps: 50,
  momentum: 0.9,
  weightDecay: 1e-4,
  clipNorm: undefined,
};
const ratesOf = (changes: Partial<Recipe>) =>
  Array.from({ length: 900 }, (_, step) => learningRateAt({ ...recipe, ...changes }, step));

test("the step schedule warms up for 5 of 90 epochs and falls to a tenth after 30, 60 and 80", () => {
  const rates = ratesOf({});
  assert.equal(recipe.learningRate, 0.1);
  assert.ok((rates[0] as number) < 0.01 && (rates[49] as number) < 0.1);
  for (let step = 1; step < 50; step++) assert.ok((rates[step] as number) > (rates[step - 1] as number));
  const at = [50, 299, 300, 599, 600, 799, 800, 899].map((step) => Number((rates[step] as number).toPrecision(3)));
  assert.deepEqual(at, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 1e-4, 1e-4]);
});

test("the cosine schedule peaks after the warm-up and ends near zero", () => {
  const rates = ratesOf({ schedule: "cosine" });
  assert.equal(rates.indexOf(Math.max(...rates)), 50);
  assert.ok(Math.abs((rates[475] as number) - 0.05) < 1e-9, "half of it in the middle");
  assert.ok((rates.at(-1) as number) < 1e-5);
});

test("the learning rate is linear in the batch", () => {
  assert.equal(scaledLearningRate(1024), 0.4);
});

test("progressive views grow by multiples of 32 and have their full size for the last fifth", () => {
  const sizes = Array.from({ length: 16 }, (_, epoch) => progressiveSize(128, 224, epoch, 16));
  assert.equal(sizes[0], 128);
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => a - b),
  );
  assert.ok(sizes.every((size) => size % 32 === 0));
  assert.deepEqual(sizes.slice(12), [224, 224, 224, 224]);
  assert.equal(progressiveSize(224, 224, 0, 90), 224);
});
