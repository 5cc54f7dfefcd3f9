import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../../src/shards/manifest.js";
import { verify } from "../../src/shards/verify.js";
import { makeDataset, sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder, writeTar } from "../support/files.js";
import { cmykKind, jpegKinds, makeJpeg, rgbKind } from "../support/jpegs.js";

const firstKind = jpegKinds[0] as (typeof jpegKinds)[number];

async function hashes(folder: string): Promise<Record<string, string>> {
  const names = await namesIn(folder);
  return Object.fromEntries(names.map((name) => [name, sha256(readFileSync(path.join(folder, name)))]));
}

test("bad samples are skipped, counted by code and listed; good ones around them are kept", async (t) => {
  const folder = temporaryFolder(t);
  const good = makeJpeg(firstKind);
  const cls = (key: string) => [`${key}.cls`, "0"] as const;
  const source = await writeTar(path.join(folder, "mixed.tar"), [
    ["a.jpg", good],
    cls("a"),
    ["page.jpg", "<html>"],
    cls("page"),
    ["cmyk.jpg", makeJpeg(cmykKind)],
    cls("cmyk"),
    ["rgb.jpg", makeJpeg(rgbKind)],
    cls("rgb"),
    ["huge.jpg", makeJpeg({ name: "h", width: 300, height: 200, channels: 1 })],
    cls("huge"),
    ["cut.jpg", good.slice(0, good.length - 300)],
    cls("cut"),
    ["nolabel.jpg", good],
    ["badlabel.jpg", good],
    ["badlabel.cls", "cat"],
    ["orphan.cls", "1"],
    ["z.jpg", good],
    cls("z"),
  ]);
  const out = path.join(folder, "out");
  const report = await preprocess({ sources: [source], out, maxPixels: 50_000 });
  assert.deepEqual([report.samples, report.failed, report.converted], [5, 5, 2]);
  assert.deepEqual(report.errors, {
    NOT_A_JPEG: 1,
    TOO_MANY_PIXELS: 1,
    MISSING_LABEL: 1,
    BAD_LABEL: 1,
    MISSING_IMAGE: 1,
  });
  const lines = readFileSync(path.join(out, "errors.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { key: string; code: string; source: string });
  assert.deepEqual(
    lines.map(({ key }) => key),
    ["page", "huge", "nolabel", "badlabel", "orphan"],
  );
  assert.ok(lines.every((line) => line.source === source));
  assert.deepEqual((await verify(report.manifest)).corrupt, []);
});

test("the policies: stop at the first failure, or after so many", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ...sampleEntries(3),
    ["x.jpg", "no"],
    ["x.cls", "0"],
    ["y.jpg", "no"],
    ["y.cls", "0"],
  ]);
  const run = (options: object) =>
    preprocess({ sources: [source], out: path.join(folder, "out"), overwrite: true, ...options });
  await rejectsWith("NOT_A_JPEG", () => run({ onBadSample: "fail" }), /x/);
  await rejectsWith("TOO_MANY_ERRORS", () => run({ maxErrors: 1 }), /2 samples failed/);
  assert.equal((await run({ maxErrors: 2 })).failed, 2);
});

test("the output's bytes do not depend on the number of workers, and shards roll over by size", async (t) => {
  const folder = temporaryFolder(t);
  const [one, three] = [path.join(folder, "one"), path.join(folder, "three")];
  for (const [place, workers] of [
    [one, 1],
    [three, 3],
  ] as const) {
    mkdirSync(place);
    const { report } = await makeDataset(place, 300, { workers, maxShardBytes: 200_000 });
    assert.ok(report.shards > 2, `${report.shards} shards`);
  }
  const [a, b] = [await hashes(path.join(one, "shards")), await hashes(path.join(three, "shards"))];
  const shards = Object.keys(a).filter((name) => name.startsWith("shard-"));
  assert.ok(shards.length > 4);
  for (const name of shards) assert.equal(a[name], b[name], name);
});

test("class folders: labels in name order, keys with their folder; an empty folder is not a class, and said to be none", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["dog", "cat", "empty"]) mkdirSync(path.join(folder, "root", name), { recursive: true });
  writeFileSync(path.join(folder, "root", "cat", "1.JPG"), makeJpeg(firstKind));
  writeFileSync(path.join(folder, "root", "dog", "2.jpeg"), makeJpeg(firstKind, 2));
  writeFileSync(path.join(folder, "root", "dog", "notes.txt"), "");
  const report = await preprocess({ sources: [path.join(folder, "root")], out: path.join(folder, "out") });
  const manifest = await readManifest(report.manifest);
  assert.equal(report.samples, 2);
  assert.deepEqual(report.ignored, { "empty folder": 1, "not an image": 1 });
  assert.deepEqual(
    manifest.classes.map(({ index, name }) => [index, name]),
    [
      [0, "cat"],
      [1, "dog"],
    ],
  );
});

test("a truncated tar ends the run, and nothing half-written is left", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(40));
  truncateSync(source, 60_000);
  const out = path.join(folder, "out");
  await rejectsWith("TRUNCATED_TAR", () => preprocess({ sources: [source], out }), /s\.tar/);
  assert.deepEqual(await namesIn(out), ["job.json"]);
});

test("inputs without samples say why", async (t) => {
  const folder = temporaryFolder(t);
  const run = async (name: string, entries: Parameters<typeof writeTar>[1]) =>
    preprocess({ sources: [await writeTar(path.join(folder, name), entries)], out: path.join(folder, "out") });
  await rejectsWith("EMPTY_TAR", () => run("empty.tar", []), /empty\.tar/);
  await rejectsWith("EMPTY_TAR", () => run("other.tar", [["readme.txt", "hello"]]));
  await rejectsWith(
    "NO_LABELS",
    () =>
      run("bare.tar", [
        ["a.jpg", makeJpeg(firstKind)],
        ["b.jpg", makeJpeg(firstKind)],
      ]),
    /none of 2 images.*\.cls/,
  );
  await rejectsWith(
    "NO_SAMPLES",
    () =>
      run("bad.tar", [
        ["a.jpg", "x"],
        ["a.cls", "1"],
      ]),
    /NOT_A_JPEG/,
  );
  await rejectsWith("NO_SOURCES", () =>
    preprocess({ sources: [path.join(folder, "none-*.tar")], out: path.join(folder, "out") }),
  );
  mkdirSync(path.join(folder, "hollow"));
  await rejectsWith(
    "NO_SOURCES",
    () => preprocess({ sources: [path.join(folder, "hollow")], out: path.join(folder, "out") }),
    /neither/,
  );
  writeFileSync(path.join(folder, "zero.tar"), "");
  await rejectsWith("EMPTY_TAR", () =>
    preprocess({ sources: [path.join(folder, "zero.tar")], out: path.join(folder, "out") }),
  );
  assert.deepEqual(await namesIn(path.join(folder, "out")), [], "the failed runs left nothing behind");
});

test("an output that holds another data set is refused with the difference; the same one is already done", async (t) => {
  const folder = temporaryFolder(t);
  const { report } = await makeDataset(folder, 10);
  const source = path.join(folder, "source.tar");
  const out = path.join(folder, "shards");
  const before = await hashes(out);
  const again = await preprocess({ sources: [source], out });
  assert.equal(again.alreadyDone, true);
  assert.equal(again.samples, report.samples);
  await rejectsWith(
    "OUTPUT_HOLDS_ANOTHER_DATASET",
    () => preprocess({ sources: [source], out, codec: "none" }),
    /codec "zstd", now "none"/,
  );
  utimesSync(source, new Date(0), new Date(0));
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_DATASET", () => preprocess({ sources: [source], out }), /source\.tar/);
  assert.deepEqual(await hashes(out), before, "refusing changed nothing");
  rmSync(path.join(out, "job.json"));
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_DATASET", () => preprocess({ sources: [source], out }), /no job\.json/);
  assert.equal((await preprocess({ sources: [source], out, overwrite: true, codec: "none" })).samples, 10);
});

test("an output that cannot be written is reported as that", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(2));
  writeFileSync(path.join(folder, "file"), "");
  await rejectsWith("OUTPUT_NOT_WRITABLE", () => preprocess({ sources: [source], out: path.join(folder, "file") }));
  await rejectsWith("OUTPUT_NOT_WRITABLE", () =>
    preprocess({ sources: [source], out: path.join(folder, "file", "below") }),
  );
});

test("an interrupted run goes on at the source it was in, to the same bytes", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await Promise.all(
    [0, 1, 2].map((i) => writeTar(path.join(folder, `part-${i}.tar`), sampleEntries(60, `p${i}-`))),
  );
  const whole = path.join(folder, "whole");
  await preprocess({ sources, out: whole });
  const out = path.join(folder, "out");
  const controller = new AbortController();
  const stop = new Error("stopped");
  const interrupted = preprocess({
    sources,
    out,
    signal: controller.signal,
    onProgress: ({ samples }) => samples > 80 && controller.abort(stop),
  });
  await assert.rejects(interrupted, stop);
  assert.deepEqual((await namesIn(out)).sort(), ["job.json", "shard-00000-00000.arrow", "shard-00000-00000.json"]);
  const report = await preprocess({ sources, out });
  assert.equal(report.samples, 180);
  assert.deepEqual(await hashes(out), await hashes(whole));
});

test("options are checked by name", async () => {
  const run = (options: object) => preprocess({ sources: ["x"], out: "y", ...options });
  await rejectsWith("INVALID_OPTION", () => run({ workers: 0 }), /workers must be an integer from 1 to 1024, found 0/);
  await rejectsWith("INVALID_OPTION", () => run({ codec: "gzip" }), /codec/);
});
