import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { type Prediction, type PredictOptions, predict } from "../../src/train/predict.js";
import { train } from "../../src/train/run/trainer.js";
import { loadCheckpoint } from "../../src/train/saved/checkpoint.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { cmykKind, makeJpeg } from "../support/jpegs.js";
import { quickRun, twoClasses, twoClassImage } from "../support/two-classes.js";

/** Trained once for all tests that only read it. */
const setUps = new Map<string, ReturnType<typeof setUpIn>>();
const root = temporaryFolder({ after });

function setUp(network = "late-concat-rfa-thinner") {
  const made = setUps.get(network) ?? setUpIn(path.join(root, network), network);
  setUps.set(network, made);
  return made;
}

async function setUpIn(folder: string, network: string) {
  mkdirSync(folder);
  const [manifest, val] = [await twoClasses(folder, 48, "train"), await twoClasses(folder, 20, "val")];
  const checkpoint = path.join(folder, "run");
  await train({ manifest, network, out: checkpoint, ...quickRun, maxSteps: 30 });
  const pictures = path.join(folder, "pictures", "below");
  mkdirSync(pictures, { recursive: true });
  for (let i = 0; i < 20; i++)
    writeFileSync(path.join(pictures, `val${String(i).padStart(2, "0")}.jpg`), twoClassImage("val", i));
  return { folder, val, checkpoint, pictures, tar: path.join(folder, "val.tar") };
}

async function all(checkpoint: string, options: PredictOptions): Promise<Prediction[]> {
  const engine = await openEngine();
  const { logits, classNames, ...input } = await loadCheckpoint(engine.tf, checkpoint);
  const found: Prediction[] = [];
  for await (const batch of predict(engine, logits, input, { classNames, ...options })) found.push(...batch);
  return found;
}

/**
 * The same classes in the same order, as likely but for the rounding of sums, whose order depends on a batch's size.
 */
function assertSame(found: readonly Prediction[], expected: readonly Prediction[], message?: string): void {
  const classes = (predictions: readonly Prediction[]) =>
    predictions.map(({ top }) => top?.map((guess) => guess.class));
  assert.deepEqual(classes(found), classes(expected), message);
  for (const [i, { top = [] }] of found.entries())
    for (const [rank, { probability }] of top.entries()) {
      const other = expected[i]?.top?.[rank]?.probability as number;
      assert.ok(Math.abs(probability - other) < 1e-4, `${message}: ${probability}, expected ${other}`);
    }
}

before(() => openEngine());

test("files, folders, tars and data sets of the same pictures get the same predictions, in order", async () => {
  for (const network of ["late-concat-rfa-thinner", "resnet50-rgb"]) {
    const { folder, val, checkpoint, pictures, tar } = await setUp(network);
    const fromTar = await all(checkpoint, { inputs: [tar], batchSize: 7 });
    assert.equal(fromTar.length, 20);
    assert.deepEqual(
      fromTar.map(({ image }) => image.split("#")[1]),
      Array.from({ length: 20 }, (_, i) => `val${i}.jpg`),
    );
    const right = fromTar.filter(({ top }, i) => top?.[0]?.class === i % 2).length;
    assert.ok(right >= 16, `${right} of 20 are right`);
    assert.deepEqual(fromTar[0]?.top?.map(({ name }) => name).sort(), ["amber", "blue"]);
    const others = [[val], [path.dirname(val)], [path.join(folder, "pictures")], [path.join(pictures, "*.jpg")]];
    for (const inputs of others)
      assertSame(await all(checkpoint, { inputs, batchSize: 16, workers: 1 }), fromTar, inputs[0]);
    const mixed = await all(checkpoint, {
      inputs: [path.join(pictures, "val03.jpg"), val, path.join(pictures, "val05.jpg")],
      top: 1,
    });
    assert.equal(mixed.length, 22);
    assert.match(mixed[0]?.image ?? "", /val03\.jpg$/);
    assert.match(mixed[1]?.image ?? "", /manifest\.json#val0$/);
    assert.match(mixed[21]?.image ?? "", /val05\.jpg$/);
  }
});

test("what cannot be read is an error in its place; other formats and colours are converted", async (t) => {
  const { checkpoint, pictures, folder } = await setUp();
  const broken = temporaryFolder(t);
  const write = (name: string, bytes: Uint8Array | string) => {
    const file = path.join(broken, name);
    writeFileSync(file, bytes);
    return file;
  };
  const good = path.join(pictures, "val00.jpg");
  const inputs = [
    write("text.jpg", "no picture"),
    good,
    write("empty.jpg", ""),
    write("cmyk.jpg", makeJpeg(cmykKind, 1)),
    path.join(folder, "missing.jpg"),
    path.join(folder, "missing.tar"),
    write("half.tar", "x".repeat(700)),
    good,
  ];
  const found = await all(checkpoint, { inputs, literal: true, batchSize: 3 });
  assert.deepEqual(
    found.map(({ error }) => error?.code ?? "fine"),
    ["NOT_A_JPEG", "fine", "NOT_A_JPEG", "fine", "NOT_FOUND", "NOT_FOUND", "BAD_TAR", "fine"],
  );
  assertSame(found.slice(1, 2), found.slice(7), "whatever else is in its batch");
  const large = await all(checkpoint, { inputs: [good], maxImageBytes: 100 });
  assert.equal(large[0]?.error?.code, "ENTRY_TOO_LARGE");
  const named = [
    path.join(folder, "missing.jpg"),
    good,
    path.join(folder, "none", "*.jpg"),
    `${good}\0`,
    "missing.json",
  ];
  assert.deepEqual(
    (await all(checkpoint, { inputs: named })).map(({ error }) => error?.code ?? "fine"),
    ["NOT_FOUND", "fine", "NO_SOURCES", "UNSUPPORTED_URL", "NOT_FOUND"],
  );
});

test("predict on the command line: lines on stdout, a list on stdin, exit status by policy", async (t) => {
  const { checkpoint, pictures, folder } = await setUp();
  const named = await dctstream(["predict", checkpoint, path.join(pictures, "val0{1..3}.jpg"), "--top", "1"]);
  const lines = named.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Prediction);
  assert.deepEqual(
    lines.map(({ image, top }) => [path.basename(image), top?.length]),
    [
      ["val01.jpg", 1],
      ["val02.jpg", 1],
      ["val03.jpg", 1],
    ],
  );
  assert.match(named.stderr, /3 images, 0 failed/);
  const listed = await new Promise<{ stdout: string; status: number | null }>((resolve) => {
    const child = spawn(process.execPath, [
      path.join(projectRoot, "dist", "tools", "dctstream.js"),
      "predict",
      checkpoint,
      "-",
      "--json",
    ]);
    let stdout = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.on("close", (status) => resolve({ stdout, status }));
    child.stdin.end(`${path.join(pictures, "val01.jpg")}\n\n${path.join(folder, "missing.jpg")}\n`);
  });
  assert.equal(listed.status, 0);
  const counted = lastJson({ ...listed, stderr: "" });
  assert.deepEqual([counted.images, counted.failed], [2, 1]);
  const strict = await dctstream([
    "predict",
    checkpoint,
    path.join(folder, "val.tar"),
    path.join(pictures, "*.jpg"),
    "--on-error",
    "fail",
  ]);
  assert.equal(strict.status, 0);
  const bad = path.join(temporaryFolder(t), "bad.jpg");
  writeFileSync(bad, "no picture");
  const failed = await dctstream(["predict", checkpoint, path.join(pictures, "*.jpg"), bad, "--on-error", "fail"]);
  assert.equal(failed.status, 1);
  const missing = path.join(folder, "missing.jpg");
  const some = await dctstream(["predict", checkpoint, missing, path.join(pictures, "val01.jpg"), "--json"]);
  assert.equal(some.status, 0, some.stderr);
  assert.deepEqual([lastJson(some).images, lastJson(some).failed], [2, 1]);
  assert.match(some.stdout, /missing\.jpg.*NOT_FOUND/);
  assert.equal((await dctstream(["predict", checkpoint, missing])).status, 1, "not one could be read");
});

test("a network whose weights are not finite is an error, and no score", async (t) => {
  const { checkpoint: sound, val, tar } = await setUp();
  const checkpoint = path.join(temporaryFolder(t), "run");
  cpSync(sound, checkpoint, { recursive: true });
  const weights = path.join(checkpoint, "weights.bin");
  writeFileSync(weights, new Uint8Array(statSync(weights).size).fill(0xff)); // NaN, every one of them
  for (const args of [
    ["evaluate", checkpoint, val],
    ["predict", checkpoint, tar],
  ]) {
    const { status, stderr, stdout } = await dctstream(args);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /NUMERIC_OVERFLOW: what the network says is not finite/);
    assert.equal(stdout, "");
  }
});
