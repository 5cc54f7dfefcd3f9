import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Browser } from "../support/browser.js";
import { dctstream } from "../support/command-line.js";
import { makeDataset } from "../support/dataset.js";
import { temporaryFolder } from "../support/files.js";
import { lookAtAll } from "../support/pages.js";

test("the pages of a profile, a training run and an evaluation", async (t) => {
  const folder = temporaryFolder(t);
  await using browser = await Browser.start();
  const { manifest } = await makeDataset(folder, 60, { codec: "zstd" });
  const at = (name: string) => path.join(folder, name);
  const shape = ["--network", "late-concat", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];
  const run = async (...args: string[]) => {
    const outcome = await dctstream(args);
    assert.equal(outcome.status, 0, outcome.stderr);
    return outcome;
  };
  const sweep = ["--sweep", "workers=1,2"];
  const profiled = await run(
    "profile",
    "train",
    manifest,
    ...shape,
    "--seconds",
    "1",
    ...sweep,
    "--html",
    at("profile.html"),
  );
  assert.match(profiled.stdout, /workers {2}predicted, images\/s +measured +prediction is off by\n +1 /);
  const page = readFileSync(at("profile.html"), "utf8");
  for (const title of [
    "The pipeline",
    "What to change",
    "Stages",
    "Every step: compute against wait",
    "What every thread did",
    "Single pieces of work",
    "Other settings",
    "Where this was measured",
  ])
    assert.ok(page.includes(`<h2>${title}</h2>`), title);
  assert.match(page, /<td class="code">dctstream profile train .*--sweep workers=1,2 --html/);
  await lookAtAll(browser, at("profile.html"), 2);
  const files = ["--profile", "--html", at("run.html"), "--trace", at("trace.json")];
  const trained = await run("train", manifest, ...shape, "--epochs", "2", "--out", at("run"), ...files);
  assert.match(trained.stdout, /(device|input) bound: .*\n\nstage .*\nviews .*\ncollate .*\nstep /);
  await lookAtAll(browser, at("run.html"), 6);
  const { traceEvents } = JSON.parse(readFileSync(at("trace.json"), "utf8")) as {
    traceEvents: { ph: string; tid: number; ts: number; dur: number }[];
  };
  const ends = new Map<number, number>();
  for (const { tid, ts, dur } of traceEvents.filter(({ ph }) => ph === "X").sort((a, b) => a.ts - b.ts)) {
    assert.ok(ts >= (ends.get(tid) ?? 0) - 1, "pieces of work in one row do not overlap");
    ends.set(tid, ts + dur);
  }
  assert.ok(ends.size >= 3 && traceEvents.some(({ ph }) => ph === "C"));
  const network = ["profile", "network", at("run"), "--batch-size", "4", "--seconds", "0.3"];
  await run(...network, "--html", at("network.html"), "--trace", at("network.json"));
  await lookAtAll(browser, at("network.html"), 1);
  await run("profile", "storage", path.join(folder, "shards"), "--seconds", "0.3", "--html", at("storage.html"));
  await lookAtAll(browser, at("storage.html"), 1);
  const comparing = ["--width", "0.125", "--input-size", "32", "--batch-size", "8", "--seconds", "0.2"];
  await run("profile", "compare", manifest, ...comparing, "--html", at("compare.html"));
  await lookAtAll(browser, at("compare.html"), 0);
  await run("evaluate", at("run"), manifest, "--html", at("evaluation.html"));
  await lookAtAll(browser, at("evaluation.html"), 0);
});
