import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bestSimdLevel,
  expandPacked,
  packCoefficients,
  type SimdLevel,
  unpackCoefficients,
} from "../../src/native/index.js";
import { type Random, randomFor } from "../../src/shards/random.js";
import { rejectsWith } from "../support/errors.js";

const grid = (storedWide: number, storedHigh: number) => ({ h: 1, v: 1, storedWide, storedHigh });
const allLevels: readonly SimdLevel[] = ["scalar", "avx2", "avx512"];
const levels = allLevels.slice(0, allLevels.indexOf(bestSimdLevel) + 1);

/** `density` of the coefficients are not zero; about a tenth of those need an escape. */
function randomCoefficients(blocks: number, density: number, random: Random): Int16Array {
  return Int16Array.from({ length: blocks * 64 }, () => {
    if (random.next() >= density) return 0;
    return random.next() < 0.1 ? random.below(65536) - 32768 : random.below(255) - 127;
  });
}

for (const codec of ["none", "zstd"] as const) {
  for (const simd of levels) {
    test(`${codec}, ${simd}: what is packed comes back, for every density and grid`, () => {
      const random = randomFor(5, "pack", codec);
      for (const density of [0, 0.02, 0.3, 1]) {
        for (const components of [[grid(1, 1)], [grid(7, 16)], [grid(3, 17), grid(2, 9), grid(1, 40)]]) {
          const blocks = components.reduce((sum, { storedWide, storedHigh }) => sum + storedWide * storedHigh, 0);
          const coefficients = randomCoefficients(blocks, density, random);
          const packed = packCoefficients(coefficients, components, codec);
          assert.deepEqual(unpackCoefficients(packed, components, codec, simd), coefficients);
          const plain = packCoefficients(coefficients, components, "none");
          assert.deepEqual(expandPacked({ packed, components, codec }), plain);
        }
      }
    });
  }

  test(`${codec}: the extremes of int16 survive, in DC and AC`, () => {
    const coefficients = new Int16Array(64 * 6);
    coefficients.set([-32768, 32767, -128, 128, -127, 127]);
    coefficients.set([32767], 64);
    coefficients.set([-32768], 128);
    coefficients.set([-129, 0, 1], 192);
    const components = [grid(3, 2)];
    const packed = packCoefficients(coefficients, components, codec);
    for (const simd of levels) assert.deepEqual(unpackCoefficients(packed, components, codec, simd), coefficients);
  });

  test(`${codec}: damaged bytes are CORRUPT_RECORD or other numbers, never a crash`, () => {
    const random = randomFor(6, "damage", codec);
    const components = [grid(9, 20), grid(5, 10)];
    const packed = packCoefficients(randomCoefficients(230, 0.2, random), components, codec);
    let refused = 0;
    for (let i = 0; i < 1500; i++) {
      const damaged = packed.slice(0, i % 4 === 0 ? random.below(packed.length) : undefined);
      for (let n = random.below(4); n >= 0 && damaged.length > 0; n--)
        damaged[random.below(i % 2 === 0 ? damaged.length : Math.min(60, damaged.length))] = random.below(256);
      for (const simd of levels) {
        try {
          unpackCoefficients(damaged, components, codec, simd);
        } catch (error) {
          assert.equal((error as { code: string }).code, "CORRUPT_RECORD");
          refused++;
        }
      }
    }
    assert.ok(refused > 100, `only ${refused} refused`);
  });
}

test("bytes of another grid are refused", async () => {
  const wrong = { packed: packCoefficients(new Int16Array(64), [grid(1, 1)], "zstd"), components: [grid(9, 9)] };
  await rejectsWith("CORRUPT_RECORD", () => expandPacked({ ...wrong, codec: "zstd" }));
  const packed = packCoefficients(new Int16Array(64 * 4).fill(3), [grid(2, 2)], "none");
  await rejectsWith("CORRUPT_RECORD", () => unpackCoefficients(packed, [grid(3, 3)], "none"));
  await rejectsWith(
    "INVALID_ARGUMENT",
    () => packCoefficients(new Int16Array(64), [grid(2, 2)], "none"),
    /fill the grids/,
  );
});
