// Whether the profiler can be trusted here: what --profile costs, in runs with and without it by turns; and how far its
// predictions of other settings are from running them.
//
//   node dist/bench/profile.js SHARDS TARS..     a few minutes
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Loader } from "../src/pipeline/load/loader.js";
import { preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../src/shards/manifest.js";
import { train } from "../src/train/run/trainer.js";
import { throughputOf } from "../tools/profile/measure.js";
import { predict } from "../tools/profile/model.js";
import { profilePreprocess } from "../tools/profile/preprocess/measure.js";
import { medianOf } from "../tools/profile/quantile.js";
import { consumer, measureLoader, profileRead } from "../tools/profile/read/measure.js";
import { Recording } from "../tools/profile/recording.js";
import { printMachine } from "./images.js";
import { usually } from "./settings.js";

const [shards, ...tars] = process.argv.slice(2);
if (shards === undefined || tars.length === 0) throw new Error("usage: node dist/bench/profile.js SHARDS TARS..");
const rounds = usually(9, 1);
const seconds = usually(2, 0.2);
const steps = usually(25, 2);
const work = mkdtempSync(path.join(tmpdir(), "dctstream-bench-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
const manifest = await readManifest(shards);
printMachine();

type Run = (recorder: Recording | undefined) => Promise<number>;

const view = { kind: "rgb", size: 224, augment: "train" } as const;

/** Images a second of each; `recorder` is what --profile and --trace add to the counters that are always on. */
const runs: Readonly<Record<string, Run>> = {
  "reading views": async (recorder) => {
    await using loader = await Loader.open(manifest, { view, batchSize: 32, workers: 1, recorder });
    const { counters } = await measureLoader(loader, seconds, undefined);
    return throughputOf(counters, consumer);
  },
  preprocess: async (recorder) => {
    const out = path.join(work, "out");
    const report = await preprocess({ sources: tars, out, overwrite: true, passes: usually(6, 1), recorder });
    return report.imagesPerSecond;
  },
  training: async (recorder) => {
    const shape = { network: "late-concat-rfa-thinner", width: 0.25, inputSize: 96, batchSize: 32 };
    const out = path.join(work, "run");
    const report = await train({
      manifest: shards,
      out,
      overwrite: true,
      maxSteps: steps,
      epochs: steps,
      ...shape,
      recorder,
    });
    return report.imagesPerSecond;
  },
};

console.log(`\nwith a recorder against without, medians of ${rounds} rounds by turns`);
for (const [name, run] of Object.entries(runs)) {
  const ratios: number[] = [];
  await run(undefined);
  for (let round = 0; round < rounds; round++) {
    const plain = round % 2 === 0 ? await run(undefined) : 0;
    const recorded = await run(new Recording());
    ratios.push(recorded / (plain || (await run(undefined))));
  }
  console.log(
    `  ${name.padEnd(16)} x ${medianOf(ratios).toFixed(4)}   (${ratios.map((ratio) => ratio.toFixed(3)).join(" ")})`,
  );
}

console.log("\npredictions of other numbers of workers, images/s");
const read = (workers: number) => profileRead(manifest, { view, batchSize: 32, workers }, seconds);
const write = (workers: number) => profilePreprocess({ sources: tars, workers }, 2 * seconds);
for (const [name, profile] of [
  ["read", read],
  ["preprocess", write],
] as const)
  for (const [from, to] of [
    [1, 2],
    [2, 1],
    [1, 4],
  ] as const) {
    const { station } = await profile(from);
    const predicted = predict(station, { workers: to });
    const measured = (await profile(to)).profile.imagesPerSecond;
    const off = `${(100 * (predicted / measured - 1)).toFixed(0)} %`;
    console.log(
      `  ${name.padEnd(11)} ${from} -> ${to}: predicted ${predicted.toFixed(0)}, measured ${measured.toFixed(0)}, off by ${off}`,
    );
  }
