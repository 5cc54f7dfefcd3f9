// The table in the README: images per second and core of everything that leads from a JPEG to a network's input. Kernels in C++ without I/O
// (bench/views.cc, compiled here), and the whole loader from shards on disk. Ratios are of one run.
//
//   node dist/bench/views.js [--originals TARS..] [--small TARS..]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Codec } from "../src/native/index.js";
import { Loader } from "../src/pipeline/load/loader.js";
import { preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { benchImages, printMachine } from "./images.js";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const folder = mkdtempSync(path.join(tmpdir(), "dctstream-views-"));

/** Compiles the cores as the addon is compiled, with the bench in front. */
function build(): string {
  const program = path.join(folder, "views");
  const sources = spawnSync("sh", ["-c", `ls ${root}/src/native/*.cc | grep -v binding`], { encoding: "utf8" }).stdout;
  const flags = [
    "-std=c++17",
    "-O3",
    "-fno-math-errno",
    "-Wno-psabi",
    ...(process.arch === "x64" ? ["-march=x86-64-v2"] : []),
  ];
  const files = [path.join(root, "bench", "views.cc"), ...sources.trim().split("\n")];
  const done = spawnSync("g++", [...flags, ...files, "-ljpeg", "-lzstd", "-o", program], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return program;
}

type Rates = Record<string, number>;

function kernels(program: string, images: readonly Uint8Array[], kind: "resized" | "whole"): Rates {
  const framed = images.flatMap((image) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(image.length);
    return [length, image];
  });
  const done = spawnSync(program, ["224", kind, "9"], { input: Buffer.concat(framed), maxBuffer: 1 << 24 });
  if (done.status !== 0) throw new Error(String(done.stderr));
  const lines = String(done.stdout).trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(" ")).map(([name, rate]) => [name, Number(rate)]));
}

/** Best of several epochs: a loader is as fast as the machine lets it be. */
async function loaderRate(manifest: string, view: "dct" | "rgb", augment: "train" | "none", workers: number) {
  const options = { view: { kind: view, size: 224, augment }, batchSize: 128, workers } as const;
  await using loader = await Loader.open(manifest, options);
  const rates: number[] = [];
  let busy = 0;
  const end = performance.now() + 4000;
  for (let epoch = 0; epoch < 4 || performance.now() < end; epoch++) {
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

const { values } = parseArgs({
  options: { originals: { type: "string", multiple: true }, small: { type: "string", multiple: true } },
});

const rounded = (rate: number | undefined) => (rate === undefined ? "-" : String(Math.round(rate)));

try {
  printMachine();
  const program = build();
  for (const [name, tars, kind] of [
    ["originals, RandomResizedCrop 224 + flip", values.originals, "resized"],
    ["224-px records, no resize", values.small, "whole"],
  ] as const) {
    if (tars === undefined) continue;
    const images = await benchImages(tars);
    const rates = kernels(program, images, kind);
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
    row("libjpeg, full decode + resize", undefined, rates["libjpeg-full"]);
    if (rates["libjpeg-partial"]) row("libjpeg, partial decode + resize", undefined, rates["libjpeg-partial"]);
    row("libjpeg, coefficients only, not resized", rates["libjpeg-coefficients"], undefined);
    for (const codec of ["zstd", "none"] as const satisfies readonly Codec[]) {
      const shards = path.join(folder, `${kind}-${codec}`);
      const { manifest } = await preprocess({ sources: tars, out: shards, codec });
      row(`kernel, ${codec}`, rates[`dct-${codec}`], rates[`rgb-${codec}`]);
      for (const workers of [1, 2]) {
        const [dct, rgb] = [
          await loaderRate(manifest, "dct", augment, workers),
          await loaderRate(manifest, "rgb", augment, workers),
        ];
        row(`loader, ${codec}, ${workers} worker${workers > 1 ? "s, of both" : ""}`, dct.rate, rgb.rate);
        console.log(
          `  ${"".padEnd(44)} ${(dct.rate / (rates[`dct-${codec}`] as number)).toFixed(2)} and ${(rgb.rate / (rates[`rgb-${codec}`] as number)).toFixed(2)} of the kernel; main thread ${(100 * dct.busy).toFixed(1)} % busy`,
        );
      }
    }
    const written = 4 * 224 * 224 * 1.5;
    console.log(
      `  plain stores to memory: ${((rates["write-bytes"] as number) / 1e9).toFixed(1)} GB/s; the kernel to DCT, none, writes ${(((rates["dct-none"] as number) * written) / 1e9).toFixed(1)} GB/s, ${((100 * (rates["dct-none"] as number) * written) / (rates["write-bytes"] as number)).toFixed(0)} % of it`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
