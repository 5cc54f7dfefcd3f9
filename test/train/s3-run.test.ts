import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { at } from "../../src/storage/at.js";
import { readText } from "../../src/storage/objects.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { baseName } from "../../src/storage/url.js";
import { train } from "../../src/train/run/trainer.js";
import { readCheckpointInfo } from "../../src/train/saved/checkpoint.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { logIn, S3Server } from "../support/s3-server.js";
import { twoClasses } from "../support/two-classes.js";

let server: S3Server;

before(async () => {
  logIn();
  server = await S3Server.start();
  await server.bucket("runs");
  configureStorage({ s3: { endpoint: server.endpoint } });
});

after(async () => {
  await closeStorage();
  await server.stop();
});

const small = {
  network: "late-concat-rfa-thinner",
  width: 0.125,
  inputSize: 32,
  batchSize: 8,
  learningRate: 0.02,
} as const;

test("a run in a bucket: interrupted, resumed, and its folder holds what a disk's would", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  const options = { manifest, ...small, maxSteps: 12, checkpointSteps: 3, keepLast: 1 };
  const losses: number[] = [];
  const local = await train({ ...options, out: path.join(folder, "run"), onStep: ({ loss }) => losses.push(loss) });
  const out = "s3://runs/one";
  const found: number[] = [];
  const interrupt = new AbortController();
  const interrupted = train({
    ...options,
    out,
    signal: interrupt.signal,
    onStep: ({ step, loss }) => {
      found.push(loss);
      if (step === 7) interrupt.abort(new Error("stop"));
    },
  });
  await rejectsWith("INTERNAL", () => interrupted, /stop/);
  assert.equal((await readCheckpointInfo(out)).steps, 7);
  const report = await train({ ...options, out, onStep: ({ loss }) => found.push(loss) });
  assert.deepEqual(found, losses);
  assert.deepEqual([report.resumedAt, report.loss, report.checkpoint], [7, local.loss, `${out}/checkpoint.json`]);
  const names = (await at(`${out}/checkpoints`).list()).map(({ url }) => baseName(url));
  assert.deepEqual(names, ["00000012"]);
  assert.equal(
    (await readText(`${out}/history.jsonl`))
      ?.trim()
      .split("\n")
      .filter((line) => line.includes('"kind":"step"')).length,
    12,
  );
});

test("ranks that preprocess into a bucket at once write what one does", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await Promise.all(
    [5, 9, 2].map((count, i) => writeTar(path.join(folder, `part-${i}.tar`), sampleEntries(count, `p${i}-`))),
  );
  const single = "s3://runs/single";
  await preprocess({ sources, out: single, workers: 1 });
  const many = "s3://runs/many";
  const reports = await Promise.all(
    [0, 1, 2].map((rank) => preprocess({ sources, out: many, workers: 1, rank, worldSize: 3 })),
  );
  assert.ok(reports.some(({ complete }) => complete));
  const digests = async (place: string) => {
    const objects = (await at(place).list()).filter(
      ({ kind, url }) => kind === "object" && !baseName(url).startsWith("."),
    );
    const read = objects.map(async ({ url, byteLength }) => [
      baseName(url),
      sha256(await at(url).read({ start: 0, end: byteLength })),
    ]);
    return Object.fromEntries(await Promise.all(read));
  };
  assert.deepEqual(await digests(many), await digests(single));
});
