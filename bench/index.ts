// An index of untouched JPEGs: how fast it is made, per core, without I/O; and views through the whole loader from tars
// with it, from shards of the same tars, and libjpeg's partial decode with a resize (small images: its full decode), by
// turns.
//
//   node dist/bench/index.js [--originals TARS..] [--small TARS..]      some minutes
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { buildSeekSample, factNumbers } from "../src/native/index.js";
import { Loader } from "../src/pipeline/load/loader.js";
import { indexSources } from "../src/pipeline/preprocess/index-sources.js";
import { preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { medianOf } from "../tools/profile/quantile.js";
import { compileWithCores } from "./cores.js";
import { benchImages, namedTars, printMachine } from "./images.js";
import { framed, kernelRates, measureLimits } from "./limits.js";
import { usually } from "./settings.js";

const folder = mkdtempSync(path.join(tmpdir(), "dctstream-index-"));
const limits = path.join(folder, "limits");
const views = path.join(folder, "views");
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

const forms = ["index", "zstd", "none"] as const;
type FormName = (typeof forms)[number];

/** The same tars as data sets of each form: their manifests. */
async function makeForms(tars: readonly string[], to: string): Promise<Record<FormName, string>> {
  const manifests: Partial<Record<FormName, string>> = {};
  for (const form of forms) {
    const job = { sources: [...tars], out: path.join(to, form) };
    const report = form === "index" ? await indexSources(job) : await preprocess({ ...job, codec: form });
    manifests[form] = report.manifest;
    console.log(`  ${form}: ${((100 * report.outputBytes) / report.inputBytes).toFixed(2)} % of the JPEGs' bytes`);
  }
  return manifests as Record<FormName, string>;
}

/** Images per second of an epoch by one view thread. */
async function epochRate(loader: Loader, epoch: number): Promise<number> {
  const started = performance.now();
  for await (const batch of loader.epoch(epoch)) batch.release();
  return (1000 * loader.steps * loader.batchSize) / (performance.now() - started);
}

async function compareViews(
  images: readonly Uint8Array[],
  tars: readonly string[],
  kind: "resized" | "whole",
): Promise<void> {
  const rates = kernelRates(views, images, kind);
  const peer = (kind === "resized" ? rates["libjpeg-partial"] : rates["libjpeg-full"]) as number;
  console.log(
    `  libjpeg, ${kind === "resized" ? "partial decode + resize" : "full decode"}: ${peer.toFixed(0)} images/s`,
  );
  const manifests = await makeForms(tars, path.join(folder, kind));
  for (const view of ["dct", "rgb"] as const) {
    const augment = kind === "resized" ? "train" : "none";
    const options = { view: { kind: view, size: 224, augment }, batchSize: usually(64, 2), workers: 1 } as const;
    const loaders = await Promise.all(forms.map((form) => Loader.open(manifests[form], options)));
    const found = forms.map((): number[] => []);
    for (let epoch = 0; epoch <= usually(9, 1); epoch++)
      for (const [i, loader] of loaders.entries()) {
        const rate = await epochRate(loader, epoch);
        if (epoch > 0) found[i]?.push(rate); // the first warms threads and caches up
      }
    const [index, zstd] = found.map(medianOf) as [number, number];
    for (const [i, form] of forms.entries()) {
      const rate = medianOf(found[i] as number[]);
      console.log(
        `  loader, ${view}, ${form.padEnd(5)} ${rate.toFixed(0).padStart(6)} images/s  x ${(rate / peer).toFixed(2)}`,
      );
    }
    const [tar, shards] = loaders as [Loader, Loader];
    const share = (
      (100 * tar.bytesPerView * images.length) /
      images.reduce((sum, { length }) => sum + length, 0)
    ).toFixed(0);
    console.log(
      `  ${view}: the index makes ${(index / zstd).toFixed(2)} of zstd's; a view reads ${share} % of its file, ${(tar.bytesPerView / shards.bytesPerView).toFixed(2)} of its record`,
    );
    await Promise.all(loaders.map((loader) => loader.close()));
  }
}

try {
  printMachine();
  compileWithCores("limits.cc", limits);
  compileWithCores("views.cc", views);
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
    if (tars.length > 0) await compareViews(images, tars, name === "originals" ? "resized" : "whole");
  }
} finally {
  rmSync(folder, { recursive: true });
}
