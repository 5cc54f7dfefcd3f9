// Batches per second from shards on disk, for each kind of view and number of workers.
//
//   node dist/bench/loader.js MANIFEST [seconds]
import { Loader } from "../src/pipeline/load/loader.js";
import { readManifest } from "../src/shards/manifest.js";
import { printMachine } from "./images.js";

const [url, seconds = "5"] = process.argv.slice(2);
if (url === undefined) throw new Error("usage: node dist/bench/loader.js MANIFEST [seconds]");
const manifest = await readManifest(url);
printMachine();
console.log(`${manifest.samples} samples, compression ${manifest.codec}`);

for (const kind of ["dct", "rgb"] as const) {
  for (const workers of [1, 2]) {
    const loader = new Loader({
      manifest,
      view: { kind, size: 224, augment: "train" },
      batchSize: Math.min(64, manifest.samples),
      workers,
    });
    let samples = 0;
    let started = 0;
    // The first epoch warms workers and the page cache up.
    for (let epoch = 0; epoch <= 1 || performance.now() - started < Number(seconds) * 1000; epoch++) {
      if (epoch === 1) started = performance.now();
      for await (const batch of loader.epoch(epoch)) {
        if (epoch > 0) samples += batch.samples;
        batch.release();
      }
    }
    console.log(
      `  ${kind} with ${workers} workers: ${((1000 * samples) / (performance.now() - started)).toFixed(0)} images/s`,
    );
    await loader.close();
  }
}
