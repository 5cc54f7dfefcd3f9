// The tables in the README and docs/loading.md: images per second and core of everything that leads from a JPEG to a
// network's input. Kernels in C++ without I/O (bench/views.cc, compiled here), and the whole loader from shards on
// disk. Ratios are of one run.
//
//   node dist/bench/views.js [--originals TARS..] [--small TARS..]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import type { Codec } from "../src/native/index.js";
import { Loader } from "../src/pipeline/load/loader.js";
import { type PreprocessReport, preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { compileWithCores } from "./cores.js";
import { benchImages, namedTars, printMachine } from "./images.js";
import { kernelRates } from "./limits.js";
import { usually } from "./settings.js";

const folder = mkdtempSync(path.join(tmpdir(), "dctstream-views-"));

/** Best of several epochs: a loader is as fast as the machine lets it be. */
async function loaderRate(
  { manifest, samples }: PreprocessReport,
  view: "dct" | "rgb",
  augment: "train" | "none",
  workers: number,
) {
  const options = { view: { kind: view, size: 224, augment }, batchSize: Math.min(128, samples), workers } as const;
  await using loader = await Loader.open(manifest, options);
  const rates: number[] = [];
  let busy = 0;
  const end = performance.now() + usually(4000, 0);
  for (let epoch = 0; epoch < usually(4, 2) || performance.now() < end; epoch++) {
    const before = performance.eventLoopUtilization();
    const started = performance.now();
    for await (const batch of loader.epoch(epoch)) batch.release();
    if (epoch === 0) continue;
    rates.push((1000 * loader.steps * loader.batchSize) / (performance.now() - started));
    busy = performance.eventLoopUtilization(before).utilization;
  }
  rates.sort((a, b) => a - b);
  return { rate: rates[Math.floor(rates.length / 2)] as number, busy };
}

const given = namedTars("views");

const rounded = (rate: number | undefined) => (rate === undefined ? "-" : String(Math.round(rate)));

try {
  printMachine();
  const program = compileWithCores("views.cc", path.join(folder, "views"));
  for (const [name, tars, kind] of [
    ["originals, RandomResizedCrop 224 + flip", given.originals, "resized"],
    ["224-px records, no resize", given.small, "whole"],
  ] as const) {
    if (tars === undefined) continue;
    const images = await benchImages(tars);
    const rates = kernelRates(program, images, kind);
    const reference = (kind === "resized" ? rates["libjpeg-partial"] : rates["libjpeg-full"]) as number;
    const augment = kind === "resized" ? "train" : "none";
    console.log(
      `\n${name}: ${images.length} images; images per second and core, and x ${kind === "resized" ? "partial libjpeg decode + resize" : "libjpeg to RGB"}`,
    );
    const row = (what: string, dct: number | undefined, rgb: number | undefined) => {
      const cell = (rate: number | undefined) =>
        `${rounded(rate).padStart(7)} ${rate === undefined ? "      " : `x ${(rate / reference).toFixed(1)}`.padEnd(6)}`;
      console.log(`  ${what.padEnd(44)} DCT ${cell(dct)}  RGB ${cell(rgb)}`);
    };
    row(`libjpeg, full decode${kind === "resized" ? " + resize" : ", as floats"}`, undefined, rates["libjpeg-full"]);
    if (rates["libjpeg-partial"]) row("libjpeg, partial decode + resize", undefined, rates["libjpeg-partial"]);
    if (rates["libjpeg-bytes"]) row("libjpeg, full decode, 8-bit", undefined, rates["libjpeg-bytes"]);
    row("libjpeg, coefficients only, not resized", rates["libjpeg-coefficients"], undefined);
    for (const codec of ["zstd", "none"] as const satisfies readonly Codec[]) {
      const shards = path.join(folder, `${kind}-${codec}`);
      const report = await preprocess({ sources: tars, out: shards, codec });
      row(`kernel, ${codec}`, rates[`dct-${codec}`], rates[`rgb-${codec}`]);
      const bytes = rates[`bytes-${codec}`];
      if (bytes) {
        const ratio = (bytes / (rates["libjpeg-bytes"] as number)).toFixed(1);
        console.log(
          `  ${`kernel, ${codec}, 8-bit`.padEnd(44)} RGB ${rounded(bytes).padStart(7)} x ${ratio} libjpeg's 8-bit`,
        );
      }
      for (const workers of [1, 2]) {
        const [dct, rgb] = [
          await loaderRate(report, "dct", augment, workers),
          await loaderRate(report, "rgb", augment, workers),
        ];
        row(`loader, ${codec}, ${workers} worker${workers > 1 ? "s, of both" : ""}`, dct.rate, rgb.rate);
        console.log(
          `  ${"".padEnd(44)} ${(dct.rate / (rates[`dct-${codec}`] as number)).toFixed(2)} and ${(rgb.rate / (rates[`rgb-${codec}`] as number)).toFixed(2)} of the kernel; main thread ${(100 * dct.busy).toFixed(1)} % busy`,
        );
      }
    }
    row("kernel, tar + index", rates["dct-index"], rates["rgb-index"]);
    const perCent = (share: number | undefined) => `${(100 * (share ?? 0)).toFixed(2)} %`;
    console.log(
      `  index: ${perCent(rates["index-share"])} of the files, made at ${rounded(rates["index-build"])} files per second; a view reads ${perCent(rates["range-share"])} of its file`,
    );
    const written = 4 * 224 * 224 * 1.5;
    console.log(
      `  plain stores to memory: ${((rates["write-bytes"] as number) / 1e9).toFixed(1)} GB/s; the kernel to DCT, none, writes ${(((rates["dct-none"] as number) * written) / 1e9).toFixed(1)} GB/s, ${((100 * (rates["dct-none"] as number) * written) / (rates["write-bytes"] as number)).toFixed(0)} % of it`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
