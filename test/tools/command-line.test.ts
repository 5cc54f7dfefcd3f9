import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { PNG } from "pngjs";
import { parseBytes } from "../../src/options/kinds.js";
import { commands } from "../../tools/commands/index.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { sampleEntries } from "../support/dataset.js";
import { namesIn, projectRoot, temporaryFolder, writeTar } from "../support/files.js";

test("preprocess, verify, inspect and export by hand: results on stdout, JSON last, exit 0", async (t) => {
  const folder = temporaryFolder(t);
  await writeTar(path.join(folder, "part-000.tar"), sampleEntries(20, "a"));
  await writeTar(path.join(folder, "part-001.tar"), sampleEntries(20, "b"));
  const out = path.join(folder, "out");
  const made = await dctstream([
    "preprocess",
    path.join(folder, "part-{000..001}.tar"),
    "--out",
    out,
    "--json",
    "--shard-bytes",
    "64MiB",
  ]);
  assert.equal(made.status, 0, made.stderr);
  const report = lastJson(made);
  for (const field of [
    "samples",
    "failed",
    "errors",
    "shards",
    "inputBytes",
    "outputBytes",
    "seconds",
    "imagesPerSecond",
    "manifest",
  ])
    assert.ok(field in report, field);
  assert.deepEqual([report.samples, report.failed, report.shards], [40, 0, 2]);
  const verified = await dctstream(["verify", out, "--json"]);
  assert.deepEqual([verified.status, lastJson(verified)], [0, { samples: 40, shards: 2, corrupt: [] }]);
  const png = path.join(folder, "sample.png");
  const rendered = await dctstream(["inspect", out, "--key", "b0003", "--png", png]);
  assert.match(rendered.stdout, /b0003: label 1, 100 x 71, 4:2:0/);
  const { width, height, data } = PNG.sync.read(readFileSync(png));
  assert.deepEqual([width, height], [100, 71]);
  assert.ok(new Set(data).size > 100, "a picture, not a flat colour");
  assert.match((await dctstream(["inspect", out])).stdout, /40 samples of 2 classes/);
  const exported = await dctstream(["export", out, "--out", path.join(folder, "files"), "--json"]);
  assert.deepEqual([lastJson(exported).exported, lastJson(exported).byteExact], [40, 40]);
  assert.equal((await namesIn(path.join(folder, "files"))).length, 40);
});

test("verify names what is damaged and exits 1", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(6));
  const out = path.join(folder, "out");
  await dctstream(["preprocess", source, "--out", out]);
  const shard = path.join(out, "shard-00000-00000.arrow");
  const bytes = readFileSync(shard);
  const middle = Math.floor(statSync(shard).size / 2);
  bytes[middle] = (bytes[middle] as number) ^ 0xff;
  writeFileSync(shard, bytes);
  const { status, stdout } = await dctstream(["verify", out]);
  assert.equal(status, 1);
  assert.match(stdout, /CHECKSUM_MISMATCH.*shard-00000-00000\.arrow/);
});

test("wrong usage exits 2 and says what was meant", async () => {
  const wrong = async (args: readonly string[], message: RegExp) => {
    const { status, stderr, stdout } = await dctstream(args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  };
  await wrong([], /name a command:\n +preprocess +Read images.*\n( .*\n)+Run with --help/);
  await wrong(["profile", "raed", "x"], /unknown command profile raed; did you mean profile read/);
  await wrong(["verfy", "x"], /unknown command verfy; did you mean verify/);
  await wrong(
    ["preprocess", "x", "--out", "y", "--compresion", "none"],
    /unknown option --compresion; did you mean --compression/,
  );
  await wrong(["preprocess", "x"], /--out is missing/);
  await wrong(["preprocess", "--out", "y"], /<sources> is missing/);
  await wrong(["export", "x"], /--out is missing/);
  await wrong(["profile", "train", "x"], /--network is missing/);
  await wrong(["verify", "x", "y"], /unexpected argument y/);
  await wrong(["train", "--network", "resnet50-rgb", "--out", "y"], /<manifest> is missing/);
  await wrong(
    ["train", "x", "--network", "resnet50-rgb", "--out", "y", "--lr", "abc"],
    /--lr must be a number > 0, found "abc"/,
  );
  await wrong(["train", "x", "--network", "resnet50-rgb", "--out", "y", "--lr", "-1"], /--lr must be .*found -1/);
  await wrong(["train", "x", "--network", "resnet50-rgb", "--out", "y", "--lr"], /--lr needs a value: a number > 0/);
  await wrong(["preprocess", "x", "--out", "y", "--compression", "gzip"], /gzip/);
  await wrong(
    ["preprocess", "x", "--out", "y", "--shard-bytes", "12 parsecs"],
    /shard-bytes must be a size such as 64MiB/,
  );
  await wrong(["train", "x", "--network", "resnet50-rbg", "--out", "y"], /did you mean resnet50-rgb/);
});

test("failures exit 1 with the code; with --json the error is an object on stdout", async (t) => {
  const folder = temporaryFolder(t);
  const failed = await dctstream([
    "preprocess",
    path.join(folder, "none.tar"),
    "--out",
    path.join(folder, "out"),
    "--json",
  ]);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /NO_SOURCES: no file matches/);
  assert.equal((lastJson(failed).error as { code: string }).code, "NO_SOURCES");
});

test("help lists every command and its options", async () => {
  const help = await dctstream(["--help"]);
  assert.equal(help.status, 0);
  for (const { usage } of commands) assert.ok(help.stdout.includes(`dctstream ${usage}`), usage);
  assert.match((await dctstream(["train", "--help"])).stdout, /--input-size/);
  assert.match((await dctstream(["--help", "train"])).stdout, /--input-size/);
});

test("a configuration file gives options, the command line wins, unknown keys are errors", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(4));
  const config = path.join(folder, "run.yaml");
  writeFileSync(config, `out: ${path.join(folder, "out")}\ncompression: none\n`);
  assert.equal((await dctstream(["preprocess", source, "--config", config])).status, 0);
  assert.match((await dctstream(["inspect", path.join(folder, "out")])).stdout, /compression none/);
  writeFileSync(config, `out: ${path.join(folder, "out2")}\ncompresion: none\n`);
  const wrong = await dctstream(["preprocess", source, "--config", config]);
  assert.deepEqual(
    [wrong.status, /unknown key compresion; did you mean compression\? \(.*run\.yaml\)/.test(wrong.stderr)],
    [2, true],
    wrong.stderr,
  );
  writeFileSync(config, "frequencies:\n  y: [0]\n");
  const partial = await dctstream(["networks", "--config", config]);
  assert.deepEqual([partial.status, /--frequencies must be 24, 48, 64 or lists/.test(partial.stderr)], [2, true]);
  const missing = await dctstream(["preprocess", source, "--config", path.join(folder, "none.yaml")]);
  assert.equal(missing.status, 2);
});

test("without TensorFlow the commands that need it say how to get it, and the others work", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(4));
  const hook = path.join(folder, "no-tensorflow.cjs");
  writeFileSync(
    hook,
    `const m = require("node:module"), load = m._load;\nm._load = (name, ...rest) => { if (name.includes("tfjs-node")) throw new Error("libtensorflow.so.2: cannot open shared object file"); return load(name, ...rest); };\n`,
  );
  const env = { NODE_OPTIONS: `--require ${hook}` };
  const out = path.join(folder, "out");
  assert.equal((await dctstream(["preprocess", source, "--out", out], { env })).status, 0);
  assert.equal((await dctstream(["verify", out], { env })).status, 0);
  const train = await dctstream(
    ["train", out, "--network", "resnet50-rgb", "--out", path.join(folder, "run"), "--batch-size", "2"],
    { env },
  );
  assert.equal(train.status, 1);
  assert.match(train.stderr, /TENSORFLOW_MISSING: cannot load TensorFlow: libtensorflow.*node tools\/setup\.mjs/);
});

test("an addon that is not built is an error with its cure", async (t) => {
  const hook = path.join(temporaryFolder(t), "no-addon.cjs");
  writeFileSync(
    hook,
    `const m = require("node:module"), load = m._load;\nm._load = (name, ...rest) => { if (name.endsWith("dctstream.node")) throw new Error("no such file"); return load(name, ...rest); };\n`,
  );
  const { status, stderr } = await dctstream(["verify", "x"], { env: { NODE_OPTIONS: `--require ${hook}` } });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^dctstream: ADDON_MISSING: cannot load .*no such file; .*running under Node v[\d.]+ for .*; build it with: node tools\/setup\.mjs\n$/,
  );
});

test("Ctrl-C exits 130 and says how to resume", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(16));
  const out = path.join(folder, "out");
  assert.equal((await dctstream(["preprocess", source, "--out", out])).status, 0);
  const args = [
    "train",
    out,
    "--network",
    "resnet50-rgb",
    "--out",
    path.join(folder, "run"),
    "--epochs",
    "100000",
    "--batch-size",
    "4",
    "--width",
    "0.125",
    "--input-size",
    "32",
  ];
  const { status, stderr } = await dctstream(args, { interruptOn: /step 2\// });
  assert.equal(status, 130, stderr);
  assert.match(stderr, /interrupted by SIGINT/);
});

test("sizes are read in decimal and binary units", async () => {
  assert.deepEqual(["64MiB", "1.5 GB", "1000", "2KiB"].map(parseBytes), [64 << 20, 1.5e9, 1000, 2048]);
  assert.deepEqual(["-1MB", "MB", "1 parsec", "1e3"].map(parseBytes), [undefined, undefined, undefined, undefined]);
});

test("all sources of a command line are read, and an option given twice is refused", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await Promise.all(
    ["a", "b", "c"].map((name) => writeTar(path.join(folder, `${name}.tar`), sampleEntries(4, name))),
  );
  const out = path.join(folder, "out");
  const made = await dctstream(["preprocess", ...sources, "--out", out, "--json"]);
  assert.equal(lastJson(made).samples, 12, made.stderr);
  const twice = await dctstream(["preprocess", ...sources, "--out", out, "--workers", "1", "--workers", "2"]);
  assert.equal(twice.status, 2);
  assert.match(twice.stderr, /--workers is given more than once/);
});

test("the options of the resized form, of failures and of labels reach the library", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ...sampleEntries(6).filter(([name]) => name.endsWith(".jpg")),
    ["bad.jpg", "no image"],
  ]);
  const labels = path.join(folder, "labels.csv");
  const names = [0, 1, 2, 3, 4, 5].map((i) => `s000${i}`);
  writeFileSync(labels, `${[...names, "bad"].map((name, i) => `${name},${i % 2 === 0 ? "cat" : "dog"}`).join("\n")}\n`);
  writeFileSync(path.join(folder, "classes.txt"), "cat\ndog\n");
  const out = path.join(folder, "out");
  const quarantine = path.join(folder, "q.tar");
  const made = await dctstream([
    ...[
      "preprocess",
      source,
      "--out",
      out,
      "--json",
      "--labels",
      labels,
      "--classes",
      path.join(folder, "classes.txt"),
    ],
    ...["--resize", "32", "--crop", "24", "--quality", "90", "--sampling", "4:4:4", "--quarantine", quarantine],
  ]);
  assert.equal(made.status, 0, made.stderr);
  const { samples, errors, converted } = lastJson(made);
  assert.deepEqual([samples, errors, converted], [6, { NOT_A_JPEG: 1 }, 0]);
  assert.ok(statSync(quarantine).size > 0);
  const files = path.join(folder, "files");
  const exported = lastJson(await dctstream(["export", out, "--out", files, "--json"]));
  assert.deepEqual([exported.exported, exported.byteExact], [6, 0], "resized files are no originals");
  const limited = await dctstream([
    "preprocess",
    source,
    "--out",
    `${out}2`,
    "--labels",
    labels,
    "--classes",
    path.join(folder, "classes.txt"),
    "--max-errors",
    "1%",
  ]);
  assert.equal(limited.status, 1);
  assert.match(limited.stderr, /TOO_MANY_ERRORS/);
  const alone = await dctstream(["preprocess", source, "--out", out, "--crop", "24"]);
  assert.match(alone.stderr, /--resize is missing: --crop needs it/);
});

test("a reader that leaves early is no error", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(3));
  const child = spawn(
    process.execPath,
    [path.join(projectRoot, "dist", "tools", "dctstream.js"), "preprocess", source, "--out", path.join(folder, "out")],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  assert.deepEqual([status, stderr], [0, ""]);
});
