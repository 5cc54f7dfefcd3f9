import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LoadClock } from "../../src/pipeline/load/load-clock.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import {
  addCounters,
  countersBetween,
  type PipelineCounters,
  type Recorder,
  stageShares,
} from "../../src/pipeline/stage-clock.js";
import { makeDataset } from "../support/dataset.js";
import { temporaryFolder } from "../support/files.js";
import { Stopwatch } from "../support/profiles.js";
import { until } from "../support/until.js";

/** A loader's clock that is set by hand, its first batch given. */
function handClock(threads: number) {
  let now = 1000;
  const clock = new LoadClock({ threads, readsStorage: true, consumer: "consumer", now: () => now });
  const pass = (ms: number) => {
    now += ms;
  };
  clock.batchAsked();
  clock.batchReady();
  pass(500);
  clock.batchGiven(0, 0);
  const work = (began: number, ended: number) =>
    clock.taskEnded({ thread: 1, began: 1500 + began, ended: 1500 + ended, parts: { read: 1 } }, 8, 800);
  return { clock, pass, work };
}

function sharesOf(counters: PipelineCounters, name: string) {
  const stage = counters.stages[name];
  assert.ok(stage !== undefined);
  const shares = stageShares(stage, counters.elapsedMs);
  assert.ok(Math.abs(shares.busy + shares.waitForInput + shares.waitForOutput - 1) < 1e-9);
  return [shares.busy, shares.waitForInput, shares.waitForOutput].map((share) => Number(share.toFixed(3)));
}

test("a thread without work waits for input while a batch, or its data, is waited for; for output otherwise", () => {
  const { clock, pass, work } = handClock(2);
  clock.batchAsked();
  clock.taskSent();
  clock.taskSent();
  clock.taskSent();
  pass(100);
  work(30, 100); // told of when it has ended, as threads do
  clock.batchReady();
  clock.batchGiven(32, 3200);
  pass(50); // both threads could make the next batch, but its data is on its way
  clock.waitsForData(true);
  pass(25);
  clock.waitsForData(false);
  pass(25);
  const { counters } = clock;
  assert.equal(counters.elapsedMs, 200, "it begins with the first batch");
  assert.deepEqual(sharesOf(counters, "views"), [70 / 400, (200 - 70 + 50) / 400, (100 + 50) / 400]);
  assert.deepEqual(sharesOf(counters, "consumer"), [0.5, 0.5, 0], "what it is at counts");
  const { samples, bytes, partsMs, queueMs } = counters.stages.views ?? assert.fail();
  assert.deepEqual([samples, bytes, partsMs], [8, 800, { read: 1 }]);
  assert.deepEqual(queueMs, [100, 100], "one of three tasks waited for a thread until another ended");
  clock.batchAsked();
  assert.deepEqual(sharesOf(clock.counters, "consumer"), [0.5, 0.5, 0]);
});

test("work that is told of late is laid to when it was done", () => {
  const { clock, pass, work } = handClock(1);
  clock.taskSent();
  pass(300); // a training step blocks the thread that would hear of the end
  work(10, 60);
  clock.batchAsked();
  pass(100);
  clock.batchGiven(8, 0);
  const { counters } = clock;
  assert.deepEqual(sharesOf(counters, "views"), [0.125, 0.25, 0.625]);
  assert.deepEqual(sharesOf(counters, "consumer"), [0.75, 0.25, 0]);
});

test("reads side by side keep storage busy once; a held consumer is neither busy nor waiting for input", () => {
  const { clock, pass } = handClock(1);
  const { storage } = clock;
  const first = storage?.began() ?? 0;
  pass(40);
  const second = storage?.began() ?? 0;
  pass(10);
  storage?.ended(first, 1, 100);
  pass(10);
  assert.deepEqual(sharesOf(clock.counters, "storage"), [1, 0, 0], "what is under way counts");
  storage?.ended(second, 2, 200);
  pass(20);
  clock.hold(true);
  pass(60);
  clock.hold(false);
  pass(60);
  clock.batchAsked();
  const { counters } = clock;
  assert.deepEqual(sharesOf(counters, "storage"), [0.3, 0, 0.7]);
  assert.deepEqual(sharesOf(counters, "consumer"), [0.7, 0, 0.3]);
  assert.deepEqual([counters.stages.storage?.samples, counters.stages.storage?.bytes], [3, 300]);
  const doubled = addCounters(counters, counters);
  assert.equal(doubled.elapsedMs, 400);
  assert.deepEqual(countersBetween(counters, doubled), counters);
});

/** Keeps what it hears, and tells how many finished batches wait for the consumer. */
class Listener implements Recorder {
  readonly spans: { readonly stage: string; readonly began: number; readonly ended: number }[] = [];
  ready = 0;

  span(stage: string, _name: string, _thread: number | undefined, began: number, ended: number): void {
    this.spans.push({ stage, began, ended });
  }

  depth(stage: string, _at: number, items: number): void {
    if (stage === "consumer") this.ready = items;
  }
}

test("a loader's counters agree with a stopwatch, and tell a slow consumer from one that asks at once", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 120, { codec: "none" });
  const view = { kind: "dct", size: 224, augment: "train" } as const;
  const listener = new Listener();
  const held = 4;
  const options = { view, batchSize: 8, workers: 1, prefetchBatches: held, recorder: listener };
  await using loader = await Loader.open(manifest, options);
  for await (const batch of loader.epoch(0)) batch.release(); // threads start, files are opened
  const measure = async (epochs: number, use: (left: number) => Promise<unknown> | undefined) => {
    const watch = new Stopwatch();
    const before = watch.around(() => loader.counters);
    let left = epochs * loader.steps;
    for await (const batch of loader.epochs(1, 1 + epochs)) {
      await use(--left);
      batch.release();
    }
    const counters = countersBetween(
      before,
      watch.around(() => loader.counters),
    );
    watch.check(counters.elapsedMs, "the loader's clock");
    assert.equal(counters.stages.consumer?.samples, epochs * 120);
    return { views: sharesOf(counters, "views"), consumer: sharesOf(counters, "consumer"), counters };
  };
  // Until all is made that may be made, and four times as long: on any machine the view thread rests for most of the
  // time.
  const slow = await measure(1, async (left) => {
    const began = performance.now();
    await until("the batches ahead are made", () => listener.ready >= Math.min(held - 1, left), 1);
    await sleep(10 + 4 * (performance.now() - began));
  });
  const fast = await measure(20, () => undefined);
  assert.ok((slow.views[2] as number) > 0.5 && (slow.consumer[0] as number) > 0.5, JSON.stringify(slow));
  assert.ok((fast.views[2] as number) < 0.5 && (fast.consumer[1] as number) > 0.5, JSON.stringify(fast));
  const { partsMs, busyMs } = fast.counters.stages.views ?? assert.fail();
  const parts = Object.values(partsMs).reduce((sum, ms) => sum + ms, 0);
  assert.deepEqual(Object.keys(partsMs), ["read", "unpack", "resample"]);
  assert.ok(Math.abs(parts / busyMs - 1) < 1e-6, `parts are ${parts} ms of ${busyMs}`);
  const [from, to] = [performance.timeOrigin, performance.timeOrigin + performance.now()];
  for (const { began, ended } of listener.spans)
    assert.ok(from < began && began <= ended && ended <= to, "one time for all threads");
  assert.deepEqual([...new Set(listener.spans.map(({ stage }) => stage))].sort(), ["collate", "consumer", "views"]);
});
