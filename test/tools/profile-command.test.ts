import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import type { Profile } from "../../tools/profile/stage.js";
import { dctstream, lastJson, type Outcome } from "../support/command-line.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { projectRoot, temporaryFolder, writeTar } from "../support/files.js";
import { logIn, S3Server } from "../support/s3-server.js";

function profileOf(outcome: Outcome): Profile {
  assert.equal(outcome.status, 0, outcome.stderr);
  const profile = lastJson(outcome) as unknown as Profile;
  for (const { name, busy, waitForInput, waitForOutput } of profile.stages) {
    assert.ok(Math.abs(busy + waitForInput + waitForOutput - 1) < 0.02, `${name}: the shares add up`);
    for (const share of [busy, waitForInput, waitForOutput]) assert.ok(share >= -1e-9 && share <= 1 + 1e-9, name);
  }
  return profile;
}

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
  assert.ok(
    (views?.limit?.imagesPerSecond as number) > profile.imagesPerSecond,
    "no view is made faster than it can be copied",
  );
  assert.ok((profile.limits.memoryCopyBytesPerSecond as number) > 1e8);
  const text = await dctstream(args);
  assert.match(text.stdout, /^views bound: .*\n\nstage .*\nviews .*\ncollate /);
});

test("profile read: a store of low bandwidth is named", async (t) => {
  logIn();
  const server = await S3Server.start();
  const file = path.join(projectRoot, "dist", "bench", "slow-proxy.js");
  const proxy = spawn(process.execPath, [file, server.endpoint, "5", "300e3"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(async () => {
    proxy.kill();
    await closeStorage();
    await server.stop();
  });
  await server.bucket("slow");
  configureStorage({ s3: { endpoint: server.endpoint } });
  const source = await writeTar(path.join(temporaryFolder(t), "in.tar"), sampleEntries(120));
  const { manifest } = await preprocess({ sources: [source], out: "s3://slow/shards", codec: "none", workers: 1 });
  const endpoint = await new Promise<string>((resolve) =>
    proxy.stdout.once("data", (line) => resolve(String(line).trim())),
  );
  const args = [
    "profile",
    "read",
    manifest,
    "--s3-endpoint",
    endpoint,
    "--workers",
    "1",
    "--seconds",
    "2",
    "--batch-size",
    "16",
    "--json",
  ];
  const profile = profileOf(await dctstream(args));
  assert.equal(profile.bottleneck, "storage", profile.verdict);
  const views = profile.stages.find(({ name }) => name === "views");
  assert.ok((views?.waitForInput as number) > 0.5, "and the view threads wait for it");
  const shape = [
    "--network",
    "late-concat",
    "--width",
    "0.125",
    "--input-size",
    "32",
    "--batch-size",
    "8",
    "--seconds",
    "2",
  ];
  const training = ["profile", "train", manifest, "--s3-endpoint", endpoint, ...shape, "--json"];
  const trained = profileOf(await dctstream(training));
  assert.equal(trained.bottleneck, "storage", trained.verdict);
  assert.match(
    trained.verdict,
    /^input bound: [\d.]+ images\/s, steps wait \d+ % of the time for data; storage is (saturated|the busiest) \(busy \d+ %\)/,
  );
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
  assert.deepEqual([missing.status, /Missing required argument: network/.test(missing.stderr)], [2, true]);
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
    assert.ok(stepMsP10 <= stepMs && stepMs <= stepMsP90 && stepMs > 0 && steps > 1);
    assert.ok(Math.abs(imagesPerSecond - 4000 / stepMs) < 1e-6);
    assert.ok((found.gmacsPerSecond as number) > 0);
  }
  const wrong = await dctstream(["profile", "network", "late-concat", "--seconds", "0"]);
  assert.deepEqual([wrong.status, /option seconds must be more than 0/.test(wrong.stderr)], [2, true]);
});
