import assert from "node:assert/strict";
import { test } from "node:test";
import { checkWorldSize, configOf, differenceOf, partSize, resolveTrainOptions } from "../../src/train/options.js";
import { rejectsWith } from "../support/errors.js";

const base = { manifest: "shards", network: "resnet50-rgb", out: "run" } as const;

test("the default recipe is the paper's kind; what is said wins over a preset, and a preset over defaults", () => {
  const plain = resolveTrainOptions(base);
  assert.deepEqual(
    [
      plain.epochs,
      plain.schedule,
      plain.momentum,
      plain.weightDecay,
      plain.labelSmoothing,
      plain.zeroInit,
      plain.warmupEpochs,
    ],
    [90, "step", 0.9, 1e-4, 0, false, 5],
  );
  assert.equal(plain.learningRate, 0.0125, "0.1 per 256 samples");
  const fast = resolveTrainOptions({ ...base, preset: "fast", epochs: 8, warmupEpochs: undefined });
  assert.deepEqual(
    [fast.epochs, fast.schedule, fast.labelSmoothing, fast.firstInputSize, fast.warmupEpochs],
    [8, "cosine", 0.1, 128, 2],
  );
});

test("a preset's growing views give way to small views and to networks of one size", async () => {
  assert.equal(resolveTrainOptions({ ...base, preset: "fast", inputSize: 64 }).firstInputSize, 64);
  assert.equal(resolveTrainOptions({ ...base, preset: "fast", network: "vit-dct-ti" }).firstInputSize, undefined);
  await rejectsWith(
    "INVALID_OPTION",
    () => resolveTrainOptions({ ...base, network: "vit-dct-ti", firstInputSize: 128 }),
    /firstInputSize/,
  );
});

test("options out of range are refused by their keys", async () => {
  const refused = [
    [{ epochs: 0 }, /epochs/],
    [{ learningRate: -1 }, /learningRate/],
    [{ warmupEpochs: -1 }, /warmupEpochs/],
    [{ momentum: 1 }, /momentum/],
    [{ labelSmoothing: 1 }, /labelSmoothing/],
    [{ clipNorm: 0 }, /clipNorm/],
    [{ averageDecay: 1 }, /averageDecay/],
    [{ cropScale: 0 }, /cropScale/],
    [{ accumulate: 3 }, /accumulate must be a divisor of the batch size 32/],
    [{ keepLast: 0 }, /keepLast/],
    [{ firstInputSize: 100 }, /firstInputSize/],
    [{ schedule: "linear" as "step" }, /schedule/],
    [{ preset: "slow" as "fast" }, /preset must be paper, fast, tiny/],
    [{ augment: false, cropScale: 0.5 }, /augment/],
  ] as const;
  for (const [options, message] of refused)
    await rejectsWith("INVALID_OPTION", () => resolveTrainOptions({ ...base, ...options }), message);
});

test("what several ranks cannot do is refused", async () => {
  const settings = (options: object) => resolveTrainOptions({ ...base, ...options });
  assert.equal(partSize(settings({ batchSize: 32, accumulate: 4 })), 8);
  checkWorldSize(settings({ batchSize: 32, accumulate: 4 }), 8);
  await rejectsWith(
    "INVALID_OPTION",
    () => checkWorldSize(settings({ batchSize: 32, accumulate: 4 }), 3),
    /multiple of 12/,
  );
  await rejectsWith(
    "INVALID_OPTION",
    () => checkWorldSize(settings({ batchSize: 8, policy: { mixup: 1 } }), 8),
    /even/,
  );
  await rejectsWith(
    "INVALID_OPTION",
    () => checkWorldSize(settings({ syncBatchNorm: true, dropLast: false }), 2),
    /syncBatchNorm.*dropLast/,
  );
});

test("two runs are the same whatever computes them, and differ in what comes out", () => {
  const config = (options: object) => configOf(resolveTrainOptions({ ...base, ...options }));
  const saved = JSON.parse(JSON.stringify(config({ onStep: () => {} })));
  assert.equal(
    differenceOf(saved, config({ workers: 7, device: "cpu", keepLast: 9, checkpointSteps: 5, out: "elsewhere" })),
    undefined,
  );
  assert.match(differenceOf(saved, config({ epochs: 30, warmupEpochs: 5 })) ?? "", /begun with epochs 90, now 30/);
  const mixed = JSON.parse(JSON.stringify(config({ policy: { mixup: 0.2, brightness: 0.4 } })));
  const otherOrder = { ...mixed, policy: { mixup: 0.2, brightness: 0.4 } };
  assert.equal(differenceOf(otherOrder, config({ policy: { brightness: 0.4, mixup: 0.2 } })), undefined);
  assert.match(differenceOf(otherOrder, config({ policy: { mixup: 0.3, brightness: 0.4 } })) ?? "", /policy/);
  assert.match(differenceOf(saved, config({ averageDecay: 0.9 })) ?? "", /averageDecay not given, now 0\.9/);
});
