import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot, temporaryFolder } from "../support/files.js";

/** In native code for longer than any test may take: nothing in JavaScript ends it. */
const busyForLong = `require("node:crypto").pbkdf2Sync("a", "b", 2 ** 31 - 1, 64, "sha512");`;

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** Runs a program that has the addon as `native` until it says "busy", then does `act`. */
function runBusy(program: string, act: (kill: (signal: NodeJS.Signals) => void) => Promise<void>): Promise<Ended> {
  const url = path.join(projectRoot, "dist", "src", "native", "index.js");
  const text = `import(${JSON.stringify(url)}).then((native) => { const say = () => require("node:fs").writeSync(1, "busy\\n"); ${program} });`;
  const child = spawn(process.execPath, ["-e", text]);
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.once("data", () => void act((signal) => child.kill(signal)));
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, stderr })));
}

test("an interrupted process ends after its grace although its main thread is in native code, and leaves no half-written file", async (t) => {
  const [held, kept] = ["held", "kept"].map((name) => path.join(temporaryFolder(t), name)) as [string, string];
  for (const file of [held, kept]) writeFileSync(file, "x");
  const hold = [held, kept].map((file) => `native.holdTemporary(${JSON.stringify(file)});`).join(" ");
  const program = `process.on("SIGTERM", () => {}); native.watchInterrupts(300, 130); ${hold} native.releaseTemporary(${JSON.stringify(kept)}); say(); ${busyForLong}`;
  const { status, stderr } = await runBusy(program, async (kill) => kill("SIGTERM"));
  assert.equal(status, 130, stderr);
  assert.equal(stderr, "dctstream: interrupted; run the same command again to resume\n");
  assert.deepEqual([existsSync(held), existsSync(kept)], [false, true]);
});

test("a second interruption ends it at once, whatever grace is left; the same one heard twice does not", async () => {
  const program = `process.on("SIGINT", () => {}); native.watchInterrupts(2 ** 30, 130); say(); ${busyForLong}`;
  let ended = false;
  const { status } = await runBusy(program, async (kill) => {
    kill("SIGINT");
    kill("SIGINT");
    await sleep(1000);
    assert.equal(ended, false);
    kill("SIGINT");
  }).finally(() => {
    ended = true;
  });
  assert.equal(status, 130);
});

test("handlers that were there before still hear of signals, and a process that ends in time says its own status", async () => {
  const program = `process.on("SIGINT", () => { clearInterval(alive); process.exitCode = 7; }); const alive = setInterval(() => {}, 1e6); native.watchInterrupts(2 ** 30, 130); say();`;
  assert.deepEqual(await runBusy(program, async (kill) => kill("SIGINT")), { status: 7, stderr: "" });
});

test("a thread in native code does not keep a process that has a deadline", async () => {
  const worker = `new (require("node:worker_threads").Worker)(${JSON.stringify(`require("node:worker_threads").parentPort.postMessage(1); ${busyForLong}`)}, { eval: true })`;
  const program = `${worker}.once("message", () => { native.exitWithin(300, 5); say(); });`;
  assert.deepEqual(await runBusy(program, async () => {}), { status: 5, stderr: "" });
});
