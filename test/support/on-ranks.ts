// What ranks compute together, beside one process that does it alone.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryFolder } from "./files.js";
import { mpirun } from "./mpi.js";
import { relativeError } from "./tensors.js";

/** Runs a task of rank-program on every rank and returns what each has left. */
export async function onRanks<T>(t: TestContext, ranks: number, task: string, argument = ""): Promise<T[]> {
  const folder = temporaryFolder(t);
  const { status, stderr } = await mpirun(ranks, "test/support/rank-program.js", [task, folder, argument]);
  assert.equal(status, 0, stderr.slice(-1000));
  return Array.from({ length: ranks }, (_, rank) =>
    JSON.parse(readFileSync(path.join(folder, `rank-${rank}.json`), "utf8")),
  );
}

const floats = (text: string) => {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

/** Batch normalisation is over all ranks, or there would be no one batch to compare with. */
export function testGradients(id: string): void {
  test(`${id}: the gradient of 1, 2 and 4 ranks is that of one process with the whole batch`, async (t) => {
    type Gradients = { losses: number[]; gradients: string[] };
    const [alone, ...others] = await Promise.all(
      [1, 2, 4].map(async (ranks) => (await onRanks<Gradients>(t, ranks, "gradients", id))[0]),
    );
    const expected = (alone?.gradients ?? []).map(floats);
    const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const largest = Math.max(...expected.map(norm));
    for (const other of others) {
      assert.ok(Math.abs((other?.losses[0] as number) - (alone?.losses[0] as number)) < 1e-5);
      for (const [i, values] of expected.entries()) {
        const error =
          relativeError(floats(other?.gradients[i] as string), values) *
          (norm(values) / Math.max(norm(values), 1e-2 * largest));
        assert.ok(error < 1e-5, `weight ${i}: ${error.toExponential(1)}`);
      }
    }
  });
}

export function testWeights(ranks: number): void {
  test(`${ranks} ranks hold identical weights after 50 steps`, async (t) => {
    const found = await onRanks<{ digest: string; losses: number[] }>(t, ranks, "weights", "resnet50-rgb");
    assert.equal(new Set(found.map(({ digest }) => digest)).size, 1);
    assert.equal(new Set(found.map(({ losses }) => JSON.stringify(losses))).size, 1, "and report the same losses");
  });
}
