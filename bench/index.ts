// An index of untouched JPEGs: how fast it is made, per core, without I/O.
//
//   node dist/bench/index.js [--originals TARS..] [--small TARS..]      a minute or two
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { buildSeekSample, factNumbers } from "../src/native/index.js";
import { medianOf } from "../tools/profile/quantile.js";
import { compileWithCores } from "./cores.js";
import { benchImages, namedTars, printMachine } from "./images.js";
import { framed, measureLimits } from "./limits.js";
import { usually } from "./settings.js";

const folder = mkdtempSync(path.join(tmpdir(), "dctstream-index-"));
const limits = path.join(folder, "limits");
const seconds = usually(1, 0.1);

/** Images per second of one thread, as the command that makes an index notes them: with statistics. */
function buildRate(images: readonly Uint8Array[]): number {
  const facts = new Float64Array(factNumbers);
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < 1000 * seconds) {
    for (const image of images) buildSeekSample(image, { maxPixels: 1e8 }, facts);
    done += images.length;
  }
  return (1000 * done) / (performance.now() - started);
}

/** What cannot be entered costs next to nothing, and is left out. */
const canBeIndexed = (image: Uint8Array) => "block" in buildSeekSample(image, { maxPixels: 1e8 });

/** Building against libjpeg's coefficient reading of the same images, by turns. */
function compareBuilding(images: readonly Uint8Array[]): void {
  const input = framed(images);
  const rounds = Array.from({ length: usually(9, 1) }, () => {
    const { libjpeg, baseline } = measureLimits(limits, input, 1, String(seconds));
    return { libjpeg, baseline, build: buildRate(images) };
  });
  const [libjpeg, baseline, build] = (["libjpeg", "baseline", "build"] as const).map((name) =>
    medianOf(rounds.map((round) => round[name])),
  ) as [number, number, number];
  const ratio = (rate: number) => `x ${(rate / libjpeg).toFixed(2)}`;
  console.log(`  libjpeg, coefficients only        ${libjpeg.toFixed(0).padStart(6)} images/s`);
  console.log(`  our decoder, coefficients only    ${baseline.toFixed(0).padStart(6)} images/s  ${ratio(baseline)}`);
  console.log(`  index, with statistics            ${build.toFixed(0).padStart(6)} images/s  ${ratio(build)}`);
}

try {
  printMachine();
  compileWithCores("limits.cc", limits);
  const { originals, small } = namedTars("index");
  const sets = [
    ["originals", originals],
    ["224-px files", small],
    ["generated pictures", originals === undefined && small === undefined ? [] : undefined],
  ] as const;
  for (const [name, tars] of sets) {
    if (tars === undefined) continue;
    const images = (await benchImages(tars)).filter(canBeIndexed);
    if (images.length === 0) throw new Error(`${name}: no image that can be indexed`);
    console.log(`\n${name}, ${images.length} images: made, per core, and x libjpeg`);
    compareBuilding(images);
    // Views come here.
  }
} finally {
  rmSync(folder, { recursive: true });
}
