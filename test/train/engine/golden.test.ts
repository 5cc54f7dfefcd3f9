// Against an implementation that shares nothing with ours: PyTorch, in double precision. test/fixtures/golden.py makes
// the values again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { oneStep, pattern, relativeError } from "../../support/tensors.js";

/** Norm, and projection on a pattern. */
type Kept = [number, number];
interface Golden {
  readonly loss: number;
  readonly logits: number[];
  readonly gradients: Record<string, Kept>;
  readonly weights: Record<string, Kept>;
  readonly predicted: number[];
}

const fixture = new URL("../../../../test/fixtures/golden.json", import.meta.url);
const golden = JSON.parse(readFileSync(fixture, "utf8")) as Record<string, Golden>;

/** Both numbers within `tolerance` of the norm, or of `floor` where the norm is rounding. */
function assertKept(values: Float32Array, [norm, projection]: Kept, name: string, floor: number): void {
  const weights = pattern(values.length, `${name}?`);
  const found = [
    Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)),
    values.reduce((sum, value, i) => sum + value * (weights[i] as number), 0),
  ];
  const size = Math.max(norm, floor);
  assert.ok(Math.abs((found[0] as number) - norm) <= 1e-4 * size, `${name}: norm ${found[0]}, expected ${norm}`);
  assert.ok(
    Math.abs((found[1] as number) - projection) <= 1e-4 * size,
    `${name}: projection ${found[1]}, expected ${projection}`,
  );
}

for (const [id, expected] of Object.entries(golden)) {
  test(`${id}: forward, gradients, update and the frozen network agree with PyTorch in double precision`, async () => {
    const found = await oneStep(await openEngine(), id, { formula: true });
    assert.ok(relativeError([found.loss], [expected.loss]) < 1e-5, `loss ${found.loss}, expected ${expected.loss}`);
    assert.ok(relativeError(found.logits, expected.logits) < 1e-5);
    assert.deepEqual([...found.gradients.keys()].sort(), Object.keys(expected.gradients).sort());
    const largest = Math.max(...Object.values(expected.gradients).map(([norm]) => norm));
    for (const [name, kept] of Object.entries(expected.gradients))
      assertKept(found.gradients.get(name) as Float32Array, kept, name, 1e-2 * largest);
    assert.deepEqual([...found.weights.keys()].sort(), Object.keys(expected.weights).sort());
    for (const [name, kept] of Object.entries(expected.weights))
      assertKept(found.weights.get(name) as Float32Array, kept, name, 1e-3);
    assert.ok(relativeError(found.frozen, expected.predicted) < 1e-4, "the frozen network, with moving statistics");
  });
}
