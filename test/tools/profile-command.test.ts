import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { dctstream, lastJson } from "../support/command-line.js";
import { makeDataset } from "../support/dataset.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { profileOf } from "../support/profiles.js";

test("profile read: where nothing is in the way, the view threads are what holds it up", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 120, { codec: "zstd" });
  const args = [
    "profile",
    "read",
    manifest,
    "--view",
    "rgb",
    "--augment",
    "train",
    "--workers",
    "1",
    "--seconds",
    "1",
    "--batch-size",
    "16",
  ];
  const profile = profileOf(await dctstream([...args, "--json"]));
  assert.equal(profile.bottleneck, "views");
  assert.match(
    profile.verdict,
    /^views bound: [\d,.]+ images\/s; the view threads are (saturated|the busiest) \(1 of 1 busy \d+ %\), collate is idle \d+ %/,
  );
  assert.ok(profile.imagesPerSecond > 0 && profile.seconds >= 1);
  const [views] = profile.stages;
  assert.ok((views?.imagesPerSecondAlone as number) >= profile.imagesPerSecond);
  const { imagesPerSecond: limit = 0, reached = 0, what } = views?.limit ?? {};
  assert.equal(what, "copying finished views in memory");
  assert.ok(Math.abs((limit * reached) / profile.imagesPerSecond - 1) < 1e-9, "a share of its limit is reached");
  assert.ok((profile.limits.memoryCopyBytesPerSecond as number) > 0);
  const text = await dctstream(args);
  assert.match(text.stdout, /^views bound: .*\n\nstage .*\nviews .*\ncollate /);
});

test("profile train: a network that computes for long is device bound", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 60, { codec: "none" });
  const shape = ["--network", "resnet50-rgb", "--width", "0.25", "--input-size", "96", "--batch-size", "16"];
  const profile = profileOf(await dctstream(["profile", "train", manifest, ...shape, "--seconds", "2", "--json"]));
  assert.deepEqual(
    [profile.bottleneck, profile.stages.map(({ name }) => name)],
    ["step", ["views", "collate", "step"]],
  );
  assert.match(
    profile.verdict,
    /^device bound: [\d.]+ images\/s, steps wait \d+ % of the time for data; .*would win \d+ % at most$/,
  );
  assert.ok((profile.limits.stepMs as number) > 0);
  const missing = await dctstream(["profile", "train", manifest]);
  assert.deepEqual([missing.status, /--network is missing/.test(missing.stderr)], [2, true]);
});

test("profile network: the median step of either phase", async () => {
  const shape = [
    "--width",
    "0.125",
    "--input-size",
    "32",
    "--batch-size",
    "4",
    "--classes",
    "10",
    "--seconds",
    "0.3",
    "--json",
  ];
  for (const phase of ["train", "inference"]) {
    const outcome = await dctstream(["profile", "network", "late-concat-rfa-thinner", "--phase", phase, ...shape]);
    assert.equal(outcome.status, 0, outcome.stderr);
    const found = lastJson(outcome) as Record<string, number>;
    const { stepMs = 0, stepMsP10 = 0, stepMsP90 = 0, imagesPerSecond = 0, steps = 0 } = found;
    assert.ok(stepMsP10 <= stepMs && stepMs <= stepMsP90 && stepMs > 0 && steps >= 1);
    assert.ok(Math.abs(imagesPerSecond - 4000 / stepMs) < 1e-6);
    assert.ok((found.gmacsPerSecond as number) > 0);
  }
  const wrong = await dctstream(["profile", "network", "late-concat", "--seconds", "0"]);
  assert.deepEqual([wrong.status, /--seconds must be a number > 0/.test(wrong.stderr)], [2, true]);
});

test("profile network: of a checkpoint, which decides what it is; and a mistyped id is told from a folder", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 16, { codec: "none" });
  const shape = ["--network", "late-concat", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];
  const trained = await dctstream(["train", manifest, ...shape, "--epochs", "1", "--out", `${folder}/run`]);
  assert.equal(trained.status, 0, trained.stderr);
  const args = ["--phase", "inference", "--batch-size", "4", "--seconds", "0.2", "--json"];
  const outcome = await dctstream(["profile", "network", `${folder}/run`, ...args]);
  assert.equal(outcome.status, 0, outcome.stderr);
  const { network, limits } = lastJson(outcome) as { network: string; limits: Record<string, number> };
  assert.equal(network, "late-concat");
  assert.ok((limits.matrixProductGmacsPerSecond as number) > 0);
  const mistyped = await dctstream(["profile", "network", "late-conct"]);
  assert.deepEqual([mistyped.status, /late-concat/.test(mistyped.stderr)], [2, true], mistyped.stderr);
  const missing = await dctstream(["profile", "network", `${folder}/nothing`]);
  assert.deepEqual([missing.status, /NOT_FOUND/.test(missing.stderr)], [1, true], missing.stderr);
});

test("profile compare: pixels from JPEG, pixels from coefficients, DCT, and DCT from a tar with its index", async (t) => {
  const { manifest } = await makeDataset(temporaryFolder(t), 60, { codec: "zstd" });
  const shape = ["--width", "0.125", "--input-size", "32", "--batch-size", "8", "--seconds", "0.3"];
  const outcome = await dctstream(["profile", "compare", manifest, ...shape, "--json"]);
  assert.equal(outcome.status, 0, outcome.stderr);
  const { ways } = lastJson(outcome) as { ways: Record<string, number>[] };
  assert.deepEqual(
    ways.map(({ name, network, bytesFed }) => [name, network, bytesFed]),
    [
      ["pixels from JPEG", "resnet50-rgb", 4 * 3 * 32 * 32],
      ["pixels from coefficients", "resnet50-rgb", 4 * 3 * 32 * 32],
      ["DCT", "late-concat-rfa-thinner", 4 * 64 * (4 * 4 + 2 * 2 * 2)],
      ["DCT from tar + index", "late-concat-rfa-thinner", 4 * 64 * (4 * 4 + 2 * 2 * 2)],
    ],
  );
  for (const way of ways)
    for (const [name, value] of Object.entries(way))
      if (typeof value === "number") assert.ok(value > 0 || (name === "viewMs" && value === 0), `${name} is ${value}`);
  const wrong = await dctstream(["profile", "compare", manifest, "--network", "resnet50-rgb"]);
  assert.deepEqual([wrong.status, /--network must be a network that takes dct/.test(wrong.stderr)], [2, true]);
});

test("profile: what it is asked for must be known", async (t) => {
  const nothing = await dctstream(["profile"]);
  assert.deepEqual([nothing.status, /name what to profile: preprocess, read, network/.test(nothing.stderr)], [2, true]);
  const unknown = await dctstream(["profile", "reed", "shards"]);
  assert.equal(unknown.status, 2, unknown.stderr);
  const folder = temporaryFolder(t);
  const tar = await writeTar(path.join(folder, "empty.tar"), []);
  const imageless = await dctstream(["profile", "preprocess", tar, "--seconds", "0.2"]);
  assert.deepEqual([imageless.status, /NO_SAMPLES|NO_LABELS/.test(imageless.stderr)], [1, true], imageless.stderr);
  const empty = await dctstream(["profile", "storage", "/nowhere"]);
  assert.deepEqual([empty.status, /NOT_FOUND: nothing to read there/.test(empty.stderr)], [1, true], empty.stderr);
});
