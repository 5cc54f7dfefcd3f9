// One stage is slowed on purpose, one at a time: the verdict must name it.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Loader } from "../../src/pipeline/load/loader.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import type { PipelineCounters } from "../../src/pipeline/stage-clock.js";
import { readManifest } from "../../src/shards/manifest.js";
import { closeStorage, configureStorage, openStore, putObject } from "../../src/storage/store.js";
import { stepStage } from "../../src/train/meter.js";
import { startMeasuring } from "../../tools/profile/measure.js";
import { Recording } from "../../tools/profile/recording.js";
import type { SweepRun } from "../../tools/profile/stage.js";
import { feedingOf, profileSteps } from "../../tools/profile/train.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { type TarEntries, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { makeJpeg } from "../support/jpegs.js";
import { checkShares, profileOf, slowProxy } from "../support/profiles.js";
import { logIn, S3Server } from "../support/s3-server.js";

let server: S3Server;
let manifest: string;

before(async () => {
  logIn();
  server = await S3Server.start();
  await server.bucket("slow");
  configureStorage({ s3: { endpoint: server.endpoint } });
  const source = "s3://slow/in.tar";
  await putObject(source, await tarBytes(sampleEntries(400)));
  ({ manifest } = await preprocess({ sources: [source], out: "s3://slow/shards", codec: "none", workers: 1 }));
});

after(async () => {
  await closeStorage();
  await server.stop();
});

const tiny = ["--network", "late-concat", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];

test("a store of low bandwidth", async (t) => {
  const ahead = ["--workers", "1", "--prefetch-bytes", "40kB", "--seconds", "1", "--json"];
  const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 5, 100e3), ...ahead];
  const read = profileOf(await dctstream(["profile", "read", manifest, "--batch-size", "8", ...place]));
  assert.equal(read.bottleneck, "storage", read.verdict);
  const views = read.stages.find(({ name }) => name === "views");
  assert.ok((views?.waitForInput as number) > 0.5, "and the view threads wait for it");
  const trained = profileOf(await dctstream(["profile", "train", manifest, ...tiny, ...place]));
  assert.equal(trained.bottleneck, "storage", trained.verdict);
  assert.match(
    trained.verdict,
    /^input bound: [\d.]+ images\/s, steps wait \d+ % of the time for data; storage is (saturated|the busiest) \(busy \d+ %\)/,
  );
  assert.ok((trained.headroom?.fasterInput as number) > 0.2, "faster input would win much");
  const recommended = trained.recommendations.map(({ change }) => change).join();
  assert.match(recommended, /--cache FOLDER --cache-bytes/);
});

test("a store with latency, and what more reads at a time bring is predicted", async (t) => {
  const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 250, Number.POSITIVE_INFINITY)];
  const reading = ["--seconds", "2", "--batch-size", "8", "--workers", "1", "--prefetch-bytes", "30kB"];
  const args = ["profile", "read", manifest, ...reading, "--sweep", "prefetch-bytes=30kB,100kB", ...place, "--json"];
  const profile = profileOf(await dctstream(args));
  assert.equal(profile.bottleneck, "storage", profile.verdict);
  const [same, more] = profile.sweep as [SweepRun, SweepRun];
  assert.ok(more.measured > 1.5 * same.measured, "reading ahead hides latency");
  for (const { settings, predicted, measured } of [same, more])
    assert.ok(Math.abs(predicted / measured - 1) < 0.2, JSON.stringify({ settings, predicted, measured }));
  const storage = await dctstream(["profile", "storage", "s3://slow/shards", "--seconds", "1", ...place, "--json"]);
  assert.equal(storage.status, 0, storage.stderr);
  const { bottleneck, latencyMs } = lastJson(storage) as { bottleneck: string; latencyMs: number };
  assert.equal(bottleneck, "latency");
  assert.ok(latencyMs >= 250 && latencyMs < 400, String(latencyMs));
});

test("a writer that cannot get its output away", async (t) => {
  const source = await writeTar(path.join(temporaryFolder(t), "in.tar"), sampleEntries(400));
  const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 20, 300e3), "--out", "s3://slow/scratch"];
  const small = ["--shard-bytes", "40kB", "--workers", "1", "--seconds", "2", "--json"];
  const profile = profileOf(await dctstream(["profile", "preprocess", source, ...place, ...small]));
  assert.equal(profile.bottleneck, "output", profile.verdict);
  const write = profile.stages.find(({ name }) => name === "write");
  assert.ok((write?.waitForOutput as number) > 0.4, "and the writing thread waits for it");
  assert.deepEqual(
    await openStore("s3://slow/scratch").list("s3://slow/scratch"),
    [],
    "what a profile writes is removed",
  );
});

test("sources that come slowly", async (t) => {
  const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 5, 1e6)];
  const profile = profileOf(
    await dctstream(["profile", "preprocess", "s3://slow/in.tar", ...place, "--seconds", "1", "--json"]),
  );
  assert.equal(profile.bottleneck, "storage", profile.verdict);
  const decode = profile.stages.find(({ name }) => name === "decode");
  assert.ok((decode?.waitForInput as number) > 0.5, "and the decoding threads wait for them");
});

/** Pictures that take long to decode and to resize. */
function largeEntries(count: number): TarEntries {
  const jpeg = makeJpeg({ name: "large", width: 2400, height: 1800, channels: 3, quality: 95 });
  return Array.from({ length: count }, (_, i) => [
    [`l${i}.jpg`, jpeg] as const,
    [`l${i}.cls`, String(i % 2)] as const,
  ]).flat();
}

test("one decoding thread", async (t) => {
  const source = await writeTar(path.join(temporaryFolder(t), "in.tar"), largeEntries(12));
  const args = ["profile", "preprocess", source, "--workers", "1", "--seconds", "2"];
  const profile = profileOf(await dctstream([...args, "--json"]));
  assert.equal(profile.bottleneck, "decode", profile.verdict);
  assert.match(profile.verdict, /^decode bound: [\d.,]+ images\/s; the decoding threads are .* \(1 of 1 busy \d+ %\)/);
  assert.ok((profile.limits.libjpegImagesPerSecond as number) > 0);
});

test("views that compute for long, before steps that do not", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "in.tar"), largeEntries(10));
  const { manifest: large } = await preprocess({ sources: [source], out: path.join(folder, "shards"), codec: "zstd" });
  const profile = profileOf(
    await dctstream(["profile", "train", large, ...tiny, "--workers", "1", "--seconds", "2", "--json"]),
  );
  assert.equal(profile.bottleneck, "views", profile.verdict);
  assert.match(profile.verdict, /^input bound: .*the view threads are (saturated|the busiest) \(1 of 1 busy \d+ %\)/);
});

test("a device that sleeps; and images a second agree with a stopwatch", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 120, { codec: "none" });
  const data = await readManifest(url);
  const options = { network: "late-concat", batchSize: 8, inputSize: 224 };
  const feeding = feedingOf(data, options);
  const { view, batchSize } = feeding;
  const recording = new Recording();
  const consumer = stepStage;
  await using loader = await Loader.open(data, { view, batchSize, workers: 1, consumer, recorder: recording });
  let stop: ReturnType<typeof startMeasuring> | undefined;
  let [samples, began] = [0, 0];
  for await (const batch of loader.epochs(0, 3)) {
    if (stop === undefined) {
      stop = startMeasuring(() => loader.counters);
      began = performance.now();
    }
    await sleep(40);
    samples += batch.samples;
    batch.release();
  }
  const watched = (1000 * samples) / (performance.now() - began);
  const limits = { memoryCopyBytesPerSecond: 1e9, shardReadBytesPerSecond: 1e9 };
  const measured = (stop as NonNullable<typeof stop>)();
  const { profile } = await profileSteps(feeding, limits, measured, recording, { batchSize });
  checkShares(profile);
  assert.equal(profile.bottleneck, "step", profile.verdict);
  assert.match(profile.verdict, /^device bound: /);
  assert.ok(
    Math.abs(profile.imagesPerSecond / watched - 1) < 0.03,
    `${profile.imagesPerSecond}, by the watch ${watched}`,
  );
});

test("a real preprocess tells what a stopwatch beside it tells", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "in.tar"), largeEntries(12));
  let counters: (() => PipelineCounters) | undefined;
  let from: { readonly at: number; readonly samples: number; readonly counted: PipelineCounters } | undefined;
  let to = from;
  await preprocess({
    sources: [source],
    out: path.join(folder, "shards"),
    workers: 1,
    passes: 12,
    onCounters: (give) => {
      counters = give;
    },
    onProgress: ({ samples }) => {
      if (samples === 0 || counters === undefined) return;
      const seen = { at: performance.now(), samples, counted: counters() };
      from ??= seen;
      if (samples > (to?.samples ?? 0)) to = seen;
    },
  });
  assert.ok(from !== undefined && to !== undefined);
  const ms = to.counted.elapsedMs - from.counted.elapsedMs;
  assert.ok(Math.abs(ms / (to.at - from.at) - 1) < 0.03, "time");
  const decoded = (stage: PipelineCounters) => stage.stages.decode?.samples ?? 0;
  const counted = decoded(to.counted) - decoded(from.counted);
  assert.ok(Math.abs(counted - (to.samples - from.samples)) <= 64 * 3, "samples: but for the groups under way");
});
