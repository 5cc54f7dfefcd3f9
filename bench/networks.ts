// Every network alone, no input to wait for: images/s in inference and in training, and how that compares with
// ResNet-50 in the same minute. With --torch, ResNet-50 against PyTorch's; with --svg, a chart.
//
//   node dist/bench/networks.js [--batch 8] [--rounds 5] [--networks ID,ID] [--torch PYTHON] [--svg FILE]
//       [--engine webgpu]
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Tensor } from "@tensorflow/tfjs";
import type { Engine, EngineName } from "../src/train/engine/engine.js";
import { type Precision, precisions } from "../src/train/engine/frozen-network.js";
import { openEngine } from "../src/train/engine/open-engine.js";
import { buildNetwork } from "../src/train/networks/build.js";
import { networks } from "../src/train/networks/definitions.js";
import { layersOf } from "../src/train/networks/layers-of.js";
import { summarize, totals } from "../src/train/networks/summary.js";
import { labelledSamples, stepSettings } from "../src/train/step/plain-step.js";
import { Stepper } from "../src/train/step/step.js";
import { medianOf } from "../tools/profile/quantile.js";
import { scatterChart } from "./chart.js";
import { printMachine } from "./images.js";
import { usually } from "./settings.js";
import { randomStatistics } from "./statistics.js";

const { values: options } = parseArgs({
  options: {
    batch: { type: "string", default: usually("8", "1") },
    rounds: { type: "string", default: usually("5", "1") },
    networks: { type: "string" },
    torch: { type: "string" },
    svg: { type: "string" },
    engine: { type: "string", default: "tensorflow" },
  },
});
const batch = Number(options.batch);
const rounds = Number(options.rounds);
const wanted = (options.networks ?? usually(undefined, "resnet50-rgb,late-concat-rfa-thinner"))?.split(",");
const baseline = "resnet50-rgb";

/** What is measured of a network, each a function that runs it once and waits for the result. */
interface Phases {
  readonly phases: ReadonlyMap<string, () => Promise<void>>;
  dispose(): void;
}

async function phasesOf(engine: Engine, id: string): Promise<Phases> {
  const { tf } = engine;
  const network = buildNetwork(tf, id, { classes: 1000 });
  randomStatistics(tf, network.model);
  const inputs = network.model.inputs.map((input) => tf.randomNormal([batch, ...(input.shape.slice(1) as number[])]));
  const labelled = labelledSamples(Int32Array.from({ length: batch }, (_, i) => i));
  // A rate that changes nothing: random input would soon overflow at any other.
  const stepper = new Stepper(engine, network, stepSettings(1000, 1e-6));
  const frozen = new Map<Precision, Awaited<ReturnType<Engine["freeze"]>>>();
  for (const precision of engine.name === "webgpu" ? (["float32"] as const) : precisions)
    frozen.set(precision, await engine.freeze(network.logits, { precision }));
  const predict = (precision: Precision) => async () => {
    const output = frozen.get(precision)?.predict(inputs) as Tensor;
    await output.data();
    output.dispose();
  };
  const phases = new Map<string, () => Promise<void>>(
    [...frozen.keys()].map((precision) => [precision, predict(precision)]),
  );
  phases.set("train", async () => void (await stepper.stepOn(inputs, labelled, 0)));
  return {
    phases,
    dispose: () => {
      for (const network of frozen.values()) network.dispose();
      stepper.dispose();
      network.model.dispose();
      tf.dispose(inputs);
    },
  };
}

/** Median milliseconds of each phase for each network, their runs taking turns so that a slower minute slows all. */
async function inTurns(candidates: readonly Phases[]): Promise<Map<string, number>[]> {
  const times = candidates.map(() => new Map<string, number[]>());
  for (const phase of candidates[0]?.phases.keys() ?? []) {
    for (let round = -1; round < rounds; round++) {
      for (const [i, { phases }] of candidates.entries()) {
        const started = performance.now();
        await phases.get(phase)?.();
        if (round < 0) continue; // warming up
        const list = times[i]?.get(phase) ?? [];
        times[i]?.set(phase, [...list, performance.now() - started]);
      }
    }
  }
  return times.map((phases) => new Map([...phases].map(([phase, list]) => [phase, medianOf(list)])));
}

const engine = await openEngine({ engine: options.engine as EngineName });
printMachine();
console.log(`${engine.device}; batch ${batch}, 224 pixels, medians of ${rounds}`);
const base = await phasesOf(engine, baseline);
const phaseNames = [...base.phases.keys()];

if (options.torch !== undefined) {
  const peer = spawnSync(
    options.torch,
    [fileURLToPath(new URL("../../bench/peer_resnet50.py", import.meta.url)), String(batch), String(rounds)],
    { encoding: "utf8" },
  );
  if (peer.status !== 0) throw new Error(peer.stderr);
  const { torch, trainMs, inferenceMs } = JSON.parse(peer.stdout) as {
    torch: string;
    trainMs: number;
    inferenceMs: number;
  };
  const [own] = (await inTurns([base])) as [Map<string, number>];
  const ratio = (mine: number | undefined, theirs: number) =>
    `${mine?.toFixed(0)} ms, ${((mine ?? 0) / theirs).toFixed(2)} x`;
  console.log(`PyTorch ${torch} eager: training step ${trainMs.toFixed(0)} ms, inference ${inferenceMs.toFixed(0)} ms`);
  console.log(
    `ours: training step ${ratio(own.get("train"), trainMs)}; inference ${ratio(own.get("float32"), inferenceMs)}, in bfloat16 ${ratio(own.get("bfloat16"), inferenceMs)}`,
  );
}

console.log(`\n| network | GMACs |${phaseNames.map((phase) => ` ${phase} images/s | x |`).join("")} paper |`);
console.log(`|---|---|${phaseNames.map(() => "---|---|").join("")}---|`);
const points: { id: string; speed: number; error: number }[] = [];
for (const { id, paper } of networks) {
  if (wanted !== undefined && !wanted.includes(id)) continue;
  const candidate = id === baseline ? undefined : await phasesOf(engine, id);
  const [reference, own = reference] = (await inTurns(candidate === undefined ? [base] : [base, candidate])) as [
    Map<string, number>,
    Map<string, number>?,
  ];
  candidate?.dispose();
  const macs = totals(
    summarize(layersOf(networks.find((network) => network.id === id) as (typeof networks)[number])),
  ).macs;
  const cells = phaseNames.map((phase) => {
    const [mine, theirs] = [own.get(phase) as number, reference.get(phase) as number];
    return ` ${((1000 * batch) / mine).toFixed(1)} | ${(theirs / mine).toFixed(2)} |`;
  });
  console.log(`| ${id} | ${(macs / 1e9).toFixed(2)} |${cells.join("")} ${paper?.speedRatio?.toFixed(2) ?? ""} |`);
  const speed = (1000 * batch) / (own.get("float32") as number);
  if (paper?.top5Error !== undefined) points.push({ id, speed, error: paper.top5Error });
  else points.push({ id, speed, error: Number.NaN });
}
base.dispose();
const labels = { speed: "images/s, inference in float32 on two cores", error: "published top-5 error, %" };
if (options.svg !== undefined) writeFileSync(options.svg, scatterChart(points, labels));
