// The training loop: batches in, one optimiser step each, validation and checkpoints between them.
import { ToolkitError } from "../../errors.js";
import { manifestOf } from "../../pipeline/manifest-of.js";
import { outputCount } from "../../shards/class-list.js";
import { compareClasses, countableClasses } from "../../shards/dataset-classes.js";
import { countersSince, type StorageCounters, storageCounters } from "../../storage/counters.js";
import { withLock } from "../../storage/with-lock.js";
import { alone, type Collective } from "../collective/collective.js";
import { averageMovingStatistics } from "../collective/moving-statistics.js";
import { evaluateModel } from "../evaluate.js";
import { letEventsThrough } from "../event-loop.js";
import { networkInput } from "../input.js";
import { findNetwork } from "../networks/build.js";
import { layersOf } from "../networks/layers-of.js";
import {
  checkWorldSize,
  configOf,
  defaultWorkers,
  resolveTrainOptions,
  type TrainOptions,
  type TrainSettings,
} from "../options.js";
import type { EvaluateReport, TrainReport } from "../report.js";
import { type CheckpointInfo, type ModelFiles, modelFiles } from "../saved/checkpoint.js";
import { networkClasses } from "../saved/network-classes.js";
import { buildInfo } from "./build-info.js";
import { CheckpointWriter } from "./checkpoint-writer.js";
import { type PreparedRun, prepareRun, type RunParts } from "./prepare-run.js";
import { checkRanksAgree, type RunData, runDataOf, trainingDataOf } from "./run-data.js";
import { isRunFile, RunFolder } from "./run-folder.js";
import { checkSameData } from "./same-data.js";
import { TrainingData } from "./training-data.js";
import { captureState } from "./training-state.js";

/**
 * Trains a network, or resumes the run that `out` holds: the same steps, with the same losses, as without the
 * interruption. With several ranks every one calls this; rank 0 writes and reports. An interruption by the signal
 * leaves a checkpoint.
 *
 * Errors: UNKNOWN_NETWORK, TENSORFLOW_MISSING, WEBGPU_MISSING, NO_GPU, NUMERIC_OVERFLOW, INVALID_OPTION,
 * OUTPUT_HOLDS_ANOTHER_RUN, OUTPUT_IN_USE, STATE_MISMATCH, BAD_CHECKPOINT, CLASSES_DIFFER, BAD_LABEL, and what the
 * loader throws.
 *
 * @example
 * ```ts
 * import { train } from "dctstream";
 *
 * const report = await train({
 *   manifest: "shards/train",
 *   val: "shards/val",
 *   network: "late-concat-rfa-thinner",
 *   out: "runs/1",
 *   preset: "fast",
 *   onEpoch: ({ epoch, valTop1 }) => console.error(epoch, valTop1),
 * });
 * console.log(report.valTop1, report.checkpoint);
 * ```
 */
export async function train(options: TrainOptions, collective: Collective = alone): Promise<TrainReport> {
  const settings = resolveTrainOptions(options);
  checkWorldSize(settings, collective.size);
  const definition = findNetwork(settings.network);
  const { cache, onIndexing: onProgress, onWarning, signal: stop } = settings;
  const indexing = { cacheFolder: cache?.folder, onProgress, onWarning, signal: stop };
  const manifest = await manifestOf(settings.manifest, indexing);
  const val = settings.val === undefined ? undefined : await manifestOf(settings.val, indexing);
  const { inputSize, width, frequencies, grey, seed, zeroInit } = settings;
  const classes = await countableClasses(manifest);
  const valClasses = val && (await compareClasses(val, classes)).comparison;
  const shape = { classes: outputCount(classes), inputSize, width, frequencies, grey, seed, zeroInit };
  layersOf(definition, shape); // what cannot be built is refused before anything is read or loaded
  const input = networkInput(definition, inputSize, frequencies);
  const start = (signal: AbortSignal | undefined) =>
    begin({ settings, collective, manifest, classes, val, valClasses, shape, input, signal });
  if (collective.rank > 0) return start(undefined);
  // A rank that left in the middle of a step would leave the others waiting: several stop together, between two steps.
  const signal = collective.size === 1 ? settings.signal : undefined;
  return withLock({ folder: settings.out, what: "train", isOwn: isRunFile, signal }, start);
}

/** What rank 0 found in the run's folder. */
interface Beginning {
  readonly step: number;
  readonly report: TrainReport | undefined;
  /** What rank 0 trains on. */
  readonly data: RunData;
}

/** Where a process begins: at the start, or after a checkpoint. */
async function begin(parts: RunParts): Promise<TrainReport> {
  const { settings, collective, manifest, val, input, signal } = parts;
  const before: ResourcesBefore = { storage: storageCounters(), cpu: process.cpuUsage(), ms: performance.now() };
  const folder = collective.rank === 0 ? await openFolder(settings) : undefined;
  if (folder?.latest !== undefined) await checkSameData(folder, parts);
  const own = runDataOf(manifest);
  const found: Beginning = { step: folder?.latest?.step ?? 0, report: folder?.report, data: own };
  const { step, report, data: common } = await collective.share(found);
  checkRanksAgree(own, common, collective.rank);
  if (report !== undefined) return { ...report, alreadyDone: true };
  const data = await TrainingData.open(manifest, input, settings, collective, signal);
  try {
    folder?.noteData(trainingDataOf(data.dataset), val && runDataOf(val));
    const run = new Run(await prepareRun(parts, folder, data, step));
    return await run.toEnd(before);
  } finally {
    await data.close();
  }
}

function openFolder(settings: TrainSettings): Promise<RunFolder> {
  const { overwrite, keepLast, out } = settings;
  const config = configOf(settings);
  const configFile = settings.toConfigFile?.(config) ?? { ...config };
  return RunFolder.open(out, config, { overwrite, keepLast, configFile });
}

/** What was used up before a process began with its run. */
interface ResourcesBefore {
  readonly storage: StorageCounters;
  readonly cpu: NodeJS.CpuUsage;
  readonly ms: number;
}

/** A process's part of a run, from the step it continues after. */
class Run {
  private step: number;
  /** The build that writes, known on rank 0. */
  private readonly build: ReturnType<typeof buildInfo> | undefined;
  private readonly checkpoints: CheckpointWriter | undefined;

  constructor(private readonly parts: PreparedRun) {
    const { folder, settings, resumedAt } = parts;
    this.step = resumedAt;
    this.build = folder && buildInfo();
    this.checkpoints = folder && new CheckpointWriter(folder, resumedAt, settings.onCheckpoint);
  }

  async toEnd(before: ResourcesBefore): Promise<TrainReport> {
    try {
      await this.loop();
      return await this.finish(before);
    } catch (error) {
      await this.rescue(error);
      throw error;
    } finally {
      this.parts.log.flush();
      this.parts.stepper.dispose();
    }
  }

  private async loop(): Promise<void> {
    const { settings, data, stepper, log, steps, signal } = this.parts;
    for await (const { epoch, parts, planned, batches } of data.steps(this.step, steps, settings.epochs)) {
      const result = await stepper.step(batches, parts, planned, this.step);
      this.step++;
      log.addStep(this.step, epoch, stepper.tensorCount, result);
      await this.betweenSteps();
      await letEventsThrough();
      if (result.stop) await this.stopTogether();
      signal?.throwIfAborted();
    }
  }

  /** Validation and checkpoints, where they are due. */
  private async betweenSteps(): Promise<void> {
    const { settings, data, steps, log } = this.parts;
    const last = this.step === steps;
    const epochEnds = this.step % data.stepsPerEpoch === 0;
    const epochs = Math.ceil(this.step / data.stepsPerEpoch);
    const due = (every: number) => last || (epochEnds && epochs % every === 0);
    const validates = due(settings.validateEvery);
    const saves = due(settings.checkpointEvery) || this.step % (settings.checkpointSteps ?? Infinity) === 0;
    if (!epochEnds && !last && !saves) return;
    data.hold(true);
    if (validates || saves) await this.agree();
    const score = validates ? await this.validate() : undefined;
    if (epochEnds || last)
      log.addEpoch(this.step, epochs, { valTop1: score?.top1, valTop5: score?.top5, valLoss: score?.loss });
    if (saves) await this.save(score?.top1);
    data.hold(false);
  }

  /** What is evaluated and saved is the same on all ranks. */
  private agree(): Promise<void> {
    const { engine, network, collective } = this.parts;
    return averageMovingStatistics(engine.tf, network, collective);
  }

  /** All ranks are here, after the same step. None may leave before the checkpoint is written. */
  private async stopTogether(): Promise<never> {
    const { settings, collective } = this.parts;
    await this.agree();
    await this.save(undefined);
    await this.checkpoints?.settle();
    await collective.share(undefined);
    throw settings.signal?.reason ?? new ToolkitError("INTERRUPTED", "another rank was interrupted");
  }

  private async validate(): Promise<EvaluateReport | undefined> {
    const { val, input, classes, settings, collective, signal, engine, network } = this.parts;
    if (val === undefined) return undefined;
    const { batchSize, prefetchBytes } = settings;
    const workers = settings.workers ?? defaultWorkers(collective.localSize);
    const described = { ...input, ...networkClasses(classes), folder: settings.out };
    const options = { manifest: val, batchSize, workers, prefetchBytes, collective, signal };
    return this.withAverage(() => evaluateModel(engine, network.logits, described, options));
  }

  /** Runs `work` on the weights that are evaluated and kept. */
  private withAverage<T>(work: () => Promise<T>): Promise<T> {
    const { average } = this.parts.stepper;
    return average === undefined ? work() : average.during(work);
  }

  private async save(valTop1: number | undefined): Promise<void> {
    const { network, stepper, data, log } = this.parts;
    const { step } = this;
    await this.checkpoints?.save(step, async () => {
      const info = this.info();
      return {
        training: await captureState(network, stepper),
        files: await this.files(),
        info: { ...info, training: { step, position: data.positionAfter(step), epochSums: log.epochSums } },
        entry: { step, epoch: info.epochs, ...(valTop1 !== undefined && { valTop1 }) },
        history: log.historyText,
      };
    });
  }

  private files(): Promise<ModelFiles> {
    const { engine, network } = this.parts;
    return this.withAverage(() => modelFiles(engine.tf, network.model));
  }

  private info(): CheckpointInfo {
    const { settings, input, classes, manifest, data } = this.parts;
    const { network, grey, width, seed } = settings;
    return {
      network,
      ...input,
      grey,
      width,
      ...networkClasses(classes),
      epochs: Number((this.step / data.stepsPerEpoch).toFixed(3)),
      steps: this.step,
      seed,
      trainedOn: manifest.url,
      ...this.build,
    };
  }

  /** An interrupted run keeps what it has; an error leaves the last good checkpoint, whole. */
  private async rescue(error: unknown): Promise<void> {
    const { settings, collective, resumedAt } = this.parts;
    const overflowed = error instanceof ToolkitError && error.code === "NUMERIC_OVERFLOW";
    const interrupted = settings.signal?.aborted === true && !overflowed;
    try {
      if (interrupted && collective.size === 1 && this.step > resumedAt) await this.save(undefined);
      await this.checkpoints?.settle();
    } catch {
      // What ended the run is what is reported.
    }
  }

  private async finish(before: ResourcesBefore): Promise<TrainReport> {
    const { settings, collective, folder, data, shape, valClasses, engine, network, log, steps, resumedAt } =
      this.parts;
    await this.checkpoints?.settle();
    const cpu = process.cpuUsage(before.cpu);
    const best = folder?.best;
    const report: Omit<TrainReport, "checkpoint"> = {
      network: settings.network,
      epochs: Number((steps / data.stepsPerEpoch).toFixed(3)),
      steps,
      ...log.summarise(),
      best: best?.valTop1 === undefined ? undefined : { epoch: best.epoch, valTop1: best.valTop1 },
      seconds: Math.round((performance.now() - before.ms) / 100) / 10,
      cpuSeconds: Math.round((cpu.user + cpu.system) / 1e5) / 10,
      parameters: network.model.countParams(),
      classes: shape.classes,
      valClasses,
      device: engine.device,
      worldSize: collective.size,
      resumedAt,
      alreadyDone: false,
      storage: countersSince(before.storage),
      pipeline: data.counters,
      skipped: data.skipped,
      cache: data.cacheCounters,
    };
    const complete = await folder?.finish(await this.files(), this.info(), log.historyText, report);
    return collective.share(complete as TrainReport);
  }
}
