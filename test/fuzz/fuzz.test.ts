import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { arithmeticKind, cmykKind, jpegKinds, makeJpeg, progressiveKind, rgbKind } from "../support/jpegs.js";

test("a short run of the fuzz targets, with all findings so far, finds nothing", (t) => {
  const corpus = temporaryFolder(t);
  for (const [i, kind] of [...jpegKinds, progressiveKind, arithmeticKind, cmykKind, rgbKind].entries())
    writeFileSync(path.join(corpus, `kind-${i}.jpg`), makeJpeg(kind));
  const fuzz = path.join(projectRoot, "tools", "fuzz.mjs");
  const done = spawnSync(process.execPath, [fuzz, "--runs", "2000", "--corpus", corpus], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr.slice(-4000));
  const runs = [...done.stderr.matchAll(/number_of_executed_units: (\d+)/g)].map(([, count]) => Number(count));
  assert.equal(runs.length, 4);
  assert.ok(
    runs.every((count) => count >= 2000),
    runs.join(),
  );
});
