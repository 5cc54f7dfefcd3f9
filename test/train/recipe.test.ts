import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRecipe, learningRateAt } from "../../src/train/recipe.js";

test("the learning rate warms up, peaks at the recipe's and ends near zero", () => {
  const recipe = defaultRecipe(256, 900);
  const rates = Array.from({ length: 900 }, (_, step) => learningRateAt(recipe, step));
  assert.equal(recipe.learningRate, 0.1);
  assert.ok(
    (rates[0] as number) < 0.01 && Math.abs(Math.max(...rates) - 0.1) < 1e-9 && (rates.at(-1) as number) < 1e-5,
  );
  assert.equal(rates.indexOf(Math.max(...rates)), 50);
});
