// A training loop of one's own: softmax regression on normalised coefficients with TensorFlow.js, over part of a data
// set, validated on the rest. Interrupted, it resumes where it was: the loader's state is one small JSON object.
// `dctstream train` trains real networks.
//
//   node examples/training-loop.mjs SHARDS [epochs]

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadBatches, openDataset, openEngine } from "dctstream";

const { tf } = await openEngine();
const [shards, epochs = "3"] = process.argv.slice(2);
if (shards === undefined) throw new Error("usage: node examples/training-loop.mjs SHARDS [epochs]");

const { manifest } = await openDataset(shards);
const classes = Math.max(...manifest.classes.map(({ index }) => index)) + 1;
const part = (name) => [{ manifest, split: { validation: 0.2, part: name } }];
const view = { kind: "dct", size: 32, frequencies: 24, normalize: "dataset", augment: "train" };
const common = { view, batchSize: 16, seed: 1 };

const inputs = 4 * 4 * 14 + 2 * (2 * 2 * 5);
const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [inputs], units: classes, kernelInitializer })] });
const optimizer = tf.train.adam(0.01);
const flat = (batch) =>
  tf.concat(
    batch.arrays.map(({ data, shape }) => tf.tensor2d(data, [shape[0], data.length / shape[0]])),
    1,
  );

const saved = "training-loop.state.json";
const state = existsSync(saved) ? JSON.parse(readFileSync(saved, "utf8")) : undefined;
if (state !== undefined) console.log(`resuming at epoch ${state.epoch}, step ${state.step}; the weights begin anew`);

for await (const batch of loadBatches(part("train"), { ...common, epochs: Number(epochs), state })) {
  const loss = optimizer.minimize(() => {
    const labels = tf.oneHot(tf.tensor1d(batch.labels, "int32"), classes);
    return tf.losses.softmaxCrossEntropy(labels, model.apply(flat(batch)));
  }, true);
  writeFileSync(saved, JSON.stringify(batch.state)); // in earnest, with the weights, every few minutes
  console.log(`epoch ${batch.epoch} step ${batch.step} loss ${loss.dataSync()[0].toFixed(4)}`);
  loss.dispose();
}
rmSync(saved);

// A padded epoch: every validation sample counts once.
let right = 0;
let total = 0;
const validation = { ...common, view: { ...view, augment: "eval" }, shuffle: false };
for await (const batch of loadBatches(part("validation"), validation)) {
  const guesses = tf.tidy(() => model.apply(flat(batch)).argMax(1).dataSync());
  for (let i = 0; i < batch.samples; i++) right += guesses[i] === batch.labels[i] ? 1 : 0;
  total += batch.samples;
}
console.log(`top-1 ${((100 * right) / total).toFixed(1)} % of ${total} validation samples`);
