import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";
import type { Profile } from "../../tools/profile/stage.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { sampleEntries } from "../support/dataset.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { heldServer } from "../support/held-server.js";
import { checkShares } from "../support/profiles.js";
import { freePort } from "../support/s3-server.js";
import { twoClasses } from "../support/two-classes.js";
import { until } from "../support/until.js";

const small = ["--width", "0.125", "--input-size", "32", "--batch-size", "8", "--lr", "0.02"];

/** What a run serves at /metrics, as soon as a line of it is there. */
function metricsWith(line: RegExp, port: number): Promise<string> {
  return until(`the metrics have ${line}`, async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
    const text = answer?.ok ? await answer.text() : "";
    return line.test(text) && text;
  });
}

test("a run's config.json is a whole run: given to --config, the same comes out", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  const [one, two] = [path.join(folder, "one"), path.join(folder, "two")];
  const options = [
    "--ema",
    "0.9",
    "--mixup",
    "0.2",
    "--label-smoothing",
    "0.1",
    "--jitter",
    "0.3",
    "--schedule",
    "cosine",
  ];
  const first = await dctstream([
    "train",
    manifest,
    "--network",
    "late-concat",
    ...small,
    ...options,
    "--max-steps",
    "4",
    "--out",
    one,
    "--json",
  ]);
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stderr, /settings: .*ema=0\.9.*mixup=0\.2/);
  assert.match(first.stderr, /every epoch leaves out 6 samples/, "30 are no multiple of 8");
  const second = await dctstream(["train", "--config", path.join(one, "config.json"), "--out", two, "--json"]);
  assert.equal(second.status, 0, second.stderr);
  assert.equal(lastJson(second).loss, lastJson(first).loss);
  assert.deepEqual(readFileSync(path.join(two, "weights.bin")), readFileSync(path.join(one, "weights.bin")));
  const yaml = path.join(folder, "run.yaml");
  writeFileSync(
    yaml,
    `manifest: ${manifest}\nnetwork: resnet50-rgb\npreset: tiny\nbatch-size: 8\nmax-steps: 1\nout: ${path.join(folder, "three")}\nwidth: 0.125\n`,
  );
  const third = await dctstream(["train", "--config", yaml, "--json"]);
  for (const setting of ['schedule="cosine"', "zero-init=true", "width=0.125", "input-size=64"])
    assert.ok(third.stderr.includes(` ${setting} `), `${setting}: a preset gives way to what is given`);
  const missing = await dctstream(["train", "--network", "resnet50-rgb", "--out", two]);
  assert.deepEqual([missing.status, /<manifest> is missing/.test(missing.stderr)], [2, true]);
});

test("from tars as they lie: indexed once, the losses of shards, and evaluated", async (t) => {
  const folder = temporaryFolder(t);
  const tar = await writeTar(path.join(folder, "train-0.tar"), sampleEntries(40));
  const pattern = path.join(folder, "train-*.tar");
  const env = { XDG_CACHE_HOME: path.join(folder, "user") };
  const run = (args: readonly string[]) => dctstream(args, { env });
  const losses: unknown[] = [];
  assert.equal((await run(["preprocess", tar, "--out", path.join(folder, "shards")])).status, 0);
  const index = path.join(folder, "train.index");
  const made = await run(["index", pattern, "--out", index, "--json"]);
  assert.equal(made.status, 0, made.stderr);
  const { samples, inSources } = lastJson(made) as { samples: number; inSources: number };
  assert.ok(samples === 40 && inSources > 20 && inSources < 40, `${inSources} of ${samples}`);
  for (const [name, data] of Object.entries({ shards: path.join(folder, "shards"), index, tars: pattern })) {
    const args = ["--network", "late-concat", ...small, "--max-steps", "3", "--out", path.join(folder, name), "--json"];
    const trained = await run(["train", data, ...args]);
    assert.equal(trained.status, 0, trained.stderr);
    assert.equal(/indexing/.test(trained.stderr), name === "tars", trained.stderr);
    losses.push([lastJson(trained).firstLoss, lastJson(trained).loss]);
  }
  assert.deepEqual(losses, [losses[0], losses[0], losses[0]]);
  const evaluated = await run(["evaluate", path.join(folder, "tars"), pattern, "--json"]);
  assert.equal(evaluated.status, 0, evaluated.stderr);
  assert.equal(lastJson(evaluated).samples, 40);
  assert.equal(readdirSync(path.join(folder, "user", "dctstream")).length, 1, "one index for both");
});

test("Ctrl-C leaves a checkpoint, and the same command goes on after it", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  await twoClasses(folder, 8, "val");
  const out = path.join(folder, "run");
  // Three steps an epoch, and a validation whose second read of pictures comes to an end only after the interruption.
  const served = await heldServer(t, folder, (name, reads) => (name.endsWith(".arrow") && reads > 0 ? 0 : undefined));
  const val = ["--val", served.url("val/manifest.json")];
  const shape = ["--network", "resnet50-rgb", ...small, "--max-steps", "12"];
  const args = ["train", manifest, ...val, ...shape, "--out", out, "--json"];
  const stopped = await dctstream(args, { interruptOn: /step 3\/12/ });
  assert.equal(stopped.status, 130);
  assert.match(
    stopped.stderr,
    /checkpoint after step \d+.*interrupted by SIGINT; run the same command again to resume/s,
  );
  const going = lastJson(await dctstream(["evaluate", out, manifest, "--json"]));
  assert.equal(going.samples, 30, "its latest checkpoint can be evaluated meanwhile");
  served.release();
  const resumed = await dctstream(args);
  const { resumedAt, steps } = lastJson(resumed);
  assert.ok((resumedAt as number) >= 3 && (resumedAt as number) < 12, String(resumedAt));
  assert.equal(steps, 12);
  assert.match(resumed.stderr, new RegExp(`resuming after step ${resumedAt}`));
  const events = readdirSync(path.join(out, "tensorboard")).map((name) =>
    readFileSync(path.join(out, "tensorboard", name), "latin1"),
  );
  for (const tag of ["train/loss", "train/learning_rate", "speed/input_stall_fraction"])
    assert.ok(
      events.some((text) => text.includes(tag)),
      tag,
    );
});

test("preprocess --metrics-port serves its stages, and --profile tells of them", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) await writeTar(path.join(folder, `${name}.tar`), sampleEntries(200, name));
  // Of the second source no more comes than the look at it that tells what it is, until the metrics are seen.
  const served = await heldServer(t, folder, (name, reads) => (name === "b.tar" && reads > 0 ? 0 : undefined));
  const port = await freePort();
  const args = [
    "preprocess",
    served.url("a.tar"),
    served.url("b.tar"),
    "--out",
    path.join(folder, "shards"),
    "--metrics-port",
    String(port),
    "--workers",
    "1",
  ];
  const run = dctstream([...args, "--profile", "--trace", path.join(folder, "trace.json"), "--json"]);
  const text = await metricsWith(/^dctstream_stage_images_total\{stage="decode"\} [1-9]/m, port);
  served.release();
  const outcome = await run;
  assert.equal(outcome.status, 0, outcome.stderr);
  const stages = ["storage", "read", "decode", "write", "output"];
  for (const stage of stages)
    assert.match(text, new RegExp(`^dctstream_stage_busy_seconds_total{stage="${stage}"} `, "m"));
  const { profile, samples } = lastJson(outcome) as unknown as { profile: Profile; samples: number };
  checkShares(profile);
  assert.deepEqual([profile.stages.map(({ name }) => name), samples], [stages, 400]);
  assert.ok(readFileSync(path.join(folder, "trace.json"), "utf8").includes('"name":"queue: decode"'));
});

test("--metrics-port serves what the live line shows", async (t) => {
  const folder = temporaryFolder(t);
  const [manifest, val] = [await twoClasses(folder, 30, "train"), await twoClasses(folder, 8, "val")];
  const port = await freePort();
  const args = [
    "train",
    manifest,
    "--val",
    val,
    "--network",
    "resnet50-rgb",
    ...small,
    "--max-steps",
    "1000000",
    "--metrics-port",
    String(port),
  ];
  const validated = metricsWith(/^dctstream_val_top1 [01]/m, port);
  const { status, stderr } = await dctstream([...args, "--out", path.join(folder, "run")], {
    interruptWhen: validated,
  });
  assert.equal(status, 130, stderr);
  const text = await validated;
  for (const name of ["train_step", "train_loss", "train_images_per_second", "train_input_stall_fraction"])
    assert.match(
      text,
      new RegExp(`^# HELP dctstream_${name} .+\\n# TYPE dctstream_${name} gauge\\ndctstream_${name} [0-9.e+-]+$`, "m"),
    );
  for (const name of [
    "busy_seconds",
    "wait_input_seconds",
    "wait_output_seconds",
    "images",
    "bytes",
    "queue_item_seconds",
  ])
    for (const stage of ["views", "collate", "step"])
      assert.match(text, new RegExp(`^dctstream_stage_${name}_total{stage="${stage}"} [0-9.e+-]+$`, "m"));
  const value = (name: string) =>
    Number(new RegExp(`^dctstream_stage_${name}{stage="step"} (.*)$`, "m").exec(text)?.[1]);
  assert.ok(value("busy_seconds_total") > 0 && value("images_total") > 0 && value("threads") === 1);
  const taken = createServer().listen(port);
  const refused = await dctstream([...args, "--out", path.join(folder, "other")]);
  taken.close();
  assert.deepEqual([refused.status, /metrics-port: .*EADDRINUSE/.test(refused.stderr)], [2, true]);
});

test("evaluate --html: one file without requests, with the mistakes as pictures", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 30, "train");
  const out = path.join(folder, "run");
  await dctstream(["train", manifest, "--network", "resnet50-rgb", ...small, "--max-steps", "1", "--out", out]);
  const page = path.join(folder, "page.html");
  const { status, stdout } = await dctstream(["evaluate", out, manifest, "--html", page, "--json"]);
  assert.equal(status, 0);
  const { mistakes, top1 } = lastJson({ status, stdout, stderr: "" }) as {
    mistakes: { key: string; probability: number }[];
    top1: number;
  };
  assert.equal(mistakes.length, Math.min(24, Math.round(30 * (1 - top1))));
  assert.deepEqual(
    mistakes,
    [...mistakes].sort((a, b) => b.probability - a.probability),
  );
  const html = readFileSync(page, "utf8");
  assert.equal(html.match(/<img src="data:image\/jpeg;base64,[A-Za-z0-9+/]{500,}/g)?.length, mistakes.length);
  for (const { key } of mistakes) assert.ok(html.includes(key));
  assert.ok(!/(src|href)="(?!data:)/.test(html), "nothing from elsewhere");
  assert.match(html, /class="matrix".*amber.*blue/s);
});
