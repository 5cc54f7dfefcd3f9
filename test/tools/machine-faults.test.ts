import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { ErrorCode } from "../../src/error-codes.js";
import { train } from "../../src/train/run/trainer.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { projectRoot, temporaryFolder, writeTar } from "../support/files.js";
import { quickRun, twoClasses, twoClassImage } from "../support/two-classes.js";

const program = path.join(projectRoot, "dist", "tools", "dctstream.js");

interface Faulty {
  /** Run by the shell first, as in "ulimit -n 40". */
  readonly limits?: string;
  /** Loaded by every thread. */
  readonly hook?: string;
  readonly stdout?: number;
  readonly stderr?: number;
  readonly act?: (child: { kill(signal: NodeJS.Signals): boolean }, stderr: string) => void;
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longer than anything here takes on any machine: a command that hangs fails by name. */
const patienceMs = 300_000;

function run(args: readonly string[], faulty: Faulty = {}): Promise<Ended> {
  const { limits = "true", hook, stdout = "pipe", stderr = "pipe", act } = faulty;
  const env = { ...process.env, ...(hook === undefined ? {} : { NODE_OPTIONS: `--require ${hook}` }) };
  const shell = ["-c", `${limits} && exec "$0" "$@"`, process.execPath, program, ...args];
  return new Promise((resolve, reject) => {
    const child = spawn("sh", shell, { stdio: ["ignore", stdout, stderr], env });
    const said = { stdout: "", stderr: "" };
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${args.join(" ")} does not end; it said ${said.stderr}`));
    }, patienceMs);
    child.stdout?.on("data", (chunk) => {
      said.stdout += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      said.stderr += chunk;
      act?.(child, said.stderr);
    });
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, ...said });
    });
  });
}

/** A command that fails as it should: exit status 1, one line on stderr that begins with the code, and no stack. */
async function failsWith(code: ErrorCode | RegExp, args: readonly string[], faulty: Faulty = {}): Promise<Ended> {
  const ended = await run(args, faulty);
  const said = `${args.join(" ")}: ${ended.status} ${ended.stderr}`;
  assert.equal(ended.status, 1, said);
  const found = /^dctstream: ([A-Z_]+): /m.exec(ended.stderr)?.[1] ?? "";
  assert.match(found, code instanceof RegExp ? code : new RegExp(`^${code}$`), said);
  assert.doesNotMatch(ended.stderr, /\n {4}at /, said);
  return ended;
}

const filesBelow = (folder: string): string[] =>
  existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]).sort() : [];

const halfWritten = (folder: string) => filesBelow(folder).filter((name) => name.endsWith(".tmp"));

test("an output that cannot be made is an error that says so, and nothing is left", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 6);
  const source = path.join(folder, "source.tar");
  const file = path.join(folder, "file");
  writeFileSync(file, "mine");
  const taken = path.join(folder, "taken.tar");
  mkdirSync(taken);
  await failsWith("OUTPUT_NOT_WRITABLE", ["preprocess", source, "--out", path.join(file, "below", "it")]);
  await failsWith("OUTPUT_NOT_WRITABLE", ["preprocess", source, "--out", file]);
  await failsWith("OUTPUT_NOT_WRITABLE", ["export", manifest, "--out", path.join(file, "below")]);
  await failsWith("OUTPUT_NOT_WRITABLE", ["export", manifest, "--out", taken]);
  await failsWith("OUTPUT_NOT_WRITABLE", ["inspect", manifest, "--key", "s0003", "--png", taken]);
  await failsWith("OUTPUT_NOT_WRITABLE", ["preprocess", source, "--out", path.join(folder, "x".repeat(300))]);
  if (existsSync("/proc/self")) await failsWith("OUTPUT_NOT_WRITABLE", ["preprocess", source, "--out", "/proc/nope/x"]);
  assert.deepEqual(halfWritten(folder), []);
});

test("where a disk is full every writer says so, leaves nothing half-written, and what it did is gone on with", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 120, { codec: "none" });
  const source = path.join(folder, "source.tar");
  const limits = "ulimit -f 64"; // blocks of 512 bytes or 1 KiB
  const out = path.join(folder, "out");
  const preprocess = ["preprocess", source, "--out", out, "--compression", "none"];
  const { stderr } = await failsWith("OUT_OF_SPACE", preprocess, { limits });
  assert.match(stderr, /shard-00000-00000\.arrow/);
  await failsWith("OUT_OF_SPACE", ["export", manifest, "--out", path.join(folder, "all.tar")], { limits });
  const run1 = path.join(folder, "run");
  const training = ["train", manifest, "--network", "resnet50-rgb", "--width", "0.125", "--input-size", "32"];
  await failsWith("OUT_OF_SPACE", [...training, "--batch-size", "4", "--max-steps", "1", "--out", run1], { limits });
  assert.deepEqual(halfWritten(folder), []);
  assert.ok(!existsSync(path.join(folder, "all.tar")));
  assert.deepEqual(filesBelow(path.join(run1, "checkpoints")), [], "no half of a checkpoint keeps the room");
  assert.equal((await run(preprocess)).status, 0);
  assert.equal((await run(["verify", out])).status, 0);
});

test("stdout that cannot be written is an error, stderr that cannot be is none", {
  skip: !existsSync("/dev/full"),
}, async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 6);
  for (const args of [
    ["verify", manifest, "--json"],
    ["inspect", manifest],
    ["networks", "--json"],
    ["inspect", manifest, "--key", "nobody", "--json"],
    ["--help"],
  ]) {
    const code = args.includes("nobody") ? "UNKNOWN_KEY" : "OUT_OF_SPACE";
    await failsWith(code, args, { stdout: openSync("/dev/full", "w") });
  }
  const quiet = await run(["verify", manifest, "--json"], { stderr: openSync("/dev/full", "w") });
  assert.equal(quiet.status, 0);
  assert.equal((await run(["verify", "nowhere"], { stderr: openSync("/dev/full", "w") })).status, 1);
});

/** With fewer than these, Node itself cannot start a program. */
function leastOpenFiles(folder: string): number {
  writeFileSync(path.join(folder, "package.json"), `{"type":"module"}`);
  const nothing = path.join(folder, "nothing.js");
  writeFileSync(nothing, "");
  for (let files = 10; files < 40; files++) {
    const { status } = spawnSync("sh", ["-c", `ulimit -n ${files} && exec "$0" "$1"`, process.execPath, nothing]);
    if (status === 0) return files;
  }
  throw new Error("Node does not start with 40 open files");
}

test("too many open files have a code, whatever opens the one too many", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 60, { maxShardBytes: 1 });
  const source = path.join(folder, "source.tar");
  const least = leastOpenFiles(folder);
  // From where hardly anything can be opened to where all can: each ends, and says what was missing.
  for (const files of [least, least + 3, least + 7, 40, 160])
    for (const args of [
      ["preprocess", source, "--out", path.join(folder, `out-${files}`)],
      ["verify", manifest],
    ]) {
      const ended = await run(args, { limits: `ulimit -n ${files}` });
      const said = `${files} files, ${args[0]}: ${ended.status} ${ended.stderr}`;
      if (ended.status === 0) continue;
      assert.equal(ended.status, 1, said);
      assert.match(ended.stderr, /TOO_MANY_OPEN_FILES|ulimit -n/, said);
      assert.doesNotMatch(ended.stderr, /\n {4}at /, said);
    }
});

/** What every thread loads first: in a thread of the kind, `act` instead of the addon. */
function threadHook(folder: string, kind: "pool" | "shard", act: string): string {
  const file = path.join(folder, `hook-${kind}.cjs`);
  writeFileSync(
    file,
    `const { isMainThread, workerData } = require("node:worker_threads");
    const modules = require("node:module"), load = modules._load;
    const kind = workerData?.maxShardBytes === undefined ? "pool" : "shard";
    if (!isMainThread && kind === "${kind}") modules._load = (name, ...rest) => {
      if (name.endsWith("dctstream.node")) { ${act} }
      return load(name, ...rest);
    };`,
  );
  return file;
}

test("a thread that ends unexpectedly ends the command with an error, whichever it is", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const checkpoint = path.join(folder, "run");
  await train({ manifest, network: "resnet50-rgb", out: checkpoint, ...quickRun, maxSteps: 1 });
  const source = path.join(folder, "train.tar");
  const out = path.join(folder, "out");
  const kill = (kind: "pool" | "shard") => ({ hook: threadHook(folder, kind, "process.exit(7);") });
  const decoding = await failsWith("THREAD_ENDED", ["preprocess", source, "--out", out], kill("pool"));
  assert.match(decoding.stderr, /a decoding thread ended unexpectedly, with exit code 7/);
  const writing = await failsWith("THREAD_ENDED", ["preprocess", source, "--out", out], kill("shard"));
  assert.match(writing.stderr, /a shard-writing thread ended/);
  const viewing = await failsWith("THREAD_ENDED", ["evaluate", checkpoint, manifest], kill("pool"));
  assert.match(viewing.stderr, /a view thread ended/);
  await failsWith("THREAD_ENDED", ["predict", checkpoint, source], kill("pool"));
  assert.deepEqual(halfWritten(folder), []);
});

test("Ctrl-C ends a command although its threads are in native code that nothing stops", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(200));
  const out = path.join(folder, "out");
  for (const kind of ["pool", "shard"] as const) {
    const busy = `require("node:fs").writeSync(2, "busy\\n"); require("node:crypto").pbkdf2Sync("a", "b", 2 ** 31 - 1, 64, "sha512");`;
    let interrupted = false;
    const { status, stderr } = await run(["preprocess", source, "--out", out], {
      hook: threadHook(folder, kind, busy),
      act: (child, said) => {
        if (!interrupted && said.includes("busy")) interrupted = child.kill("SIGINT");
      },
    });
    assert.equal(status, 130, stderr);
    assert.match(stderr, /dctstream: interrupted.*; run the same command again to resume/);
    assert.deepEqual(halfWritten(out), []);
  }
  assert.equal((await run(["preprocess", source, "--out", out])).status, 0);
});

test("what nobody caught is reported like any other error", async (t) => {
  const folder = temporaryFolder(t);
  const hook = path.join(folder, "hook.cjs");
  writeFileSync(
    hook,
    `const { isMainThread } = require("node:worker_threads");
    if (isMainThread) process.nextTick(() => setImmediate(() => { throw Object.assign(new Error("EMFILE: too many open files, open 'x'"), { code: "EMFILE", syscall: "open", path: "x" }); }));`,
  );
  const late = `${hook}.late.cjs`;
  writeFileSync(
    late,
    `const modules = require("node:module"), load = modules._load;
    modules._load = (name, ...rest) => { if (name.endsWith("dctstream.node")) setImmediate(() => require(${JSON.stringify(hook)})); return load(name, ...rest); };`,
  );
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(4));
  await failsWith("TOO_MANY_OPEN_FILES", ["preprocess", source, "--out", path.join(folder, "out")], { hook: late });
});

test("predict ends when nobody reads what it says", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 16, "train");
  const checkpoint = path.join(folder, "run");
  await train({ manifest, network: "resnet50-rgb", out: checkpoint, ...quickRun, maxSteps: 1 });
  const pictures = path.join(folder, "pictures");
  mkdirSync(pictures);
  for (let i = 0; i < 40; i++) writeFileSync(path.join(pictures, `${i}.jpg`), twoClassImage("x", i));
  const args = [program, "predict", checkpoint, pictures, "--batch-size", "1"];
  const ended = await new Promise<{ status: number | null; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, args);
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    child.on("close", (status) => resolve({ status, stderr }));
  });
  assert.doesNotMatch(ended.stderr, /\n {4}at /);
  assert.match(ended.stderr, /OUTPUT_NOT_WRITABLE: nobody reads stdout any more/);
  assert.equal(ended.status, 1);
});
