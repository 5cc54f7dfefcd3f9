// Whatever interrupts preprocess, the same command ends with the bytes of an uninterrupted run. The command itself, in
// processes of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type PreprocessOptions, preprocess } from "../../src/index.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, projectRoot, type TarEntries, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { type Hold, heldServer } from "../support/held-server.js";
import { until } from "../support/until.js";

async function hashes(folder: string): Promise<Record<string, string>> {
  const names = await namesIn(folder);
  return Object.fromEntries(names.map((name) => [name, sha256(readFileSync(path.join(folder, name)))]));
}

const command = path.join(projectRoot, "dist", "tools", "dctstream.js");

function start(sources: readonly string[], out: string): ChildProcess {
  const args = ["preprocess", ...sources, "--out", out, "--shard-bytes", "256KiB", "--workers", "2"];
  return spawn(process.execPath, [command, ...args], { stdio: "ignore" });
}

const ended = (child: ChildProcess) =>
  new Promise<number | NodeJS.Signals | null>((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));

const small: Partial<PreprocessOptions> = { maxShardBytes: 256 << 10 };

/** The same images under many names: enough work to be interrupted. */
function many(entries: TarEntries, times: number): TarEntries {
  return Array.from({ length: times }, (_, i) =>
    entries.map(([name, bytes]) => [`${i}/${name}`, bytes] as const),
  ).flat();
}

/** Three sources of several shards each, one of them a tar of tars, one with failures in it. */
async function makeSources(folder: string): Promise<string[]> {
  const samples = sampleEntries(32);
  const images = samples.filter(([name]) => name.endsWith(".jpg"));
  const bad: TarEntries = [...many(samples, 5), ["x.jpg", "no image"], ["x.cls", "1"], ...many(samples, 20)];
  const synsets = ["n01440764", "n02110341"].map(
    async (synset) => [`${synset}.tar`, await tarBytes(many(images, 12))] as const,
  );
  return Promise.all([
    writeTar(path.join(folder, "1-plain.tar"), many(samples, 30)),
    writeTar(path.join(folder, "2-nested.tar"), await Promise.all(synsets)),
    writeTar(path.join(folder, "3-bad.tar"), bad),
  ]);
}

/**
 * The same sources by URLs whose last kilobyte is held: whoever preprocesses them is at work until it is let go or
 * stopped.
 */
async function hold(t: TestContext, sources: readonly string[]) {
  const last = path.basename(sources.at(-1) as string);
  const end: Hold = (name, _, byteLength) => (name === last ? byteLength - 1024 : undefined);
  const served = await heldServer(t, path.dirname(sources[0] as string), end);
  return { served, end, urls: sources.map((source) => served.url(path.basename(source))) };
}

function waitForShards(out: string, count: number, child: ChildProcess): Promise<boolean> {
  return until(`there are more than ${count} shards`, async () => {
    assert.equal(child.exitCode, null, "it is still at work");
    const names = await namesIn(out).catch(() => []);
    return names.filter((name) => name.endsWith(".json")).length > count;
  });
}

test("kill -9 at any point, again and again: the same bytes, nothing left over", async (t) => {
  const folder = temporaryFolder(t);
  const { served, end, urls: sources } = await hold(t, await makeSources(folder));
  served.release();
  const whole = path.join(folder, "whole");
  await preprocess({ sources, out: whole, ...small });
  served.hold = end;
  const out = path.join(folder, "out");
  // What of the last source is held may hold up all of it.
  const others = (await namesIn(whole)).filter((name) => /^shard-0000[01]-.*\.arrow$/.test(name)).length;
  assert.ok(others > 9, `${others} shards`);
  for (let shards = 1; shards < others; shards += 3) {
    const child = start(sources, out);
    const exit = ended(child);
    await waitForShards(out, shards, child);
    await delay(shards % 5); // at another point of its work each time
    child.kill("SIGKILL");
    assert.equal(await exit, "SIGKILL");
  }
  served.release();
  const report = await preprocess({ sources, out, ...small });
  assert.equal(report.failed, 1);
  assert.deepEqual(await hashes(out), await hashes(whole));
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal}: exit status 130, no half-written file, and the same bytes after another run`, async (t) => {
    const folder = temporaryFolder(t);
    const { served, urls: sources } = await hold(t, await makeSources(folder));
    const out = path.join(folder, "out");
    const child = start(sources, out);
    const exit = ended(child);
    await waitForShards(out, 3, child);
    child.kill(signal);
    assert.equal(await exit, 130);
    served.release();
    const names = await namesIn(out);
    assert.ok(names.every((name) => !name.endsWith(".tmp")) && !names.includes("manifest.json"), names.join());
    const report = await preprocess({ sources, out, ...small });
    const whole = path.join(folder, "whole");
    assert.equal((await preprocess({ sources, out: whole, ...small })).samples, report.samples);
    assert.deepEqual(await hashes(out), await hashes(whole));
  });
}

test("the number of workers, and the decoder, do not change a byte", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await makeSources(folder);
  const variants: Partial<PreprocessOptions>[] = [{ workers: 1 }, { workers: 4 }, { decoder: "libjpeg" }];
  const found = [];
  for (const [i, variant] of variants.entries()) {
    const out = path.join(folder, `out-${i}`);
    await preprocess({ sources, out, ...small, ...variant });
    found.push(await hashes(out));
  }
  assert.deepEqual(found[1], found[0]);
  assert.deepEqual(found[2], found[0]);
});

test("a second process at the same output is refused while the first one works", async (t) => {
  const folder = temporaryFolder(t);
  const { served, urls: sources } = await hold(t, await makeSources(folder));
  const out = path.join(folder, "out");
  const child = start(sources, out);
  const exit = ended(child);
  await waitForShards(out, 1, child);
  // These look at the sources too, which is not held.
  await rejectsWith("OUTPUT_IN_USE", () => preprocess({ sources, out, ...small }), /another preprocess/);
  await rejectsWith("OUTPUT_IN_USE", () => preprocess({ sources, out, ...small, overwrite: true }));
  served.release();
  assert.equal(await exit, 0);
  const whole = path.join(folder, "whole");
  await preprocess({ sources, out: whole, ...small });
  assert.deepEqual(await hashes(out), await hashes(whole));
});

test("a shard or sidecar that went missing is made again, to the same bytes", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await makeSources(folder);
  const out = path.join(folder, "out");
  await preprocess({ sources, out, ...small });
  const before = await hashes(out);
  for (const name of ["manifest.json", "shard-00001-00001.arrow"]) rmSync(path.join(out, name));
  writeFileSync(path.join(out, "shard-00000-00001.arrow"), "half of it");
  await preprocess({ sources, out, ...small });
  assert.deepEqual(await hashes(out), before);
});

async function policy(t: TestContext, entries: TarEntries, options: Partial<PreprocessOptions>) {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), entries);
  return { folder, source, run: () => preprocess({ sources: [source], out: path.join(folder, "out"), ...options }) };
}

test("--max-errors as a share is checked at the end of small runs too", async (t) => {
  const entries: TarEntries = [...sampleEntries(30), ["x.jpg", "no"], ["x.cls", "1"]];
  await rejectsWith("TOO_MANY_ERRORS", (await policy(t, entries, { maxErrors: "1%" })).run, /1 of 31 .* 1 %/);
  assert.equal((await (await policy(t, entries, { maxErrors: "5%" })).run()).failed, 1);
  await rejectsWith("INVALID_OPTION", (await policy(t, entries, { maxErrors: "150%" })).run);
});

test("failures say where they are, and the quarantine tar can be fed back", async (t) => {
  const { folder, source, run } = await policy(
    t,
    [...sampleEntries(5), ["deep/x.jpg", "no image"], ["deep/x.cls", "1"], ["y.jpg", "none either"], ["y.cls", "0"]],
    { quarantine: path.join(temporaryFolder(t), "q.tar") },
  );
  await run();
  const [first] = readFileSync(path.join(folder, "out", "errors.jsonl"), "utf8").split("\n");
  const failure = JSON.parse(first as string) as { offset: number; entry: string };
  assert.deepEqual(
    { ...failure, message: "" },
    {
      source,
      key: "deep/x",
      entry: "deep/x.jpg",
      offset: failure.offset,
      label: 1,
      code: "NOT_A_JPEG",
      message: "",
    },
  );
  const tar = readFileSync(source);
  assert.equal(tar.subarray(failure.offset, failure.offset + 10).toString(), "deep/x.jpg");
});

test("what is quarantined is the files as they were, with their labels", async (t) => {
  const folder = temporaryFolder(t);
  const nested = await tarBytes([["n01440764_1.JPEG", "broken"], ...sampleEntries(1).slice(0, 1)]);
  const source = await writeTar(path.join(folder, "s.tar"), [["n01440764.tar", nested]]);
  const quarantine = path.join(folder, "q.tar");
  const out = path.join(folder, "out");
  await preprocess({ sources: [source], out, quarantine });
  const bytes = readFileSync(quarantine);
  assert.deepEqual(
    bytes,
    await tarBytes([
      ["n01440764/n01440764_1.JPEG", "broken"],
      ["n01440764/n01440764_1.cls", "0"],
    ]).then(Buffer.from),
  );
  await rejectsWith(
    "NO_SAMPLES",
    () => preprocess({ sources: [quarantine], out: path.join(folder, "again") }),
    /NOT_A_JPEG/,
  );
});
