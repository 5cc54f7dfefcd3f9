import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readJpeg } from "../../src/native/index.js";
import { randomFor } from "../../src/shards/random.js";
import { demoCommand } from "../../tools/commands/demo.js";
import { demoClasses, makeDemoImage } from "../../tools/demo/images.js";
import { Browser } from "../support/browser.js";
import { temporaryFolder } from "../support/files.js";
import { lookAtAll, pageText } from "../support/pages.js";

test("the two hues of a pattern differ in chroma and not in luma", () => {
  const meanDc = (label: number) => {
    const sums = [0, 0, 0];
    const blocks = [0, 0, 0];
    for (let i = 0; i < 40; i++) {
      const { frequencies } = readJpeg(makeDemoImage(label, randomFor(1, "hue", i)).jpeg, 1e8, "none");
      for (const c of [0, 1, 2]) {
        sums[c] = (sums[c] as number) + (frequencies[3 + 64 * c] as number);
        blocks[c] = (blocks[c] as number) + (frequencies[c] as number);
      }
    }
    return sums.map((sum, c) => sum / (blocks[c] as number) / 8) as [number, number, number];
  };
  assert.equal(demoClasses.length, 8);
  const [amber, blue] = [meanDc(0), meanDc(1)];
  assert.ok(Math.abs(amber[0] - blue[0]) < 4, `luma ${amber[0]} and ${blue[0]}`);
  assert.ok(blue[1] - amber[1] > 25 && amber[2] - blue[2] > 25, `chroma ${amber} and ${blue}`);
});

test("the demo's report is one file that asks for nothing and says what was done", async (t) => {
  const out = temporaryFolder(t);
  const { signal } = new AbortController();
  const { result, text } = await demoCommand.run(
    { out, epochs: 0.1, workers: 2 },
    {
      signal,
      log: () => {},
      interactive: false,
      print: async () => {},
      onFailure: () => {},
      configFile: () => ({}),
      keepWorkSafe: () => {},
    },
  );
  const { results, preprocess, report } = result as {
    results: { network: string; top1: number }[];
    preprocess: { samples: number; errors: object };
    report: string;
  };
  assert.deepEqual(
    results.map(({ network }) => network),
    ["resnet50-rgb", "late-concat-rfa-thinner"],
  );
  // Of the broken files the truncated one keeps what it has and the CMYK one is converted.
  assert.equal(preprocess.samples, 1602);
  assert.deepEqual(preprocess.errors, { NOT_A_JPEG: 2, MISSING_LABEL: 1 });
  assert.equal(report, path.join(out, "report.html"));
  assert.match(text, /report\.html/);
  const html = readFileSync(report, "utf8");
  assert.equal([...html.matchAll(/<img src="data:image\/jpeg;base64,/g)].length, 8);
  await using browser = await Browser.start();
  await lookAtAll(browser, report, 2);
  const written = pageText(report);
  assert.ok(!written.includes("NaN") && !written.includes("undefined"));
  for (const word of [...demoClasses, "top-1", "images/s", "NOT_A_JPEG"]) assert.ok(html.includes(word), word);
});
