// Classes from the training set to scores: pictures that are numbered otherwise score the same, or are refused by name.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readManifest } from "../../src/shards/manifest.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { evaluateModel } from "../../src/train/evaluate.js";
import type { RunStart } from "../../src/train/options.js";
import { train } from "../../src/train/run/trainer.js";
import { loadCheckpoint } from "../../src/train/saved/checkpoint.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";
import { type Labelled, makeLabelled } from "../support/labelled.js";
import { quickRun } from "../support/two-classes.js";

const straight: readonly Labelled[] = [
  { label: 0, name: "amber" },
  { label: 1, name: "blue" },
];
const turned: readonly Labelled[] = [
  { label: 1, name: "amber" },
  { label: 0, name: "blue" },
];
const network = "late-concat-rfa-thinner";

test("the same pictures score the same, however their classes are numbered, or are refused", async (t) => {
  const folder = temporaryFolder(t);
  const make = async (name: string, labels: readonly Labelled[], count = 30) =>
    (await makeLabelled(folder, name, count, labels)).manifest;
  const [manifest, val] = [await make("train", straight, 64), await make("val", straight)];
  const out = path.join(folder, "run");
  await train({ manifest, network, out, ...quickRun });
  const engine = await openEngine();
  const evaluate = async (url: string) => {
    const checkpoint = await loadCheckpoint(engine.tf, out);
    return evaluateModel(engine, checkpoint.logits, checkpoint, {
      manifest: await readManifest(url),
      batchSize: 8,
      mistakes: 3,
    });
  };
  const scored = await evaluate(val);
  assert.ok(scored.top1 > 0.8, `top-1 ${scored.top1}`);
  assert.deepEqual(scored.classes, { matched: "names", known: 2, present: 2, renumbered: false });
  const { imagesPerSecond: _, classes, ...other } = await evaluate(await make("turned", turned));
  const { imagesPerSecond: __, classes: ___, ...same } = scored;
  assert.deepEqual(other, same, "loss, accuracy by class and mistakes too, in the network's numbers");
  assert.deepEqual(classes, { matched: "names", known: 2, present: 2, renumbered: true });
  const half = await evaluate(
    await make(
      "half",
      [
        { label: 0, name: "amber" },
        { label: 0, name: "amber" },
      ].slice(1),
    ),
  );
  assert.deepEqual([half.classes.present, half.classNames], [1, ["amber", "blue"]]);
  assert.deepEqual(
    half.perClass.map(({ index, name }) => [index, name]),
    [[0, "amber"]],
  );
  assert.ok(half.confusion.every(({ label, predicted }) => label === 0 && predicted === 1));

  const foreign = await make("foreign", [
    { label: 0, name: "amber" },
    { label: 1, name: "Blue" },
  ]);
  const refusal = /class "Blue" \(number 1\) is not a class of .*run.* \("blue" is, but.*`classes`.*p1/;
  await rejectsWith("CLASSES_DIFFER", () => evaluate(foreign), refusal);
  const nameless = await evaluate(await make("nameless", [{ label: 0 }, { label: 1 }]));
  assert.deepEqual([nameless.classes.matched, nameless.top1], ["numbers", scored.top1]);
  const three = await make("three", [{ label: 0 }, { label: 1 }, { label: 2 }]);
  await rejectsWith("BAD_LABEL", () => evaluate(three), /label 2 is beyond the 2 classes of .*p2/);

  const wide = (await makeLabelled(folder, "wide", 30, straight, { classes: 3 })).manifest;
  await rejectsWith("CLASSES_DIFFER", () => evaluate(wide), /3 classes, but 2 in/);
  const file = path.join(out, "checkpoint.json");
  const { classList, ...earlier } = JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual(classList, [{ name: "amber" }, { name: "blue" }]);
  writeFileSync(file, JSON.stringify(earlier));
  const old = await evaluate(path.join(folder, "turned"));
  assert.equal(old.top1, scored.top1, "checkpoints of earlier versions have names alone");

  await t.test("the commands say so, and classes travel through convert", async () => {
    const moved = path.join(folder, "moved.safetensors");
    writeFileSync(file, JSON.stringify({ ...earlier, classList }));
    for (const [from, to] of [
      [out, moved],
      [moved, path.join(folder, "back")],
    ] as const)
      assert.equal((await dctstream(["convert", from, to])).status, 0);
    const html = path.join(folder, "page.html");
    const run = await dctstream([
      "evaluate",
      path.join(folder, "back"),
      path.join(folder, "turned"),
      "--html",
      html,
      "--json",
    ]);
    assert.equal(run.status, 0, run.stderr);
    const json = lastJson(run) as unknown as typeof scored;
    assert.deepEqual([json.top1, json.classNames, json.classes.renumbered], [scored.top1, ["amber", "blue"], true]);
    assert.match(readFileSync(html, "utf8"), /matched by name: the data set numbers them otherwise/);
    const refused = await dctstream(["evaluate", out, foreign]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /CLASSES_DIFFER: class "Blue"/);
  });
});

const small = { network, width: 0.125, inputSize: 32, batchSize: 8, learningRate: 0.02, seed: 4, maxSteps: 4 } as const;

test("train --val: another numbering gives the same scores, other classes end the run before it begins", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeLabelled(folder, "train", 16, straight);
  const starts: RunStart[] = [];
  const scores = [];
  for (const [name, labels] of Object.entries({ straight, turned })) {
    const val = (await makeLabelled(folder, name, 12, labels)).manifest;
    const out = path.join(folder, `run-${name}`);
    const { valTop1, valLoss } = await train({ ...small, manifest, val, out, onStart: (start) => starts.push(start) });
    scores.push([valTop1, valLoss]);
  }
  assert.deepEqual(scores[1], scores[0]);
  assert.deepEqual(
    starts.map(({ classes, valClasses }) => [classes, valClasses?.renumbered]),
    [
      [2, false],
      [2, true],
    ],
  );
  const val = (await makeLabelled(folder, "foreign", 4, [{ label: 0, name: "green" }])).manifest;
  const out = path.join(folder, "never");
  await rejectsWith(
    "CLASSES_DIFFER",
    () => train({ ...small, manifest, val, out }),
    /"green" .* is not a class of .*train/,
  );
  assert.equal(existsSync(path.join(out, "run.json")), false);
});

test("a manifest with absurd gaps is refused by the sample, before anything is built", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeLabelled(folder, "train", 16, [{ label: 0 }, { label: 999 }]);
  const start: RunStart[] = [];
  await train({ ...small, maxSteps: 1, manifest, out: path.join(folder, "run"), onStart: (told) => start.push(told) });
  assert.deepEqual([start[0]?.classes, start[0]?.classesSeen], [1000, 2]);
  const document = JSON.parse(readFileSync(manifest, "utf8"));
  writeFileSync(manifest, JSON.stringify({ ...document, classes: [{ index: 0 }, { index: 999 }, { index: 300_000 }] }));
  const out = path.join(folder, "other");
  await rejectsWith(
    "BAD_LABEL",
    () => train({ ...small, manifest, out }),
    /label 300000 makes 300001 classes, of which only 3/,
  );
});

test("a run whose data have changed says in what way, whether it has ended or not", async (t) => {
  const folder = temporaryFolder(t);
  const make = async (count: number, labels: readonly Labelled[]) =>
    (await makeLabelled(folder, "train", count, labels, { overwrite: true })).manifest;
  const manifest = await make(16, straight);
  const val = (await makeLabelled(folder, "val", 8, straight)).manifest;
  const ended = { ...small, manifest, val, out: path.join(folder, "ended") };
  const first = await train(ended);
  const stopped = { ...small, manifest, out: path.join(folder, "stopped") };
  const interrupt = new AbortController();
  const onStep = ({ step }: { step: number }) => (step === 2 ? interrupt.abort(new Error("interrupted")) : undefined);
  await assert.rejects(train({ ...stopped, onStep, signal: interrupt.signal }), /interrupted/);
  const both = async (message: RegExp) => {
    for (const run of [ended, stopped]) await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train(run), message);
  };
  await make(24, straight);
  await both(/begun on 16 samples in 1 shard, now there are 24 samples in 1 shard in .*train.*`overwrite`/);
  await make(16, turned);
  await both(/begun with other labels/);
  await makeLabelled(folder, "train", 16, straight, { overwrite: true, codec: "none" });
  await both(/begun on other pictures with the same labels, or on the same compressed otherwise/);
  const other = straight.map(({ label, name }) => ({ label, name: `${name}ish` }));
  await make(16, other);
  const renamed = /begun with class 0 called "amber", now it is "amberish"/;
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train({ ...ended, val: undefined }), renamed);
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train(stopped), renamed);
  await make(16, straight);
  assert.deepEqual(
    { ...(await train(ended)), alreadyDone: false },
    JSON.parse(JSON.stringify(first)),
    "the same again",
  );

  await makeLabelled(folder, "val", 9, straight, { overwrite: true });
  const validated = /validated on 8 samples in 1 shard, now there are 9 samples.*dctstream evaluate/;
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train(ended), validated);
  assert.equal((await train({ ...ended, val: undefined })).alreadyDone, true);

  for (const { out } of [ended, stopped]) {
    const { data: _, val: __, ...earlier } = JSON.parse(readFileSync(path.join(out, "run.json"), "utf8"));
    writeFileSync(path.join(out, "run.json"), JSON.stringify(earlier));
  }
  const resumed = await train(stopped);
  assert.equal(resumed.resumedAt, 2, "runs of earlier versions go on");
  await make(24, straight);
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train(stopped), /begun on 16 samples/);
  const ofEarlier = /begun on other samples, labels or content; .*train.* has changed/;
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_RUN", () => train(ended), ofEarlier);
});
