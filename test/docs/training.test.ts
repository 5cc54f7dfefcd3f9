import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { presets } from "../../src/train/presets.js";
import { metricNames } from "../../tools/metrics.js";
import { dctstream } from "../support/command-line.js";
import { projectRoot } from "../support/files.js";

const text = readFileSync(path.join(projectRoot, "docs", "training.md"), "utf8");

test("every option that docs/training.md names is one, and every preset and metric is named", async () => {
  const helps = await Promise.all(
    ["train", "evaluate", "predict"].map(async (name) => (await dctstream([name, "--help"])).stdout),
  );
  const known = new Set(
    helps.flatMap((help) => [...help.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1] as string)),
  );
  for (const [, option = ""] of text.matchAll(/`(?:[^`]* )?--([a-z][a-z0-9-]*)/g))
    assert.ok(known.has(option.replace(/^no-/, "")) || option === "hostfile", option);
  for (const preset of Object.keys(presets)) assert.ok(text.includes(`| \`${preset}\` |`), preset);
  const profile = readFileSync(path.join(projectRoot, "docs", "profile.md"), "utf8");
  // In the table, those after the first of a row leave out what they share with it.
  for (const name of metricNames) {
    const short = name.replace(/^dctstream_(train|val)/, "");
    const page = name.startsWith("dctstream_stage_") ? profile : text;
    assert.ok(page.includes(`\`${name}\``) || page.includes(`\`${short}\``), name);
  }
});
