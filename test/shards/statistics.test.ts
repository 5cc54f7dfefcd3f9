import assert from "node:assert/strict";
import { test } from "node:test";
import { readJpeg, unpackCoefficients } from "../../src/native/index.js";
import { mergeStatistics, StatisticSums, statisticNumbers } from "../../src/shards/statistics.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";

const images = jpegKinds.map((kind) => readJpeg(makeJpeg(kind), 1e8, "none"));

/** Dequantised values of a component's blocks that hold image samples, by frequency. */
function valuesOf(component: number): number[][] {
  const values = Array.from({ length: 64 }, () => [] as number[]);
  for (const image of images) {
    const coefficients = unpackCoefficients(image.packed, image.components, "none");
    let offset = 0;
    for (const [i, { storedWide, storedHigh, blocksWide, blocksHigh }] of image.components.entries()) {
      for (let y = 0; i === component && y < blocksHigh; y++)
        for (let x = 0; x < blocksWide; x++)
          for (let k = 0; k < 64; k++) {
            const quantised = coefficients[offset + (y * storedWide + x) * 64 + k] as number;
            values[k]?.push(quantised * (image.quantTables[i * 64 + k] as number));
          }
      offset += storedWide * storedHigh * 64;
    }
  }
  return values;
}

const sumsOf = (part: typeof images) => {
  const sums = new StatisticSums();
  for (const { frequencies } of part) sums.add(frequencies);
  return sums.toStrings();
};

test("mean, deviation, zero share and largest magnitude are those of all coefficients", () => {
  const found = mergeStatistics([sumsOf(images)]);
  for (const [component, statistics] of found.entries()) {
    for (const [k, values] of valuesOf(component).entries()) {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      const zeros = values.filter((value) => value === 0).length;
      assert.equal(statistics.blocks, values.length);
      assert.ok(Math.abs((statistics.mean[k] as number) - mean) < 1e-9 * (1 + Math.abs(mean)));
      assert.ok(Math.abs((statistics.std[k] as number) - Math.sqrt(variance)) < 1e-9 * (1 + Math.sqrt(variance)));
      assert.equal(statistics.zeroShare[k], zeros / values.length);
      assert.equal(statistics.largest[k], Math.max(...values.map(Math.abs)));
    }
  }
});

test("any division into parts, in any order, merges to exactly the same", () => {
  const whole = mergeStatistics([sumsOf(images)]);
  const parts = [sumsOf(images.slice(7)), sumsOf([]), sumsOf(images.slice(0, 3).reverse()), sumsOf(images.slice(3, 7))];
  assert.deepEqual(mergeStatistics(parts), whole);
});

test("sums stay exact beyond 2^53, of either sign", () => {
  const sums = new StatisticSums();
  const image = new Float64Array(statisticNumbers).fill(2 ** 52 - 1);
  image[3] = -(2 ** 52) + 1;
  for (let i = 0; i < 1000; i++) sums.add(image);
  assert.equal(sums.toStrings()[4], String((2n ** 52n - 1n) * 1000n));
  assert.equal(sums.toStrings()[3], String((1n - 2n ** 52n) * 1000n));
});
