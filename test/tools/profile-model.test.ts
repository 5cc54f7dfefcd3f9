import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, ceilings, predict, recommend, type Station } from "../../tools/profile/model.js";
import { Recording } from "../../tools/profile/recording.js";
import { type Cores, type Stage, stagesOf } from "../../tools/profile/stage.js";
import { sweepFrom } from "../../tools/profile/sweep.js";
import { describeRecommendation } from "../../tools/profile/text.js";
import { bottleneckOf, trainingVerdict, verdictOf } from "../../tools/profile/verdict.js";
import { rejectsWith } from "../support/errors.js";

const quiet: Cores = { count: 16, own: 0.1, busy: 0.1, msPerImage: 0.01 };

function stage(name: string, imagesPerSecond: number, more: Partial<Stage>): Stage {
  const busy = more.busy ?? 0;
  return {
    name,
    threads: 1,
    imagesPerSecond,
    imagesPerSecondAlone: busy > 0 ? imagesPerSecond / busy : undefined,
    busy,
    waitForInput: 1 - busy,
    waitForOutput: 0,
    onCore: busy,
    queueDepth: undefined,
    bytesPerSecond: 0,
    parts: {},
    limit: undefined,
    ...more,
  };
}

/** Two saturated view threads behind storage that could give 5,100 images/s. */
function station(change: Partial<Station> = {}): Station {
  const stages = [
    stage("storage", 3000, { busy: 0.59, onCore: 0, imagesPerSecondAlone: 5100 }),
    stage("views", 3000, { busy: 1, threads: 2, parts: { read: 0.1, unpack: 0.5, resample: 0.4 } }),
  ];
  const workers = { stage: "views", now: 2, most: () => Number.POSITIVE_INFINITY };
  return { imagesPerSecond: 3000, stages, cores: quiet, workers, ...change };
}

test("more threads bring more, until the next stage limits", () => {
  const three = predict(station(), { workers: 3 });
  assert.ok(Math.abs(three / 4500 - 1) < 0.08, `half as many again: ${three}`);
  assert.ok(predict(station(), { workers: 1 }) / 1500 - 1 < 0.05);
  const many = predict(station(), { workers: 16 });
  assert.ok(many > 4500 && many <= 5100 * 1.05, `storage limits: ${many}`);
  assert.equal(ceilings(station(), { workers: 16 })[0]?.what, "storage");
  const few = station({ cores: { ...quiet, count: 2, own: 1, busy: 1, msPerImage: 2 / 3 } });
  assert.ok(predict(few, { workers: 16 }) < 3400, "and cores limit where there are few");
  assert.ok(predict(few, { machines: 2 }) > 4000, "which another machine has too");
});

test("threads that wait for something else bring nothing, and half the unpacking saves what it took", () => {
  const held = station({ workers: { stage: "views", now: 2, most: () => 2 } });
  assert.ok(Math.abs(predict(held, { workers: 8 }) / 3000 - 1) < 1e-9);
  const unpacked = predict(station(), { unpacking: 0 });
  assert.ok(unpacked > 4300 && unpacked < 5100, String(unpacked));
});

test("reads that wait for their first byte gain from more of them at a time (Little's law)", () => {
  const reads = {
    latencyMs: 100,
    imagesPerRead: 1,
    most: 256,
    batchSize: 8,
    imageBytes: 10_000,
    prefetchBytes: 80_000,
  };
  const far = station({
    imagesPerSecond: 80,
    stages: [
      stage("storage", 80, { busy: 1, onCore: 0, imagesPerSecondAlone: 5000 }),
      stage("views", 80, { busy: 0.01, threads: 2 }),
    ],
    reads,
  });
  const at = (change: Change) => Math.round(predict(far, change));
  assert.deepEqual([at({}), at({ prefetchBytes: 160_000 }), at({ prefetchBytes: 1_600_000 })], [80, 160, 1600]);
  assert.ok(predict(far, { prefetchBytes: 1e9 }) < 2600, "256 reads at a time");
  assert.ok(predict(far, { cached: true }) > 5000, "a cache needs none");
});

test("at most three recommendations, the best first, none for less than 5 %", () => {
  const options = [1, 2, 3, 4, 6].map((workers) => ({ text: `--workers ${workers}`, change: { workers } }));
  const found = recommend(station(), options);
  assert.deepEqual(
    found.map(({ change }) => change),
    ["--workers 6", "--workers 4", "--workers 3"],
  );
  const [best] = found;
  assert.equal(
    describeRecommendation(best ?? assert.fail()),
    "--workers 6: about +70 %, to 5,100 images/s, where storage limits",
  );
});

test("verdicts name the stage, or the cores, with numbers", () => {
  const { stages } = station();
  assert.equal(
    verdictOf(stages, quiet, 3000),
    "views bound: 3,000 images/s; the view threads are saturated (2 of 2 busy 100 %), storage is idle 41 %",
  );
  const crowded: Cores = { count: 2, own: 0.97, busy: 0.99, msPerImage: 0.6 };
  const halfBusy = [stage("views", 100, { busy: 0.7, threads: 2 }), stage("collate", 100, { busy: 0.1 })];
  assert.equal(bottleneckOf(halfBusy, crowded), "cores");
  assert.match(verdictOf(halfBusy, crowded, 100), /^cores bound: .*, 2 of 2 cores are busy 99 %$/);
  assert.equal(
    bottleneckOf(halfBusy, { ...crowded, own: 0.5 }),
    "views",
    "cores that others keep busy are no stage of ours",
  );
  assert.match(verdictOf(halfBusy, { ...crowded, own: 0.5 }, 100), /other programs take 49 % of the cores$/);
  const step = stage("step", 40, { busy: 0.5, waitForInput: 0.38, waitForOutput: 0.12 });
  const told = trainingVerdict(step, stages, quiet, { imagesPerSecond: 40, fasterInput: 0.76 });
  assert.equal(told.bottleneck, "views");
  assert.equal(
    told.verdict,
    "input bound: 40 images/s, steps wait 43 % of the time for data, 12 % of the time goes to validation and checkpoints; the view threads are saturated (2 of 2 busy 100 %), storage is idle 41 %; input without any wait would win 76 % at most",
  );
});

test("a stage that waits for cores which other programs take is told from one that holds the others up", () => {
  const taken: Cores = { count: 2, own: 0.2, busy: 0.97, msPerImage: 1 };
  const write = stage("write", 100, { busy: 0.7, onCore: 0.1 });
  const stages = [write, stage("output", 100, { busy: 0.6, onCore: 0 })];
  assert.equal(bottleneckOf(stages, quiet), "write", "with cores to spare it waits for something of its own");
  assert.equal(bottleneckOf(stages, taken), "output");
  assert.equal(
    verdictOf(stages, taken, 100),
    "output bound: 100 images/s; output is the busiest (busy 60 %), write is idle 30 %, 2 of 2 cores are busy 97 %, other programs take 77 % of the cores, write waits for one 60 % of the time",
  );
  const saturated = [{ ...write, busy: 0.95 }, stages[1] as Stage];
  assert.equal(bottleneckOf(saturated, taken), "write", "all others wait for it, whatever it waits for");
});

test("depths of queues are over time", () => {
  const counted = {
    threads: 1,
    busyMs: 50,
    busyWhileStarvingMs: 0,
    cpuMs: 50,
    starvingMs: 50,
    pieces: 1,
    samples: 10,
    bytes: 1000,
    partsMs: {},
  };
  const counters = { elapsedMs: 100, stages: { views: { ...counted, queueMs: [50, 30, 15, 0, 5] } } };
  const [views] = stagesOf(counters, 100, {});
  assert.deepEqual(views?.queueDepth, { mean: 0.8, p90: 2 });
  assert.deepEqual([views?.imagesPerSecond, views?.imagesPerSecondAlone, views?.bytesPerSecond], [100, 200, 10_000]);
});

test("a trace has a row for every thread, and as many as overlap where there are none; and counters", () => {
  const recording = new Recording();
  recording.span("views", "views", 7, 1000, 1004);
  recording.span("views", "views", 8, 1001, 1005);
  recording.span("storage", "storage", undefined, 1000, 1010);
  recording.span("storage", "storage", undefined, 1002, 1003);
  recording.span("storage", "storage", undefined, 1004, 1006);
  recording.depth("views", 1002, 3);
  assert.deepEqual(
    recording.lanes().map(({ name, spans }) => [name, spans.length]),
    [
      ["views, thread 7", 1],
      ["views, thread 8", 1],
      ["storage 1", 1],
      ["storage 2", 2],
    ],
  );
  const { traceEvents } = JSON.parse(recording.toTrace()) as { traceEvents: Record<string, unknown>[] };
  const rows = traceEvents
    .filter(({ name }) => name === "thread_name")
    .map(({ args }) => (args as { name: string }).name);
  assert.deepEqual(rows, ["views, thread 7", "views, thread 8", "storage 1", "storage 2"]);
  const complete = traceEvents.filter(({ ph }) => ph === "X");
  assert.deepEqual(
    complete.map(({ tid, ts, dur }) => [tid, ts, dur]),
    [
      [1, 0, 4000],
      [2, 1000, 4000],
      [3, 0, 10_000],
      [4, 2000, 1000],
      [4, 4000, 2000],
    ],
  );
  assert.deepEqual(
    traceEvents.filter(({ ph }) => ph === "C").map(({ name, ts, args }) => [name, ts, args]),
    [["queue: views", 2000, { items: 3 }]],
  );
  const [views] = recording.percentiles();
  assert.deepEqual(views, { what: "views", count: 2, p50: 4, p90: 4, p99: 4, max: 4 });
});

test("--sweep makes every combination, and refuses what it does not know", async () => {
  const sweep = sweepFrom({ sweep: ["workers=1,2", "prefetch-bytes=64MiB,1GiB"] });
  assert.deepEqual(
    sweep.map(({ change }) => change),
    [
      { workers: 1, prefetchBytes: 2 ** 26 },
      { workers: 1, prefetchBytes: 2 ** 30 },
      { workers: 2, prefetchBytes: 2 ** 26 },
      { workers: 2, prefetchBytes: 2 ** 30 },
    ],
  );
  assert.deepEqual(sweepFrom({}), []);
  for (const text of ["batch=1", "workers", "workers=0", "workers=two", "prefetch-bytes=much"])
    await rejectsWith("INVALID_OPTION", () => sweepFrom({ sweep: [text] }));
  await rejectsWith("INVALID_OPTION", () => sweepFrom({ sweep: ["workers=1", "workers=2"] }), /each setting once/);
  await rejectsWith("INVALID_OPTION", () => sweepFrom({ sweep: ["prefetch-bytes=1MB"] }, ["workers"]));
});
