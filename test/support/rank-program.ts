// What the tests of several ranks run on each of them: node rank-program.js TASK FOLDER [argument]. Every rank leaves
// FOLDER/rank-N.json.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Tensor } from "@tensorflow/tfjs";
import { ClassList } from "../../src/shards/class-list.js";
import { readManifest } from "../../src/shards/manifest.js";
import type { Collective } from "../../src/train/collective/collective.js";
import { openCollective } from "../../src/train/collective/open-collective.js";
import { variableOf } from "../../src/train/engine/layer-graph.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { networkInput } from "../../src/train/input.js";
import { buildNetwork, findNetwork } from "../../src/train/networks/build.js";
import { resolveTrainOptions } from "../../src/train/options.js";
import { TrainingData } from "../../src/train/run/training-data.js";
import { labelledSamples, stepSettings } from "../../src/train/step/plain-step.js";
import { Stepper } from "../../src/train/step/step.js";
import { Tally } from "../../src/train/tally.js";
import { pattern } from "./tensors.js";

const globalBatch = 8;
const shape = { classes: 4, width: 0.125, inputSize: 64, seed: 3, zeroInit: true } as const;

/** Steps on a batch that is the same for any number of ranks; each takes its part. */
async function stepTogether(collective: Collective, id: string, steps: number, syncBatchNorm: boolean) {
  const { tf } = await openEngine();
  const network = buildNetwork(tf, id, id.startsWith("vit") ? { ...shape, width: 0.5 } : shape);
  const settings = { ...stepSettings(shape.classes, 0.01, collective), syncBatchNorm };
  const stepper = new Stepper(await openEngine(), network, settings);
  const size = globalBatch / collective.size;
  const first = collective.rank * size;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const inputs = network.model.inputs.map((input, i): Tensor => {
      const one = input.shape.slice(1) as number[];
      const length = one.reduce((a, b) => a * b, 1);
      const all = pattern(globalBatch * length, `${network.model.inputNames[i]} ${step}`);
      return tf.tensor(all.slice(first * length, (first + size) * length), [size, ...one]);
    });
    const labels = Int32Array.from({ length: size }, (_, i) => ((first + i) * 7 + step) % shape.classes);
    losses.push((await stepper.stepOn(inputs, labelledSamples(labels), step)).loss);
    tf.dispose(inputs);
  }
  return { network, stepper, losses };
}

const base64 = (values: Float32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");

const tasks: Readonly<Record<string, (collective: Collective, argument: string) => Promise<unknown>>> = {
  /** The gradients of one step: what velocities are after it, for no weight decays to speak of. */
  gradients: async (collective, id) => {
    const { stepper, losses } = await stepTogether(collective, id, 1, true);
    const values = stepper.optimizer.velocities.map((velocity) => base64(velocity.dataSync() as Float32Array));
    return { losses, gradients: collective.rank === 0 ? values : [] };
  },
  /** A digest of all trained weights after 50 steps. */
  weights: async (collective, id) => {
    const { network, losses } = await stepTogether(collective, id, 50, false);
    const hash = createHash("sha256");
    for (const weight of network.logits.trainableWeights)
      hash.update(new Uint8Array((variableOf(weight).dataSync() as Float32Array).buffer));
    return { digest: hash.digest("hex"), losses };
  },
  /** The keys this rank sees in each of two epochs, in parts, with an incomplete last step. */
  keys: async (collective, manifest) => {
    const options = { manifest, network: "resnet50-rgb", out: "unused", batchSize: 8, accumulate: 2, epochs: 2 };
    const settings = resolveTrainOptions({ ...options, inputSize: 32, dropLast: false });
    const input = networkInput(findNetwork(settings.network), 32, undefined);
    const data = await TrainingData.open(await readManifest(manifest), input, settings, collective, undefined);
    const epochs: string[][] = [[], []];
    let planned = 0;
    const steps = 2 * data.stepsPerEpoch;
    for await (const step of data.steps(0, steps, 2)) {
      planned += step.planned;
      for await (const batch of step.batches) {
        epochs[step.epoch]?.push(...batch.keys);
        batch.release();
      }
    }
    await data.close();
    return { epochs, planned };
  },
  /** What all have counted together over so many classes, a hundred samples in all of which each counts its part. */
  tally: async (collective, classes) => {
    const count = Number(classes);
    const tally = new Tally(count, new ClassList([], { count }));
    for (let i = collective.rank; i < 100; i += collective.size) {
      const label = (i % 10) * Math.floor(count / 10);
      const guess = i % 3 === 0 ? label : count - 1 - (i % 7);
      tally.add(Int32Array.of(label), Int32Array.of(guess, label), i % 2 === 0 ? 2 : 1, i);
    }
    await tally.sumOver(collective);
    const { confusion, ...sums } = tally.summarise();
    const cells = confusion.map(({ label, predicted, count: n }) => [label, predicted, n].join(" "));
    return { ...sums, cells: cells.sort(), samples: tally.samples, loss: tally.loss };
  },
  /** Bytes and values that rank 0 hands out, and a sum. */
  share: async (collective) => {
    const value = await collective.share(collective.rank === 0 ? { text: "from rank 0", none: null } : undefined);
    const bytes = await collective.shareBytes(collective.rank === 0 ? new Uint8Array([1, 2, 3]) : undefined);
    const nothing = await collective.shareBytes(undefined);
    const values = new Float32Array([collective.rank + 1, 0.5]);
    const later = new Float32Array(100_000).fill(collective.rank);
    const both = Promise.all([collective.sum(values), collective.sum(later)]);
    await both;
    const now = new Float32Array([10]);
    collective.sumNow(now);
    return {
      value,
      bytes: [...(bytes ?? [])],
      nothing: nothing === undefined,
      sum: [...values],
      later: later[99_999],
      now: now[0],
      ...placeOf(collective),
    };
  },
};

const placeOf = ({ rank, size, localRank, localSize }: Collective) => ({ rank, size, localRank, localSize });

const [task = "", folder = "", argument = ""] = process.argv.slice(2);
const collective = await openCollective();
const result = await tasks[task]?.(collective, argument);
writeFileSync(path.join(folder, `rank-${collective.rank}.json`), JSON.stringify(result));
await collective.close();
