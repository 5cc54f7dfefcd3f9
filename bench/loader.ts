// Views per second from shards on disk, whole loader: file -> batch in JavaScript; and how busy the main thread is
// meanwhile.
//
//   node dist/bench/loader.js MANIFEST [none|train] [seconds]
import { performance } from "node:perf_hooks";
import { Loader } from "../src/pipeline/load/loader.js";
import { readManifest } from "../src/shards/manifest.js";
import { printMachine } from "./images.js";
import { usually } from "./settings.js";

const [url, augment = "train", seconds = usually("4", "0.1")] = process.argv.slice(2);
if (url === undefined || (augment !== "train" && augment !== "none"))
  throw new Error("usage: node dist/bench/loader.js MANIFEST [none|train] [seconds]");
const manifest = await readManifest(url);
printMachine();
console.log(`${manifest.samples} samples, compression ${manifest.codec}, views ${augment}`);

for (const kind of ["dct", "rgb"] as const) {
  for (const workers of [1, 2]) {
    const batchSize = Math.min(128, manifest.samples);
    const view = { kind, size: 224, augment } as const;
    const loader = await Loader.open(manifest, { view, batchSize, workers });
    let samples = 0;
    let started = 0;
    let busy = performance.eventLoopUtilization();
    // The first epoch warms workers and the page cache up.
    for (let epoch = 0; epoch <= 1 || performance.now() - started < Number(seconds) * 1000; epoch++) {
      if (epoch === 1) {
        started = performance.now();
        busy = performance.eventLoopUtilization();
      }
      for await (const batch of loader.epoch(epoch)) {
        if (epoch > 0) samples += batch.samples;
        batch.release();
      }
    }
    const { utilization } = performance.eventLoopUtilization(busy);
    const rate = (1000 * samples) / (performance.now() - started);
    console.log(
      `  ${kind} with ${workers} workers: ${rate.toFixed(0)} images/s, main thread ${(100 * utilization).toFixed(1)} % busy`,
    );
    await loader.close();
  }
}
