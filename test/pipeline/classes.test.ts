// What labels mean, from the sources to batches: numbers and names that contradict each other are refused wherever they
// meet.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { loadBatches } from "../../src/pipeline/load/load-batches.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import type { LoaderData } from "../../src/pipeline/load/sources.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../../src/shards/manifest.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { labelledEntries, makeLabelled } from "../support/labelled.js";

const jpeg = (seed: number) => makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number], seed);
const amber = { label: 0, name: "amber" };
const blue = { label: 1, name: "blue" };

test("a label that leaves absurd gaps is named and refused; told how many classes there are, it is a counted failure", async (t) => {
  const folder = temporaryFolder(t);
  const labels = [0, 1, 0, 300_000].map((label) => ({ label }));
  const message = /label 300000 makes 300001 classes, of which only 3 occur; .*`classes`.*stray\.tar, p3/;
  await rejectsWith("BAD_LABEL", () => makeLabelled(folder, "stray", 8, labels), message);
  const again = { sources: [path.join(folder, "stray.tar")], out: path.join(folder, "stray") };
  await rejectsWith("BAD_LABEL", () => preprocess(again), message);
  const told = await makeLabelled(folder, "stray", 8, labels, { classes: 2, overwrite: true });
  assert.deepEqual([told.samples, told.errors], [6, { BAD_LABEL: 2 }]);
  assert.deepEqual((await readManifest(told.manifest)).classes, [{ index: 0 }, { index: 1 }]);
  const errors = readFileSync(path.join(folder, "stray", "errors.jsonl"), "utf8");
  assert.match(errors, /"key":"p3".*found \\"300000\\": the classes are numbered from 0 to 1/);
  const meant = await makeLabelled(folder, "stray", 8, labels, { classes: "300001", overwrite: true });
  assert.equal((await readManifest(meant.manifest)).classes.length, 300_001, "stated, it is as many");
});

test("a label that no list can hold is a failure at once; a number of classes out of range is refused", async (t) => {
  const folder = temporaryFolder(t);
  const report = await makeLabelled(folder, "huge", 4, [{ label: 0 }, { label: 1_000_000 }]);
  assert.deepEqual([report.samples, report.errors], [2, { BAD_LABEL: 2 }]);
  for (const classes of [0, 1_000_001, "0"])
    await rejectsWith(
      "INVALID_OPTION",
      () => makeLabelled(folder, "n", 4, [{ label: 0 }], { classes }),
      /classes must be/,
    );
  writeFileSync(path.join(folder, "gaps.json"), '{"0":"a","400000":"b"}');
  const gaps = { classes: path.join(folder, "gaps.json") };
  await rejectsWith("BAD_CLASSES", () => makeLabelled(folder, "n", 4, [{ label: 0 }], gaps), /number 400000/);
});

test("a number that two samples call differently is refused, in a tar and over tars and ranks", async (t) => {
  const folder = temporaryFolder(t);
  const turned = [
    { ...amber, label: 1 },
    { ...blue, label: 0 },
  ];
  await rejectsWith(
    "BAD_CLASSES",
    () => makeLabelled(folder, "one", 4, [amber, blue, ...turned]),
    /class 1 is "amber" here, but "blue" in .*one\.tar, p1; give `classes`.*one\.tar, p2/,
  );
  const [a, b] = await Promise.all([
    writeTar(path.join(folder, "a.tar"), labelledEntries(2, [amber, blue], "a")),
    writeTar(path.join(folder, "b.tar"), labelledEntries(2, turned, "b")),
  ]);
  const both = { sources: [a, b], workers: 1 };
  const differ = /class 1 is "amber" here, but "blue" in .*a\.tar/;
  await rejectsWith("BAD_CLASSES", () => preprocess({ ...both, out: path.join(folder, "both") }), differ);
  const out = path.join(folder, "ranks");
  const first = await preprocess({ ...both, out, rank: 0, worldSize: 2 });
  assert.equal(first.complete, false);
  await rejectsWith(
    "BAD_CLASSES",
    () => preprocess({ ...both, out, rank: 1, worldSize: 2 }),
    /class \d is .* but .* in /,
  );
  await rejectsWith("BAD_CLASSES", () => preprocess({ ...both, out, merge: true }), /class \d is .* but .* in /);
  const told = await preprocess({ ...both, out: path.join(folder, "told"), classes: 2 });
  assert.deepEqual(
    (await readManifest(told.manifest)).classes,
    [{ index: 0 }, { index: 1 }],
    "then the numbers alone count",
  );
});

test("a synset that has two numbers is refused; one that is called differently is not", async (t) => {
  const folder = temporaryFolder(t);
  const [wnid, other] = ["n01440764", "n01443537"];
  await rejectsWith(
    "BAD_CLASSES",
    () =>
      makeLabelled(folder, "twice", 4, [
        { label: 0, wnid },
        { label: 5, wnid },
      ]),
    /n01440764 is class 5 here, but 0 in .*p0/,
  );
  const names = [
    { label: 0, wnid, name: "tench" },
    { label: 1, wnid: other },
    { label: 0, wnid, name: "Tinca tinca" },
  ];
  const report = await makeLabelled(folder, "names", 3, names);
  assert.deepEqual((await readManifest(report.manifest)).classes, [
    { index: 0, synset: wnid, name: "tench" },
    { index: 1, synset: other },
  ]);
});

test("class folders that are called like numbers are classes by name, numbered as torchvision does", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["1", "2", "10"]) {
    mkdirSync(path.join(folder, "train", name), { recursive: true });
    writeFileSync(path.join(folder, "train", name, "x.jpg"), jpeg(Number(name)));
  }
  const { manifest } = await preprocess({ sources: [path.join(folder, "train")], out: path.join(folder, "out") });
  const { classes } = await readManifest(manifest);
  assert.deepEqual(
    classes,
    ["1", "10", "2"].map((name, index) => ({ index, name })),
  );
  assert.deepEqual(await labelsByKey(manifest), { "1/x": 0, "10/x": 1, "2/x": 2 });
});

test("classes that are folders here and numbers there are refused; numbers alone make the folders' names nobody's", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["ant", "bee"]) {
    mkdirSync(path.join(folder, "train", name), { recursive: true });
    writeFileSync(path.join(folder, "train", name, "x.jpg"), jpeg(name.length));
  }
  const numbers = await writeTar(path.join(folder, "more.tar"), labelledEntries(2, [{ label: 1 }, { label: 0 }]));
  const sources = [path.join(folder, "train"), numbers];
  const mixed =
    /folder or tar "ant", that of .*more\.tar, p0 the number 1, which no list gives a meaning; give `classes`/;
  await rejectsWith("BAD_CLASSES", () => preprocess({ sources, out: path.join(folder, "mixed") }), mixed);
  writeFileSync(path.join(folder, "classes.txt"), "bee\nant\n");
  const told = await preprocess({ sources, out: path.join(folder, "told"), classes: path.join(folder, "classes.txt") });
  assert.deepEqual(await labelsByKey(told.manifest), { "ant/x": 1, "bee/x": 0, p0: 1, p1: 0 });
  const named = await writeTar(path.join(folder, "n01440764.tar"), labelledEntries(2, [{ label: 7 }]));
  const own = await preprocess({ sources: [named], out: path.join(folder, "own") });
  assert.deepEqual((await readManifest(own.manifest)).classes, [{ index: 7 }]);
});

/** What a loader says of every sample. */
async function labelsByKey(data: LoaderData, options: object = {}): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const view = { kind: "rgb", size: 32, augment: "eval" } as const;
  for await (const batch of loadBatches(data, { view, batchSize: 4, shuffle: false, workers: 1, ...options }))
    for (let i = 0; i < batch.samples; i++) found[batch.keys[i] as string] = batch.labels[i] as number;
  return found;
}

test("mixed data sets give labels of one list, whatever numbers each has", async (t) => {
  const folder = temporaryFolder(t);
  const green = { label: 2, name: "green" };
  const { manifest } = await makeLabelled(folder, "all", 3, [amber, blue, green]);
  const turned = await writeTar(
    path.join(folder, "t.tar"),
    labelledEntries(
      2,
      [
        { label: 1, name: "amber" },
        { label: 0, name: "green" },
      ],
      "t",
    ),
  );
  const part = (await preprocess({ sources: [turned], out: path.join(folder, "part") })).manifest;
  const expected = { p0: 0, p1: 1, p2: 2, t0: 0, t1: 2 };
  assert.deepEqual(await labelsByKey([{ manifest }, { manifest: part }]), expected);
  await rejectsWith(
    "CLASSES_DIFFER",
    () => labelsByKey([{ manifest: part }, { manifest }]),
    /class "blue" \(number 1\) is not a class of .*part.*p1/,
  );
  const without = [{ manifest: part }, { manifest, classes: ["amber", "green"] }];
  assert.deepEqual(
    await labelsByKey(without),
    { p0: 1, p2: 0, t0: 1, t1: 0 },
    "what is not selected need not be known",
  );
  const view = { kind: "rgb", size: 32, augment: "eval" } as const;
  await using all = await Loader.open(manifest, { view, batchSize: 1, workers: 1 });
  assert.deepEqual(await labelsByKey(part, { classList: all.classes }), { t0: 0, t1: 2 });
  await using own = await Loader.open(part, { view, batchSize: 1, workers: 1 });
  await using mapped = await Loader.open(part, { view, batchSize: 1, workers: 1, classList: all.classes });
  assert.deepEqual(mapped.classMaps[0]?.comparison, { matched: "names", known: 3, present: 2, renumbered: true });
  await rejectsWith("STATE_MISMATCH", () => mapped.resume(own.stateAt(0, 0)), /data/);
});

test("a label that its own manifest does not list is named, whoever made it", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeLabelled(folder, "forged", 4, [amber, blue]);
  const document = JSON.parse(readFileSync(manifest, "utf8"));
  writeFileSync(manifest, JSON.stringify({ ...document, classes: [{ index: 0 }] }));
  await rejectsWith(
    "BAD_LABEL",
    () => labelsByKey(manifest),
    /label 1 is not one of the 1 classes of the manifest \(.*p1\)/,
  );
});
