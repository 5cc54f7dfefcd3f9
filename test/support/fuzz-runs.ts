// The fuzz targets, for a number of inputs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { projectRoot, temporaryFolder } from "./files.js";
import { arithmeticKind, cmykKind, jpegKinds, makeJpeg, progressiveKind, rgbKind } from "./jpegs.js";

export function testFuzzTargets(runs: number): void {
  test(`${runs} inputs for each of the fuzz targets, with all findings so far: nothing is found`, (t) => {
    const corpus = temporaryFolder(t);
    for (const [i, kind] of [...jpegKinds, progressiveKind, arithmeticKind, cmykKind, rgbKind].entries())
      writeFileSync(path.join(corpus, `kind-${i}.jpg`), makeJpeg(kind));
    const fuzz = path.join(projectRoot, "tools", "fuzz.mjs");
    const done = spawnSync(process.execPath, [fuzz, "--runs", String(runs), "--corpus", corpus], { encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr.slice(-4000));
    const units = [...done.stderr.matchAll(/number_of_executed_units: (\d+)/g)].map(([, count]) => Number(count));
    assert.equal(units.length, 5);
    assert.ok(
      units.every((count) => count >= runs),
      units.join(),
    );
  });
}
