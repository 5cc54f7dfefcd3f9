import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LoadClock, loadBetween, viewTime } from "../../src/pipeline/load/load-clock.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import { makeDataset } from "../support/dataset.js";
import { temporaryFolder } from "../support/files.js";

/** A clock that is set by hand. */
function handClock(threads: number) {
  let now = 1000;
  const clock = new LoadClock(threads, () => now);
  const pass = (ms: number) => {
    now += ms;
  };
  return { clock, pass };
}

test("threads that work while a batch is waited for are busy, those that do not wait for input", () => {
  const { clock, pass } = handClock(2);
  clock.batchAsked();
  clock.readBegan();
  pass(30);
  clock.readEnded(5000);
  clock.taskBegan();
  pass(70);
  clock.taskEnded(70);
  clock.batchGiven(32);
  const { counters } = clock;
  assert.deepEqual(viewTime(counters, 2), { busyMs: 70, waitForInputMs: 130, waitForOutputMs: 0 });
  assert.deepEqual([counters.elapsedMs, counters.consumerWaitMs, counters.samples], [100, 100, 32]);
  assert.deepEqual([counters.readMs, counters.readBytes], [30, 5000]);
});

test("threads that have nothing to do while nobody asks wait for output", () => {
  const { clock, pass } = handClock(1);
  clock.batchAsked();
  clock.taskBegan();
  pass(10);
  clock.taskEnded(10);
  clock.batchGiven(8);
  clock.taskBegan();
  pass(10); // the next batch, made while the first is used
  clock.taskEnded(10);
  pass(80);
  const { counters } = clock;
  assert.deepEqual(viewTime(counters, 1), { busyMs: 20, waitForInputMs: 0, waitForOutputMs: 80 });
  assert.equal(counters.consumerWaitMs, 10);
});

test("the time after the last batch is nobody's waiting, and a clock that has not begun has counted nothing", () => {
  const { clock, pass } = handClock(1);
  clock.taskBegan();
  pass(50);
  assert.equal(clock.counters.elapsedMs, 0);
  clock.batchAsked();
  pass(10);
  clock.batchGiven(1);
  clock.batchAsked();
  clock.ended();
  pass(40);
  assert.deepEqual([clock.counters.consumerWaitMs, clock.counters.elapsedMs], [10, 50]);
});

test("a loader's counters agree with a stopwatch, and tell a slow consumer from one that asks at once", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 120, { codec: "none" });
  const view = { kind: "dct", size: 224, augment: "train" } as const;
  await using loader = await Loader.open(manifest, { view, batchSize: 8, workers: 1 });
  for await (const batch of loader.epoch(0)) batch.release(); // threads start, files are opened
  const measure = async (epochs: number, use: () => Promise<unknown> | undefined) => {
    const before = loader.counters;
    const began = performance.now();
    for await (const batch of loader.epochs(1, 1 + epochs)) {
      await use();
      batch.release();
    }
    const tookMs = performance.now() - began;
    const counters = loadBetween(before, loader.counters);
    const { busyMs, waitForInputMs, waitForOutputMs } = viewTime(counters, 1);
    assert.ok(Math.abs(busyMs + waitForInputMs + waitForOutputMs - counters.elapsedMs) < 1e-6);
    assert.equal(counters.samples, epochs * 120);
    return {
      output: waitForOutputMs / counters.elapsedMs,
      waited: counters.consumerWaitMs / counters.elapsedMs,
      tookMs,
      counters,
    };
  };
  const slow = await measure(2, () => sleep(30));
  assert.ok(Math.abs(slow.counters.elapsedMs / slow.tookMs - 1) < 0.03, "agrees with a stopwatch");
  const fast = await measure(20, () => undefined);
  assert.ok(slow.output > 0.5 && slow.waited < 0.4, JSON.stringify(slow));
  assert.ok(fast.output < 0.2 && fast.waited > 0.8, JSON.stringify(fast));
});
