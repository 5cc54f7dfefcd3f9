// How long a network's steps take on one batch that is in memory already: what faster input could win at most.
import type { Tensor } from "@tensorflow/tfjs";
import { epochMs, type Recorder } from "../pipeline/stage-clock.js";
import type { Engine } from "./engine/engine.js";
import type { Precision } from "./engine/frozen-network.js";
import { letEventsThrough } from "./event-loop.js";
import { buildNetwork, type NetworkOptions } from "./networks/build.js";
import { stepStage } from "./run/meter.js";
import { labelledSamples, stepSettings } from "./step/plain-step.js";
import { type StepBatch, Stepper } from "./step/step.js";

export const phases = ["train", "inference"] as const;
export type Phase = (typeof phases)[number];

/** Steps in which the engine prepares itself. */
const warmUpSteps = 2;

export interface TimeNetworkOptions extends NetworkOptions {
  readonly phase: Phase;
  readonly batchSize: number;
  readonly seconds: number;
  /** What inference computes in. Default "float32". */
  readonly precision?: Precision | undefined;
  /** Receives every step that is timed. */
  readonly recorder?: Recorder | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds of single steps; the first ones, in which the engine prepares itself, are left out. */
export async function timeNetwork(engine: Engine, id: string, options: TimeNetworkOptions): Promise<readonly number[]> {
  const { tf } = engine;
  const { phase, batchSize, seconds, precision, recorder, signal, ...shape } = options;
  const network = buildNetwork(tf, id, shape);
  const inputs = network.model.inputs.map(
    (input): Tensor => tf.randomNormal([batchSize, ...(input.shape.slice(1) as number[])]),
  );
  const times: number[] = [];
  const repeat = async (step: () => Promise<unknown>) => {
    for (let warmUp = 0; warmUp < warmUpSteps; warmUp++) await step();
    for (const until = performance.now() + 1000 * seconds; times.length === 0 || performance.now() < until; ) {
      const began = epochMs();
      await step();
      const ended = epochMs();
      times.push(ended - began);
      recorder?.span(stepStage, stepStage, 0, began, ended);
      await letEventsThrough(signal);
    }
  };
  try {
    if (phase === "train") {
      // A rate that changes nothing: random input would soon overflow at any other.
      const stepper = new Stepper(engine, network, stepSettings(shape.classes, 1e-6));
      const batch = labelledSamples(Int32Array.from({ length: batchSize }, (_, i) => i % shape.classes));
      await repeat(() => stepper.stepOn(inputs, batch, 0)).finally(() => stepper.dispose());
    } else {
      const frozen = await engine.freeze(network.logits, { precision });
      const step = async () => {
        const output = frozen.predict(inputs);
        await output.data();
        output.dispose();
      };
      await repeat(step).finally(() => frozen.dispose());
    }
    return times;
  } finally {
    network.model.dispose();
    tf.dispose(inputs);
  }
}

export interface FedNetworkOptions extends NetworkOptions {
  readonly seconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** Images a second of training steps on batches as they come, which are released; the first steps are left out. */
export async function timeFedNetwork(
  engine: Engine,
  id: string,
  options: FedNetworkOptions,
  batches: AsyncIterable<StepBatch>,
): Promise<number> {
  const { seconds, signal, ...shape } = options;
  const network = buildNetwork(engine.tf, id, shape);
  const stepper = new Stepper(engine, network, stepSettings(shape.classes, 1e-6));
  let [steps, samples, began] = [0, 0, 0];
  const one = async function* (batch: StepBatch) {
    yield batch;
  };
  try {
    for await (const batch of batches) {
      const { samples: count } = batch;
      await stepper.step(one(batch), 1, count, 0);
      await letEventsThrough(signal);
      if (++steps === warmUpSteps) began = performance.now();
      if (steps <= warmUpSteps) continue;
      samples += count;
      if (performance.now() - began >= 1000 * seconds) break;
    }
    return (1000 * samples) / (performance.now() - began);
  } finally {
    stepper.dispose();
    network.model.dispose();
  }
}

/** Multiply-accumulates a second of the engine's own product of two large matrices: what no network exceeds. */
export async function matrixProductRate({ tf }: Engine): Promise<number> {
  const side = 1024;
  const [a, b] = [tf.randomNormal([side, side]), tf.randomNormal([side, side])];
  let best = 0;
  for (let round = 0; round < 6; round++) {
    const began = performance.now();
    const product = tf.matMul(a, b);
    await product.data();
    best = Math.max(best, (1000 * side ** 3) / (performance.now() - began));
    product.dispose();
  }
  tf.dispose([a, b]);
  return best;
}
