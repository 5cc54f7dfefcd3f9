// One stage is slowed on purpose, one at a time: the verdict must name it. What is slow is slow by seconds where the
// rest takes milliseconds, or until something has happened: the answer is the same on a machine of any speed, whatever
// else it does.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeJpeg } from "../../src/native/index.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import type { LoaderOptions } from "../../src/pipeline/load/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import type { PipelineCounters } from "../../src/pipeline/stage-clock.js";
import { readManifest } from "../../src/shards/manifest.js";
import { at } from "../../src/storage/at.js";
import { putObject } from "../../src/storage/objects.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { stepStage } from "../../src/train/run/meter.js";
import { type Measured, startMeasuring } from "../../tools/profile/measure.js";
import { profilePreprocessing } from "../../tools/profile/preprocess/measure.js";
import { Recording } from "../../tools/profile/recording.js";
import type { Profile, SweepRun } from "../../tools/profile/stage.js";
import { type Beside, feedingOf, profileSteps } from "../../tools/profile/train/measure.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { type TarEntries, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { heldServer } from "../support/held-server.js";
import { checkShares, profileOf, Stopwatch, slowProxy } from "../support/profiles.js";
import { logIn, S3Server } from "../support/s3-server.js";
import { until } from "../support/until.js";

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

const unlimited = Number.POSITIVE_INFINITY;
/** Views that take next to nothing. */
const tinyViews = ["--batch-size", "4", "--input-size", "32", "--workers", "1"];

// Most of their time is waiting, which they can do together.
describe("commands", { concurrency: true }, () => {
  test("profile read: a store of low bandwidth", async (t) => {
    const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 5, 10e3)];
    const args = ["profile", "read", manifest, ...tinyViews, "--prefetch-bytes", "20kB", "--seconds", "1", "--json"];
    const profile = profileOf(await dctstream([...args, ...place]));
    assert.equal(profile.bottleneck, "storage", profile.verdict);
    assert.match(
      profile.verdict,
      /^storage bound: [\d.]+ images\/s; storage is (saturated|the busiest) \(busy \d+ %\)/,
    );
    const views = profile.stages.find(({ name }) => name === "views");
    assert.ok((views?.waitForInput as number) > 0.5, "and the view threads wait for it");
  });

  test("profile read: a store with latency, which more reads at a time hide", async (t) => {
    const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 1000, unlimited)];
    const reading = [...tinyViews, "--prefetch-bytes", "15kB", "--seconds", "3"];
    const sweep = ["--sweep", "prefetch-bytes=15kB,100kB"];
    const profile = profileOf(await dctstream(["profile", "read", manifest, ...reading, ...sweep, ...place, "--json"]));
    assert.equal(profile.bottleneck, "storage", profile.verdict);
    const [same, more] = profile.sweep as [SweepRun, SweepRun];
    assert.ok(Math.abs(same.predicted / profile.imagesPerSecond - 1) < 1e-9, "what was measured is what is predicted");
    assert.ok(more.predicted > 1.5 * same.predicted, "reading ahead hides latency, by the model");
    assert.ok(more.measured > 1.5 * same.measured, "and so it does");
  });

  test("profile storage: a store with latency", async (t) => {
    const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 500, unlimited)];
    const storage = await dctstream(["profile", "storage", "s3://slow/shards", "--seconds", "1", ...place, "--json"]);
    assert.equal(storage.status, 0, storage.stderr);
    const { bottleneck, latencyMs, verdict } = lastJson(storage) as Record<string, unknown>;
    assert.equal(bottleneck, "latency", verdict as string);
    assert.ok((latencyMs as number) >= 500, String(latencyMs));
  });

  test("profile preprocess: a writer that cannot get its output away", async (t) => {
    const source = await writeTar(path.join(temporaryFolder(t), "in.tar"), sampleEntries(200));
    const place = ["--s3-endpoint", await slowProxy(t, server.endpoint, 1000, unlimited), "--out", "s3://slow/scratch"];
    const small = ["--shard-bytes", "40kB", "--workers", "1", "--seconds", "3", "--json"];
    const profile = profileOf(await dctstream(["profile", "preprocess", source, ...place, ...small]));
    assert.equal(profile.bottleneck, "output", profile.verdict);
    const write = profile.stages.find(({ name }) => name === "write");
    assert.ok((write?.waitForOutput as number) > 0.4, "and the writing thread waits for it");
    const left = await at("s3://slow/scratch").list();
    assert.deepEqual(left, [], "what a profile writes is removed");
  });

  test("profile preprocess: one decoding thread, which makes thumbnails of large pictures", async (t) => {
    const source = await writeTar(path.join(temporaryFolder(t), "in.tar"), largeEntries(12));
    const args = ["profile", "preprocess", source, "--resize", "32", "--workers", "1", "--seconds", "1", "--json"];
    const profile = profileOf(await dctstream(args));
    assert.equal(profile.bottleneck, "decode", profile.verdict);
    const verdict = /^decode bound: [\d.,]+ images\/s; the decoding threads are .* \(1 of 1 busy \d+ %\)/;
    assert.match(profile.verdict, verdict);
    assert.ok((profile.limits.libjpegImagesPerSecond as number) > 0);
  });
});

/** Pictures of few bytes that take long to decode and to resize. */
function largeEntries(count: number): TarEntries {
  const [width, height] = [2400, 1800];
  const pixels = new Uint8Array(width * height * 3).map((_, i) => (i >> 6) & 255);
  const jpeg = encodeJpeg(pixels, width, height, 3, { quality: 50 });
  return Array.from({ length: count }, (_, i) => [
    [`l${i}.jpg`, jpeg] as const,
    [`l${i}.cls`, String(i % 2)] as const,
  ]).flat();
}

/** Tells how many finished batches wait for whoever uses them. */
class Watching extends Recording {
  ready = 0;

  override depth(stage: string, at: number, items: number): void {
    super.depth(stage, at, items);
    if (stage === stepStage) this.ready = items;
  }
}

interface Use {
  readonly url: string;
  readonly network: string;
  readonly inputSize: number;
  readonly batches: number;
  readonly options?: Partial<LoaderOptions>;
  readonly beside?: Partial<Beside>;
  /** What is done with a batch, in the place of a step. */
  use?(recording: Watching): Promise<unknown>;
}

/**
 * The profile of a loader's batches as if steps were made of them, from the second on; and what was counted beside it.
 */
async function profileUse({ url, network, inputSize, batches, options, beside, use }: Use) {
  const data = await readManifest(url);
  const batchSize = 8;
  const feeding = feedingOf(data, { network, batchSize, inputSize, workers: 1, ...options });
  const recording = new Watching();
  const watch = new Stopwatch();
  const { view, workers, prefetchBytes } = feeding;
  const settings = { view, batchSize, workers, prefetchBytes, consumer: stepStage, recorder: recording };
  await using loader = await Loader.open(data, settings);
  let [samples, left] = [0, batches];
  let stop: (() => Measured) | undefined;
  for await (const batch of loader.epochs(0, unlimited)) {
    stop ??= watch.around(() => startMeasuring(() => loader.counters));
    if (left === 0) break;
    await use?.(recording);
    samples += batch.samples;
    left--;
    batch.release();
  }
  const measured = watch.around(() => (stop as () => Measured)());
  watch.check(measured.counters.elapsedMs, "the loader's clock");
  const limits = { memoryCopyBytesPerSecond: 1e9, shardReadBytesPerSecond: 1e9 };
  const { profile } = await profileSteps(feeding, limits, measured, recording, { batchSize, ...beside });
  checkShares(profile);
  return { profile, samples };
}

const faster = (profile: Profile) => profile.headroom?.fasterInput as number;

test("steps that wait for a slow store, which a cache would spare them", async (t) => {
  configureStorage({ s3: { endpoint: await slowProxy(t, server.endpoint, 1000, unlimited) } });
  t.after(() => configureStorage({ s3: { endpoint: server.endpoint } }));
  const { profile } = await profileUse({
    ...{ url: manifest, network: "late-concat", inputSize: 32, batches: 8 },
    options: { prefetchBytes: 30_000 },
    beside: { stepMs: 10, loaderAlone: 20 },
  });
  assert.equal(profile.bottleneck, "storage", profile.verdict);
  assert.match(
    profile.verdict,
    /^input bound: [\d.]+ images\/s, steps wait \d+ % of the time for data; storage is (saturated|the busiest) \(busy \d+ %\)/,
  );
  assert.ok(faster(profile) > 0.2, "faster input would win much");
  const recommended = profile.recommendations.map(({ change }) => change).join();
  assert.match(recommended, /--cache FOLDER --cache-bytes/);
});

test("steps that take no time, after views that compute for long", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "in.tar"), largeEntries(16));
  const { manifest: url } = await preprocess({ sources: [source], out: path.join(folder, "shards"), codec: "zstd" });
  const { profile } = await profileUse({ url, network: "late-concat", inputSize: 32, batches: 6 });
  assert.equal(profile.bottleneck, "views", profile.verdict);
  assert.match(profile.verdict, /^input bound: .*the view threads are (saturated|the busiest) \(1 of 1 busy \d+ %\)/);
});

test("a device that never has to wait for a batch; and images a second are those that were counted", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 40, { codec: "none" });
  const { profile, samples } = await profileUse({
    ...{ url, network: "late-concat", inputSize: 224, batches: 10 },
    use: async (recording) => {
      await until("the next batch is ready", () => recording.ready > 0, 1);
      await sleep(20);
    },
  });
  assert.equal(profile.bottleneck, "step", profile.verdict);
  assert.match(profile.verdict, /^device bound: /);
  const [step] = profile.stages.filter(({ name }) => name === stepStage);
  // The batch that the measurement ends with was given too, and the first one before it began.
  assert.equal(Math.round(profile.imagesPerSecond * profile.seconds), samples);
  assert.equal(step?.imagesPerSecond, profile.imagesPerSecond);
});

test("decoding threads that wait for a source", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) await writeTar(path.join(folder, `${name}.tar`), sampleEntries(130, name));
  const served = await heldServer(t, folder, (name, reads) => (name === "b.tar" && reads > 0 ? 0 : undefined));
  let counters = (): PipelineCounters => ({ elapsedMs: 0, stages: {} });
  const recording = new Recording();
  const run = preprocess({
    sources: [served.url("a.tar"), served.url("b.tar")],
    out: path.join(folder, "shards"),
    workers: 1,
    recorder: recording,
    onCounters: (give) => {
      counters = give;
    },
  });
  const stop = startMeasuring(() => counters());
  const workMs = await until("what has come is decoded", () => {
    const { elapsedMs, stages } = counters();
    return stages.decode?.samples === 130 && stages.output?.samples === 130 ? elapsedMs : undefined;
  });
  await until("most of the time was waiting", () => counters().elapsedMs > 1000 + 5 * workMs);
  const measured = { ...stop(), counters: counters() };
  served.release();
  assert.equal((await run).samples, 260);
  const rates = { sourceReadBytesPerSecond: 1e9, memoryCopyBytesPerSecond: 1e9, sha256BytesPerSecond: 1e9 };
  const { profile } = profilePreprocessing(measured, { ...rates, libjpegImagesPerSecond: 1000 }, recording, 1);
  checkShares(profile);
  assert.equal(profile.bottleneck, "storage", profile.verdict);
  const decode = profile.stages.find(({ name }) => name === "decode");
  assert.ok((decode?.waitForInput as number) > 0.5, "and the decoding threads wait for it");
});

test("what a real preprocess counts is what a stopwatch and a count beside it find", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "in.tar"), largeEntries(12));
  const watch = new Stopwatch();
  const seen: { readonly counters: PipelineCounters; readonly samples: number }[] = [];
  let counters: (() => PipelineCounters) | undefined;
  const report = await preprocess({
    sources: [source],
    out: path.join(folder, "shards"),
    workers: 1,
    passes: 8,
    onCounters: (give) => {
      counters = give;
    },
    onProgress: ({ samples }) => {
      if (counters !== undefined && samples > 0) seen.push({ counters: watch.around(counters), samples });
    },
  });
  const [first, last] = [seen[0], seen.at(-1)];
  assert.ok(first !== undefined && last !== undefined);
  watch.check(last.counters.elapsedMs - first.counters.elapsedMs, "the clock of preprocess");
  assert.equal(report.samples, 96);
  for (const stage of ["storage", "read", "decode", "write", "output"])
    assert.equal(report.pipeline.stages[stage]?.samples, 96, stage);
  for (const { counters: then, samples } of seen)
    assert.ok((then.stages.decode?.samples ?? 0) >= samples, "what is told of is decoded");
});
