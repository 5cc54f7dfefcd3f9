import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { exportImages } from "../../src/pipeline/export.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import { indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { type LoadedManifest, readManifest } from "../../src/shards/manifest.js";
import { randomFor } from "../../src/shards/random.js";
import { verify } from "../../src/shards/verify.js";
import { at } from "../../src/storage/at.js";
import { countersSince, storageCounters } from "../../src/storage/counters.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import type { Fault, FaultProxy, SeenRequest } from "../support/fault-proxy.js";
import { projectRoot, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { mixedCounts, mixedEntries, mixedImages } from "../support/indexed.js";
import { credentials, logIn, S3Server } from "../support/s3-server.js";
import { until } from "../support/until.js";

let server: S3Server;
let proxy: FaultProxy;

before(async () => {
  logIn();
  server = await S3Server.start();
  proxy = await server.proxy();
  await server.bucket("data");
});

after(async () => {
  await closeStorage();
  await proxy.stop();
  await server.stop();
});

/** Names and contents of everything in a folder of the bucket or the disk. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const files = (await at(folder).list()).filter(({ kind }) => kind === "object");
  const hashes = files.map(async ({ url, byteLength }) => {
    const bytes = await at(url).read({ start: 0, end: byteLength });
    // Manifest and job name the sources, which lie elsewhere in the other copy.
    const named = /(manifest|job)\.json$/.test(url);
    const text = named
      ? Buffer.from(bytes)
          .toString()
          .replace(/"sources":\s*\[[^\]]*\]/, "")
      : bytes;
    return [url.slice(folder.length + 1), sha256(text)] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

/** Every sample's label and view, by what the view is. */
async function epochOf(manifest: LoadedManifest): Promise<string[]> {
  const seen: string[] = [];
  await using loader = await Loader.open(manifest, {
    view: { kind: "dct", size: 32, augment: "eval" },
    batchSize: 16,
    shuffle: true,
    dropLast: false,
    seed: 3,
    workers: 1,
  });
  for await (const batch of loader.epoch(0)) {
    const values = batch.arrays[0]?.data as Float32Array;
    for (let i = 0; i < batch.samples; i++) {
      const y = values.slice((i * values.length) / 16, ((i + 1) * values.length) / 16);
      seen.push(`${batch.labels[i]} ${sha256(new Uint8Array(y.buffer))}`);
    }
    batch.release();
  }
  return seen;
}

test("from S3 to S3 the bytes are those of the local disk, tars and class folders alike, and a second run has nothing to do", async (t) => {
  configureStorage({ s3: server.options() });
  const folder = temporaryFolder(t);
  const entries = sampleEntries(60);
  const tar = await writeTar(path.join(folder, "a.tar"), entries);
  await server.put("data", "same/a.tar", readFileSync(tar));
  for (const [name, content] of entries.filter(([name]) => name.endsWith(".jpg")))
    await server.put(
      "data",
      `same/classes/${Number(name.slice(1, 5)) % 2 === 0 ? "even" : "odd one+%20"}/${name}`,
      content,
    );
  const options = { maxShardBytes: 60_000, workers: 2 };
  const local = await preprocess({ ...options, sources: [tar], out: path.join(folder, "out") });
  const remote = await preprocess({ ...options, sources: ["s3://data/same/*.tar"], out: "s3://data/same/out" });
  assert.ok(remote.shards > 3);
  assert.equal(remote.samples, local.samples);
  assert.deepEqual(await contentsOf("s3://data/same/out"), await contentsOf(path.join(folder, "out")));
  assert.ok(remote.storage.requests > 10 && remote.storage.retries === 0 && remote.storage.bytesWritten > 100_000);
  const again = await preprocess({ ...options, sources: ["s3://data/same/*.tar"], out: "s3://data/same/out" });
  assert.ok(again.alreadyDone);
  assert.deepEqual((await verify("s3://data/same/out")).corrupt, []);
  const classes = await preprocess({ sources: ["s3://data/same/classes"], out: "s3://data/same/classes-out" });
  assert.equal(classes.samples, 60);
  const { classes: names } = await readManifest("s3://data/same/classes-out");
  assert.deepEqual(
    names.map(({ name }) => name),
    ["even", "odd one+%20"],
  );
  assert.deepEqual(
    await epochOf(await readManifest("s3://data/same/out")),
    await epochOf(await readManifest(path.join(folder, "out"))),
  );
  assert.deepEqual(await server.openUploads("data"), []);
});

test("files that stay on a service are verified and exported from there, many with a request", async (t) => {
  configureStorage({ s3: server.options() });
  const folder = temporaryFolder(t);
  const entries = mixedEntries(6);
  await server.put("data", "stay/a.tar", await tarBytes(entries));
  for (const [name, content] of mixedImages())
    await server.put(
      "data",
      `stay/classes/${Number(name.slice(0, 4)) % 2 === 0 ? "even" : "odd one+%20"}/${name}`,
      content,
    );
  const { stay, stored } = mixedCounts(6);
  const tar = await indexSources({ sources: ["s3://data/stay/a.tar"], out: "s3://data/stay/tar-out" });
  assert.deepEqual([tar.samples, tar.inSources], [stay + stored, stay]);
  const classes = await indexSources({ sources: ["s3://data/stay/classes"], out: "s3://data/stay/classes-out" });
  assert.ok(classes.inSources > 0);
  for (const { manifest, samples } of [tar, classes]) {
    assert.deepEqual((await verify(manifest)).corrupt, []);
    const before = storageCounters();
    const out = path.join(folder, String(samples));
    const report = await exportImages({ manifest, out });
    assert.deepEqual([report.exported, report.refused], [samples, 0]);
    const { requests } = countersSince(before);
    if (manifest === tar.manifest) assert.ok(requests < stay / 2, `${requests} requests for ${stay} files`);
  }
  for (const [name, content] of entries.filter(([name]) => /^\d+\.jpg$/.test(name)))
    assert.deepEqual(readFileSync(path.join(folder, String(tar.samples), name)), Buffer.from(content), name);
  await server.put("data", "stay/a.tar", await tarBytes(mixedEntries(5)));
  const { corrupt } = await verify(tar.manifest);
  assert.deepEqual(
    corrupt.map(({ code, source }) => [code, source]),
    [["SOURCE_CHANGED", "s3://data/stay/a.tar"]],
  );
});

test("a run that is interrupted leaves no parts, a source that was replaced is refused", async () => {
  configureStorage({ s3: server.options() });
  await server.put("data", "stop/a.tar", await tarBytes(sampleEntries(120)));
  const controller = new AbortController();
  const options = { sources: ["s3://data/stop/a.tar"], out: "s3://data/stop/out", maxShardBytes: 30_000, workers: 1 };
  const stopped = preprocess({
    ...options,
    signal: controller.signal,
    onProgress: ({ samples }) => samples > 40 && controller.abort(new Error("enough")),
  });
  await assert.rejects(stopped, /enough/);
  assert.deepEqual(await server.openUploads("data"), []);
  assert.deepEqual(
    (await at("s3://data/stop/out").list({ namePrefix: "dctstream" })).length,
    0,
    "the claim is given back",
  );
  assert.equal((await preprocess(options)).samples, 120);
  await server.put("data", "stop/a.tar", await tarBytes(sampleEntries(119)));
  await rejectsWith(
    "OUTPUT_HOLDS_ANOTHER_DATASET",
    () => preprocess(options),
    /s3:\/\/data\/stop\/a\.tar is different or has changed/,
  );
});

test("from a service an epoch is the same from every form of the same sources, in a range for what lies side by side", async () => {
  configureStorage({ s3: server.options() });
  await server.put("data", "forms/a.tar", await tarBytes(sampleEntries(200)));
  const epochs: string[][] = [];
  for (const form of [{ codec: "zstd" }, { codec: "none" }, { codec: "none", maxShardBytes: 30_000 }] as const) {
    const out = `s3://data/forms/out${epochs.length}`;
    const { manifest: url } = await preprocess({ sources: ["s3://data/forms/a.tar"], out, workers: 1, ...form });
    const manifest = await readManifest(url);
    const before = storageCounters();
    epochs.push(await epochOf(manifest));
    const batches = manifest.shards.reduce((sum, { batches }) => sum + batches.length, 0);
    // One span holds everything: a range for each of its parts, and the index.
    assert.equal(countersSince(before).requests, batches + 1);
    assert.ok(batches > 1);
  }
  assert.deepEqual(epochs[1], epochs[0]);
  assert.deepEqual(epochs[2], epochs[0]);
});

/** A seeded choice for every request, until `count` faults were made. */
function seededFaults(seed: number, count: number): (request: SeenRequest) => Fault | undefined {
  const random = randomFor(seed, "faults");
  let left = count;
  return ({ method, path: place, range }) => {
    if (left === 0 || random.next() < 0.27) return undefined;
    left--;
    const afterBytes = random.below(method === "GET" && range !== undefined ? 20_000 : 1);
    const isShard = method === "GET" && /\.arrow/.test(place);
    const kinds: readonly Fault[] = [
      { kind: "reset", afterBytes },
      { kind: "reset", afterBytes },
      { kind: "short", afterBytes },
      { kind: "status", status: 500, code: "InternalError" },
      { kind: "status", status: 503, code: "SlowDown" },
      { kind: "status", status: 403, code: "ExpiredToken" },
      ...(random.next() < 0.1 ? [{ kind: "stall", afterBytes } as const] : []),
      ...(method === "GET" && range !== undefined
        ? [{ kind: "ignore-range" } as const]
        : [{ kind: "lost-answer" } as const]),
      ...(isShard ? [{ kind: "flip", atByte: random.below(5000) } as const] : []),
    ];
    return kinds[random.below(kinds.length)];
  };
}

test("with a thousand faults over a preprocess and an epoch, every sample comes once and is right, and all retries are counted", async () => {
  await server.put("data", "faults/a.tar", await tarBytes(sampleEntries(400)));
  configureStorage({ s3: server.options() });
  const options = { sources: ["s3://data/faults/a.tar"], maxShardBytes: 6000, workers: 1 };
  const clean = await preprocess({ ...options, out: "s3://data/faults/clean" });
  const expected = await epochOf(await readManifest(clean.manifest));
  const patient = { retry: { baseDelayMs: 1, maxDelayMs: 20, maxAttempts: 200, budget: 10_000 } };
  configureStorage({
    s3: { ...server.options(proxy.endpoint), ...patient, timeouts: { firstByteMs: 2000, stallMs: 2000 } },
  });
  const start = storageCounters();
  proxy.decide = seededFaults(7, 780);
  try {
    const report = await preprocess({ ...options, out: "s3://data/faults/out" });
    assert.equal(report.samples, 400);
    assert.ok(report.storage.retries > 740, `${report.storage.retries} retries of 780 faults`);
    assert.equal(proxy.faults, 780);
    proxy.decide = seededFaults(8, 220);
    const seen = await epochOf(await readManifest(report.manifest));
    assert.deepEqual(seen, expected);
    assert.equal(seen.length, 400);
    assert.equal(proxy.faults, 1000);
    const { retriesByCause } = countersSince(start);
    for (const cause of ["reset", "throttled", "server-error", "credentials", "checksum", "first-byte"] as const)
      assert.ok((retriesByCause[cause] ?? 0) > 0, `${cause} in ${JSON.stringify(retriesByCause)}`);
  } finally {
    proxy.decide = () => undefined;
  }
  await closeStorage();
  await until("no connection is left, not even a stalled one", () => proxy.openConnections === 0);
  configureStorage({ s3: server.options() });
  assert.deepEqual(await contentsOf("s3://data/faults/out"), await contentsOf("s3://data/faults/clean"));
  assert.deepEqual(await server.openUploads("data"), []);
});

test("damage that lasts is an error, not an endless loop of reads", async () => {
  configureStorage({ s3: server.options() });
  await server.put("data", "damage/a.tar", await tarBytes(sampleEntries(30)));
  const { manifest } = await preprocess({
    sources: ["s3://data/damage/a.tar"],
    out: "s3://data/damage/out",
    workers: 1,
  });
  const name = "damage/out/shard-00000-00000.arrow";
  const bytes = await server.get("data", name);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  await server.put("data", name, bytes);
  await rejectsWith("CHECKSUM_MISMATCH", async () => epochOf(await readManifest(manifest)), /read 5 times/);
});

test("keys, secrets and signatures are in nothing that is printed or kept", async (t) => {
  const folder = temporaryFolder(t);
  await server.put("data", "secret/a.tar", await tarBytes(sampleEntries(20)));
  const command = path.join(projectRoot, "dist", "tools", "dctstream.js");
  const printed: string[] = [];
  const run = (...args: string[]) => {
    const env = { ...process.env, NODE_DEBUG: "", AWS_EC2_METADATA_DISABLED: "true" };
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { env, encoding: "utf8" });
    printed.push(stdout, stderr);
    return { status, stdout };
  };
  const endpoint = ["--s3-endpoint", server.endpoint, "--s3-region", "us-east-1", "--retries", "2"];
  const signed = `${server.endpoint}/data/secret/a.tar?X-Amz-Signature=c0ffee5ec2e7&X-Amz-Credential=${credentials.accessKeyId}`;
  const loggedIn = signed.replace("http://", "http://user:pa55w0rd@");
  for (const source of [signed, loggedIn, "s3://data/secret/none.tar"])
    assert.equal(run("preprocess", source, "--out", path.join(folder, "x"), ...endpoint).status, 1);
  const out = path.join(folder, "out");
  assert.equal(run("preprocess", "s3://data/secret/a.tar", "--out", out, "--json", ...endpoint).status, 0);
  assert.equal(run("preprocess", "s3://data/secret/a.tar", "--out", "s3://none/x", ...endpoint).status, 1);
  const kept = readdirSync(out).map((name) => readFileSync(path.join(out, name), "latin1"));
  for (const text of [...printed, ...kept])
    for (const secret of [credentials.secretAccessKey, credentials.accessKeyId, "c0ffee5ec2e7", "pa55w0rd"])
      assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 2000)}`);
});

test("trains from S3 with a cache, on the command line", async (t) => {
  const folder = temporaryFolder(t);
  await server.put("data", "train/a.tar", await tarBytes(sampleEntries(64)));
  const command = path.join(projectRoot, "dist", "tools", "dctstream.js");
  const run = (...args: string[]) => {
    const endpoint = ["--s3-endpoint", server.endpoint, "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args, ...endpoint], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  };
  run("preprocess", "s3://data/train/a.tar", "--out", "s3://data/train/shards", "--shard-bytes", "30kB");
  const options = ["--network", "resnet50-rgb", "--width", "0.125", "--input-size", "32", "--batch-size", "16"];
  const cache = ["--cache", path.join(folder, "cache"), "--cache-bytes", "10MiB", "--cache-expanded"];
  const place = ["--out", "s3://data/train/run", "--val", "s3://data/train/shards", "--max-steps", "12"];
  const report = run("train", "s3://data/train/shards", ...options, ...cache, ...place);
  assert.ok(report.cache.hits > 0 && report.cache.filled > 0 && report.storage.requests > 0);
  const score = run("evaluate", "s3://data/train/run", "s3://data/train/shards", "--batch-size", "16");
  assert.deepEqual([score.samples, score.top1], [64, report.valTop1]);
});
