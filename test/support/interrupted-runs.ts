// Runs that are interrupted, beside ones that are not.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { TrainOptions } from "../../src/train/options.js";
import type { TrainReport } from "../../src/train/report.js";
import { train } from "../../src/train/run/trainer.js";
import { temporaryFolder } from "./files.js";
import { twoClasses } from "./two-classes.js";

/** 30 samples in batches of 8: four steps per epoch, the last of them smaller. */
export const small = {
  width: 0.125,
  inputSize: 32,
  batchSize: 8,
  learningRate: 0.02,
  seed: 4,
  dropLast: false,
} as const;

/** Trains and notes every step's loss; with `stopAt` it is interrupted after that step. */
async function losses(options: TrainOptions, stopAt?: number): Promise<{ losses: number[]; report?: TrainReport }> {
  const found: number[] = [];
  const interrupt = new AbortController();
  const run = train({
    ...options,
    signal: interrupt.signal,
    onStep: ({ step, loss }) => {
      found.push(loss);
      if (step === stopAt) interrupt.abort(new Error("interrupted"));
    },
  });
  if (stopAt === undefined) return { report: await run, losses: found };
  await assert.rejects(run, /interrupted/);
  return { losses: found };
}

export function testInterruptions(variant: Partial<TrainOptions> & { readonly network: string }): void {
  const { network, ...options } = variant;
  test(`${network} with ${JSON.stringify(options)}: interrupted anywhere, the losses are those of a run that was not`, async (t) => {
    const folder = temporaryFolder(t);
    const manifest = await twoClasses(folder, 30, "train");
    const common = { manifest, ...small, maxSteps: 12, ...variant };
    const whole = await losses({ ...common, out: path.join(folder, "whole") });
    assert.equal(whole.losses.length, 12);
    const out = path.join(folder, "parts");
    const parts = [
      await losses({ ...common, out }, 1),
      await losses({ ...common, out }, 3),
      await losses({ ...common, out }, 8),
    ];
    const end = await losses({ ...common, out });
    const joined = [...parts, end].flatMap((part) => part.losses);
    assert.deepEqual(joined, whole.losses, "to the last bit");
    assert.equal(end.report?.resumedAt, 8);
    assert.equal(end.report?.loss, whole.report?.loss);
    const [a, b] = [whole, end].map(({ report }) =>
      readFileSync(path.join(path.dirname(report?.checkpoint as string), "weights.bin")),
    );
    assert.ok(a?.equals(b as Buffer), "and so are the weights");
    const epochs = (text: string) =>
      text
        .split("\n")
        .flatMap((line) => (line.includes('"epoch"') && line.startsWith('{"kind":"epoch') ? [JSON.parse(line)] : []));
    const [first, second] = [path.join(folder, "whole"), out].map((run) =>
      epochs(readFileSync(path.join(run, "history.jsonl"), "utf8")).map(({ epoch, loss, top1 }) => ({
        epoch,
        loss,
        top1,
      })),
    );
    assert.deepEqual(second, first, "the history too");
  });
}
