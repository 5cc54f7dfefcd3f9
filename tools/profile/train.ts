// dctstream profile train: some steps of a real run, and the same steps on a batch in memory, which is the most that faster input could win.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { formOf, slotBytes } from "../../src/pipeline/load/slot.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import { isRemote } from "../../src/storage/store.js";
import { classCount } from "../../src/train/class-names.js";
import { openEngine } from "../../src/train/engine/engine.js";
import { networkInput, viewOf } from "../../src/train/input.js";
import { findNetwork } from "../../src/train/networks/build.js";
import { defaultWorkers, type TrainOptions } from "../../src/train/options.js";
import { timeNetwork } from "../../src/train/time-network.js";
import { train } from "../../src/train/trainer.js";
import { memoryCopyRate, shardReadRate } from "./limits.js";
import { readStages } from "./read.js";
import { busiest, type Profile, percent, type Stage } from "./stage.js";

const limitSeconds = 0.5;
const fewestSteps = 4;
/** A share of waiting that is worth a word. */
const noticeable = 0.05;

type Options = Omit<TrainOptions, "manifest" | "out"> & { readonly batchSize: number; readonly inputSize: number };

export async function profileTrain(manifest: LoadedManifest, options: Options, seconds: number): Promise<Profile> {
  const { network, batchSize, inputSize, frequencies, width, grey, signal, engine, device } = options;
  const copyRate = memoryCopyRate();
  const readRate = await shardReadRate(manifest, limitSeconds);
  const opened = await openEngine({ engine, device });
  const shape = { classes: classCount(manifest), inputSize, frequencies, width, grey };
  const times = await timeNetwork(opened, network, {
    ...shape,
    phase: "train",
    batchSize,
    seconds: seconds / 2,
    signal,
  });
  const stepMs = [...times].sort((a, b) => a - b)[times.length >> 1] as number;
  const maxSteps = Math.max(fewestSteps, Math.ceil((1000 * seconds) / stepMs));
  const report = await trainSome(manifest, options, maxSteps);
  const { imagesPerSecond, inputStallFraction: stall } = report;
  const input = networkInput(findNetwork(network), inputSize, frequencies);
  const view = formOf(viewOf(input, "train"), manifest.frequencies);
  const threads = options.workers ?? defaultWorkers(1);
  const remote = isRemote(manifest.folder) || options.cache !== undefined;
  const viewBytes = slotBytes(view, batchSize) / batchSize;
  const alone = (1000 * batchSize) / stepMs;
  const step: Stage = {
    name: "step",
    threads: 1,
    imagesPerSecondAlone: alone,
    busy: 1 - stall,
    waitForInput: stall,
    waitForOutput: 0,
    bytesPerSecond: imagesPerSecond * viewBytes,
    limit: { imagesPerSecond: alone, what: "steps on one batch in memory" },
  };
  const reading = readStages(report.input, { manifest, remote, threads, viewBytes, copyRate, readRate });
  const held = stall > noticeable ? busiest(reading) : step;
  return {
    imagesPerSecond,
    seconds: report.input.elapsedMs / 1000,
    stages: [...reading, step],
    bottleneck: held.name,
    verdict: verdictOf(held, step, reading, imagesPerSecond),
    limits: { memoryCopyBytesPerSecond: copyRate, shardReadBytesPerSecond: readRate, stepMs },
  };
}

/** "input bound: steps wait 38 % of the time for data; views busy 97 %, ..." or "device bound: ...", and what faster input could win. */
function verdictOf(held: Stage, step: Stage, reading: readonly Stage[], imagesPerSecond: number): string {
  const speed = `${Math.round(imagesPerSecond * 10) / 10} images/s`;
  const gain = Math.max(0, (step.imagesPerSecondAlone as number) / imagesPerSecond - 1);
  const headroom = `input without any wait would win ${percent(gain)} at most`;
  const others = reading.map(({ name, busy }) => `${name} busy ${percent(busy)}`).join(", ");
  if (held === step)
    return `device bound: ${speed}, steps wait ${percent(step.waitForInput)} of the time; ${others}; ${headroom}`;
  return `input bound: ${speed}, steps wait ${percent(step.waitForInput)} of the time for data; ${others}; ${headroom}`;
}

async function trainSome(manifest: LoadedManifest, options: Options, maxSteps: number) {
  const folder = mkdtempSync(path.join(tmpdir(), "dctstream-profile-"));
  try {
    // A rate that changes nothing: only time is looked at.
    const settings = { maxSteps, learningRate: 1e-6, warmupEpochs: 0, tensorboard: false, epochs: maxSteps } as const;
    return await train({ ...options, ...settings, manifest: manifest.url, out: folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
