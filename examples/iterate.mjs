// Plain iteration: what is in the batches of a data set, and how fast they come.
//
//   node examples/iterate.mjs SHARDS [batches]
import { loadBatches } from "dctstream";

const [shards, batches = "5"] = process.argv.slice(2);
if (shards === undefined) throw new Error("usage: node examples/iterate.mjs SHARDS [batches]");

const options = { view: { kind: "dct", size: 224, augment: "train" }, batchSize: 16, dropLast: false };
const started = performance.now();
let samples = 0;
for await (const batch of loadBatches(shards, options)) {
  for (const { name, shape, axes } of batch.arrays)
    console.log(`${name}: ${axes.map((axis, i) => `${axis} ${shape[i]}`).join(", ")}`);
  console.log(
    `step ${batch.step}: ${batch.samples} samples, the first is ${batch.keys[0]} of class ${batch.labels[0]}`,
  );
  samples += batch.samples;
  if (batch.step + 1 === Number(batches)) break; // leaving the loop frees everything
}
console.log(`${samples} samples, ${Math.round((1000 * samples) / (performance.now() - started))} a second`);
