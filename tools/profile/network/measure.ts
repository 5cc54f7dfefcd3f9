// dctstream profile network: steps on one batch in memory, the most that faster input could win.
import type { Engine } from "../../../src/train/engine/engine.js";
import { stepStage } from "../../../src/train/run/meter.js";
import {
  matrixProductRate,
  type Phase,
  type TimeNetworkOptions,
  timeNetwork,
} from "../../../src/train/time-network.js";
import { coresOf, startMeasuring } from "../measure.js";
import { quantilesOf } from "../quantile.js";
import type { Recording } from "../recording.js";
import type { Profile } from "../stage.js";
import { rate } from "../verdict.js";

export interface NetworkProfile extends Profile {
  readonly network: string;
  readonly phase: Phase;
  readonly batchSize: number;
  readonly device: string;
  readonly steps: number;
  /** Milliseconds of a step: the median, and what four of five lie between. */
  readonly stepMs: number;
  readonly stepMsP10: number;
  readonly stepMsP90: number;
  /** Billions of multiply-accumulates a second. */
  readonly gmacsPerSecond: number;
}

/** `macs`: of the forward pass of an image. */
export async function profileNetwork(
  engine: Engine,
  network: string,
  macs: number,
  options: TimeNetworkOptions,
  recording: Recording,
): Promise<NetworkProfile> {
  const { phase, batchSize } = options;
  const peak = (await matrixProductRate(engine)) / 1e9;
  const began = performance.now();
  const stop = startMeasuring(() => ({ elapsedMs: performance.now() - began, stages: {} }));
  const times = await timeNetwork(engine, network, { ...options, recorder: recording });
  const measured = stop();
  const at = quantilesOf(times);
  const stepMs = at(0.5);
  const imagesPerSecond = (1000 * batchSize) / stepMs;
  // A training step computes the forward pass and two of its size backwards.
  const macsPerImage = macs * (phase === "train" ? 3 : 1);
  const limit = { imagesPerSecond: (1e9 * peak) / macsPerImage, what: "a product of two large float32 matrices" };
  return {
    what: "network",
    network,
    phase,
    batchSize,
    device: engine.device,
    steps: times.length,
    stepMs,
    stepMsP10: at(0.1),
    stepMsP90: at(0.9),
    imagesPerSecond,
    gmacsPerSecond: (imagesPerSecond * macsPerImage) / 1e9,
    seconds: measured.counters.elapsedMs / 1000,
    stages: [
      {
        name: stepStage,
        threads: 1,
        imagesPerSecond,
        imagesPerSecondAlone: imagesPerSecond,
        busy: 1,
        waitForInput: 0,
        waitForOutput: 0,
        onCore: 1,
        queueDepth: undefined,
        bytesPerSecond: 0,
        parts: {},
        limit: { ...limit, reached: imagesPerSecond / limit.imagesPerSecond },
      },
    ],
    bottleneck: stepStage,
    verdict: `${network} ${phase === "train" ? "trains" : "infers"} ${rate(imagesPerSecond)} images/s; ${stepMs.toFixed(1)} ms a step of ${batchSize}`,
    cores: coresOf(measured, times.length * batchSize),
    limits: { matrixProductGmacsPerSecond: peak },
    headroom: undefined,
    recommendations: [],
    percentiles: recording.percentiles(),
  };
}
