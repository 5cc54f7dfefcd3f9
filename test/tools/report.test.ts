// The pages as a browser shows them: a phone's width and a desk's, light and dark.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { dctstream } from "../support/command-line.js";
import { makeDataset } from "../support/dataset.js";
import { temporaryFolder } from "../support/files.js";

interface Seen {
  /** Charts, and those of them that hold something else than one colour. */
  readonly charts: number;
  readonly drawn: number;
  /** Pixels that the page is wider than the window. */
  readonly overflow: number;
  readonly background: string;
  readonly requests: number;
}

const probe = `<script>addEventListener("load", () => setTimeout(() => {
  const canvases = [...document.querySelectorAll("canvas")];
  const drawn = canvases.filter((canvas) => new Set(new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 5);
  const { scrollWidth, clientWidth } = document.documentElement;
  document.body.dataset.seen = JSON.stringify({ charts: canvases.length, drawn: drawn.length, overflow: scrollWidth - clientWidth, background: getComputedStyle(document.body).backgroundColor, requests: performance.getEntriesByType("resource").length });
}, 200))</script>`;

/** What a browser makes of a page. Nothing may be said on its console. */
function look(page: string, width: number, dark: boolean): Seen {
  const file = page.replace(".html", `-${width}-${dark}.html`);
  writeFileSync(file, readFileSync(page, "utf8").replace("</body>", `${probe}</body>`));
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=3000"];
  const scheme = `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`;
  const done = spawnSync("chromium", [...args, scheme, `--window-size=${width},900`, "--dump-dom", `file://${file}`], {
    encoding: "utf8",
    timeout: 60_000,
    maxBuffer: 1 << 26,
  });
  const said = done.stderr.split("\n").filter((line) => line.includes("CONSOLE"));
  assert.deepEqual(said, [], "nothing on the console");
  const seen = /data-seen="([^"]+)"/.exec(done.stdout)?.[1];
  assert.ok(seen !== undefined, done.stderr);
  return JSON.parse(seen.replaceAll("&quot;", '"')) as Seen;
}

function lookAtAll(page: string, charts: number): void {
  const text = readFileSync(page, "utf8");
  assert.doesNotMatch(text.replace(/<script>[\s\S]*?<\/script>/g, ""), /(src|href)="https?:/, "asks for nothing");
  const backgrounds = new Set<string>();
  for (const width of [500, 1280])
    for (const dark of [false, true]) {
      const { background, ...seen } = look(page, width, dark);
      assert.deepEqual(
        seen,
        { charts, drawn: charts, overflow: 0, requests: 0 },
        `${path.basename(page)}, ${width} px`,
      );
      backgrounds.add(background);
    }
  assert.equal(backgrounds.size, 2, "light and dark");
}

test("the pages of a profile, a training run and an evaluation", async (t) => {
  const folder = temporaryFolder(t);
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
  lookAtAll(at("profile.html"), 2);
  const files = ["--profile", "--html", at("run.html"), "--trace", at("trace.json")];
  const trained = await run("train", manifest, ...shape, "--epochs", "2", "--out", at("run"), ...files);
  assert.match(trained.stdout, /(device|input) bound: .*\n\nstage .*\nviews .*\ncollate .*\nstep /);
  lookAtAll(at("run.html"), 6);
  const { traceEvents } = JSON.parse(readFileSync(at("trace.json"), "utf8")) as {
    traceEvents: { ph: string; tid: number; ts: number; dur: number }[];
  };
  const ends = new Map<number, number>();
  for (const { tid, ts, dur } of traceEvents.filter(({ ph }) => ph === "X").sort((a, b) => a.ts - b.ts)) {
    assert.ok(ts >= (ends.get(tid) ?? 0) - 1, "pieces of work in one row do not overlap");
    ends.set(tid, ts + dur);
  }
  assert.ok(ends.size >= 3 && traceEvents.some(({ ph }) => ph === "C"));
  await run("evaluate", at("run"), manifest, "--html", at("evaluation.html"));
  lookAtAll(at("evaluation.html"), 0);
});
