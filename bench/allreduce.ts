// What summing gradients over ranks costs: alone, for a network's gradients, and in a whole training step beside one
// that does not.
//
//   mpirun -n 2 --bind-to none node dist/bench/allreduce.js [--network ID] [--batch 8] [--steps 10] [--width 1]
import { parseArgs } from "node:util";
import type { Tensor } from "@tensorflow/tfjs";
import { alone } from "../src/train/collective/collective.js";
import { GradientSum } from "../src/train/collective/gradient-sum.js";
import { openCollective } from "../src/train/collective/open-collective.js";
import { variableOf } from "../src/train/engine/layer-graph.js";
import { openEngine } from "../src/train/engine/open-engine.js";
import { buildNetwork } from "../src/train/networks/build.js";
import { labelledSamples, stepSettings } from "../src/train/step/plain-step.js";
import { Stepper } from "../src/train/step/step.js";
import { medianOf } from "../tools/profile/quantile.js";
import { printMachine } from "./images.js";
import { usually } from "./settings.js";

const { values: options } = parseArgs({
  options: {
    network: { type: "string", default: "late-concat-rfa-thinner" },
    batch: { type: "string", default: usually("8", "2") },
    steps: { type: "string", default: usually("10", "1") },
    width: { type: "string", default: usually("1", "0.125") },
  },
});
const batch = Number(options.batch);
const passes = Number(options.steps);
const collective = await openCollective();
const engine = await openEngine({ share: { index: collective.localRank, of: collective.localSize } });
const { tf } = engine;
const say = (text: string) => {
  if (collective.rank === 0) console.log(text);
};
if (collective.rank === 0) printMachine();

const network = buildNetwork(tf, options.network, { classes: 1000, width: Number(options.width) });
const sizes = network.logits.trainableWeights.map((weight) => variableOf(weight).size);
const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0);
say(
  `${options.network}: ${(bytes / 1e6).toFixed(1)} MB of gradients, ${collective.size} ranks, ${collective.localSize} of them here`,
);

async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let pass = 0; pass <= passes; pass++) {
    await collective.share(0); // all begin together
    const started = performance.now();
    await work();
    if (pass > 0) times.push(performance.now() - started);
  }
  return medianOf(times);
}

const gradients = sizes.map((size) => new Float32Array(size).fill(1));
const sum = new GradientSum(collective, sizes);
const summing = await medianMs(async () => {
  for (let i = sizes.length - 1; i >= 0; i--) sum.add(i, gradients[i] as Float32Array, true);
  await sum.finish();
});
say(`sum over the ranks alone  ${summing.toFixed(1)} ms, ${(bytes / summing / 1e6).toFixed(2)} GB/s of gradients`);

const inputs = network.model.inputs.map(
  (input): Tensor => tf.randomNormal([batch, ...(input.shape.slice(1) as number[])]),
);
const labelled = labelledSamples(Int32Array.from({ length: batch }, (_, i) => i));
// A rate that changes nothing: random input would soon overflow at any other.
const together = new Stepper(engine, network, stepSettings(1000, 1e-6, collective));
const apart = new Stepper(engine, network, stepSettings(1000, 1e-6, alone));
const [withSum, without] = [
  await medianMs(() => together.stepOn(inputs, labelled, 0)),
  await medianMs(() => apart.stepOn(inputs, labelled, 0)),
];
say(
  `step of ${batch} samples a rank  ${withSum.toFixed(0)} ms with the sum, ${without.toFixed(0)} ms without: ${(withSum - without).toFixed(0)} ms (${(100 * (withSum / without - 1)).toFixed(1)} %) more`,
);
await collective.close();
