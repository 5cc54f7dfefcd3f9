// From stored bytes to logits, the whole way as a user would run it: pixels from JPEG files (sharp: decode, resize,
// crop), coefficients and YCbCr pixels from shards (the loader), each with its network behind it, reading ahead while
// the network computes.
//
//   node dist/bench/end-to-end.js SHARDS TARS.. [--seconds 10] [--batch 8] [--networks ID,ID]
import { parseArgs } from "node:util";
import type { Tensor } from "@tensorflow/tfjs";
import sharp from "sharp";
import { Loader } from "../src/pipeline/load/loader.js";
import { imagenetScaling } from "../src/pipeline/load/slot.js";
import { readManifest } from "../src/shards/manifest.js";
import { type Precision, precisions } from "../src/train/engine/frozen-network.js";
import { openEngine } from "../src/train/engine/open-engine.js";
import { networkInput, viewOf } from "../src/train/input.js";
import { buildNetwork, findNetwork } from "../src/train/networks/build.js";
import { type NetworkDefinition, networks } from "../src/train/networks/definitions.js";
import { toTensors } from "../src/train/step/batch.js";
import { benchImages, printMachine } from "./images.js";
import { usually } from "./settings.js";
import { randomStatistics } from "./statistics.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: usually("10", "0.1") },
    batch: { type: "string", default: usually("8", "2") },
    networks: { type: "string" },
  },
});
const [shards, ...tars] = positionals;
if (shards === undefined || tars.length === 0) throw new Error("usage: node dist/bench/end-to-end.js SHARDS TARS..");
const batch = Number(options.batch);
const milliseconds = 1000 * Number(options.seconds);
const size = 224;

const engine = await openEngine();
const { tf } = engine;
const manifest = await readManifest(shards);
const jpegs = await benchImages(tars);
printMachine();
console.log(
  `${engine.device}; ${jpegs.length} JPEGs of ${Math.round(jpegs.reduce((sum, { length }) => sum + length, 0) / jpegs.length / 1000)} KB, batch ${batch}\n`,
);

/** Shorter side to 256, centre crop of 224, ImageNet's normalisation: [batch, 224, 224, 3]. */
async function pixelBatch(files: readonly Uint8Array[]): Promise<Float32Array> {
  const values = new Float32Array(files.length * size * size * 3);
  const { scale, bias } = imagenetScaling;
  await Promise.all(
    files.map(async (file, i) => {
      const shorter = Math.round(size / 0.875);
      const cropped = sharp(file)
        .resize(shorter, shorter, { fit: "outside", kernel: "linear" })
        .toColourspace("srgb")
        .removeAlpha();
      const { data, info } = await cropped.raw().toBuffer({ resolveWithObject: true });
      const [left, top] = [(info.width - size) >> 1, (info.height - size) >> 1];
      let at = i * size * size * 3;
      for (let y = 0; y < size; y++) {
        let from = ((top + y) * info.width + left) * info.channels;
        for (let x = 0; x < size; x++, from += info.channels)
          for (let c = 0; c < 3; c++)
            values[at++] =
              (data[from + Math.min(c, info.channels - 1)] as number) * (scale[c] as number) + (bias[c] as number);
      }
    }),
  );
  return values;
}

/** Batches of pixels, two being made while one is used. */
async function* pixelsFromJpegs(): AsyncGenerator<Tensor[]> {
  const batches = (start: number) =>
    pixelBatch(Array.from({ length: batch }, (_, i) => jpegs[(start + i) % jpegs.length] as Uint8Array));
  const ahead = [batches(0), batches(batch)];
  for (let start = 2 * batch; ; start += batch) {
    const values = await (ahead.shift() as Promise<Float32Array>);
    ahead.push(batches(start));
    yield [tf.tensor(values, [batch, size, size, 3])];
  }
}

async function* fromShards(definition: NetworkDefinition): AsyncGenerator<Tensor[]> {
  const { model } = buildNetwork(tf, definition.id, { classes: 2 });
  const view = viewOf(networkInput(definition, size, undefined), "eval");
  const loader = await Loader.open(manifest, { view, batchSize: batch, shuffle: false, dropLast: true, workers: 1 });
  try {
    for (let epoch = 0; ; epoch++) {
      for await (const loaded of loader.epoch(epoch)) {
        const tensors = toTensors(tf, loaded, model);
        yield tensors.inputs;
        tensors.dispose();
        loaded.release();
      }
    }
  } finally {
    await loader.close();
    model.dispose();
  }
}

/** Images/s of a network behind its batches. */
async function rate(id: string, precision: Precision, batches: AsyncGenerator<Tensor[]>): Promise<number> {
  const { logits, model } = buildNetwork(tf, id, { classes: 1000 });
  randomStatistics(tf, model);
  const network = await engine.freeze(logits, { precision });
  let [images, started] = [-batch, 0];
  for await (const inputs of batches) {
    const output = network.predict(inputs);
    await output.data();
    output.dispose();
    tf.dispose(inputs);
    images += batch;
    if (images === 0)
      started = performance.now(); // the first batch fills the pipeline
    else if (performance.now() - started > milliseconds) break;
    await new Promise(setImmediate); // let reads through
  }
  const perSecond = (1000 * images) / (performance.now() - started);
  network.dispose();
  model.dispose();
  return perSecond;
}

const baseline = findNetwork("resnet50-rgb");
const wanted = (options.networks ?? usually(undefined, "late-concat-rfa-thinner"))?.split(",");
const chosen = networks.filter(({ id }) => id !== baseline.id && (wanted === undefined || wanted.includes(id)));
const paths = [
  { definition: baseline, from: "JPEGs", batches: pixelsFromJpegs },
  { definition: baseline, from: "shards", batches: () => fromShards(baseline) },
  ...chosen.map((definition) =>
    definition.input === "rgb"
      ? { definition, from: "JPEGs", batches: pixelsFromJpegs }
      : { definition, from: "shards", batches: () => fromShards(definition) },
  ),
];
const first = new Map<Precision, number>();
console.log(`| network | from |${precisions.map((precision) => ` ${precision}, images/s | x |`).join("")}`);
console.log(`|---|---|${precisions.map(() => "---|---|").join("")}`);
for (const { definition, from, batches } of paths) {
  const cells: string[] = [];
  for (const precision of precisions) {
    const perSecond = await rate(definition.id, precision, batches());
    if (!first.has(precision)) first.set(precision, perSecond);
    cells.push(` ${perSecond.toFixed(1)} | ${(perSecond / (first.get(precision) as number)).toFixed(2)} |`);
  }
  console.log(`| ${definition.id} | ${from} |${cells.join("")}`);
}
