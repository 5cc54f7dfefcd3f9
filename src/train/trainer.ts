// The training loop: batches in, one optimiser step each, validation and checkpoints between them.
import { ToolkitError } from "../errors.js";
import { type LoadedManifest, readManifest } from "../shards/manifest.js";
import { countersSince, type StorageCounters, storageCounters } from "../storage/counters.js";
import { withLock } from "../storage/with-lock.js";
import { buildInfo } from "./build-info.js";
import {
  type CheckpointInfo,
  type ModelFiles,
  modelFiles,
  readCheckpointInfo,
  readTrainingState,
} from "./checkpoint.js";
import { alone, type Collective } from "./collective/collective.js";
import { averageMovingStatistics } from "./collective/moving-statistics.js";
import { type Engine, openEngine } from "./engine/engine.js";
import { type EvaluateReport, evaluateModel } from "./evaluate.js";
import { History } from "./history.js";
import { type NetworkInput, networkInput } from "./input.js";
import { Meter } from "./meter.js";
import { buildNetwork, findNetwork, type Network } from "./networks/build.js";
import { layersOf } from "./networks/layers-of.js";
import { checkWorldSize, configOf, resolveTrainOptions, type TrainOptions, type TrainSettings } from "./options.js";
import type { Recipe } from "./recipe.js";
import type { EpochReport, StepReport, TrainReport } from "./report.js";
import { isRunFile, RunFolder } from "./run-folder.js";
import { Stepper, type StepResult } from "./step.js";
import { openTensorBoard, type TensorBoard } from "./tensorboard.js";
import { TrainingData } from "./training-data.js";
import { captureState, restoreState } from "./training-state.js";

/** Outputs of the network: labels count from 0, and a class without samples still has its place. */
export function classCount(manifest: LoadedManifest): number {
  return Math.max(2, ...manifest.classes.map(({ index }) => index + 1));
}

/** By class index; undefined when none has a name. */
function classNames(manifest: LoadedManifest): string[] | undefined {
  const named = new Map(manifest.classes.map(({ index, name, synset }) => [index, name ?? synset]));
  if ([...named.values()].every((name) => name === undefined)) return undefined;
  return Array.from({ length: classCount(manifest) }, (_, index) => named.get(index) ?? `class ${index}`);
}

/**
 * Trains a network, or goes on with the run that `out` holds where an earlier process stopped: the same steps, with the same losses, as
 * without the interruption. With several ranks every one calls this; rank 0 writes and reports. An interruption by the signal leaves a
 * checkpoint. UNKNOWN_NETWORK, TENSORFLOW_MISSING, WEBGPU_MISSING, NO_GPU, NUMERIC_OVERFLOW, INVALID_OPTION, OUTPUT_HOLDS_ANOTHER_RUN,
 * OUTPUT_IN_USE, STATE_MISMATCH, BAD_CHECKPOINT, and what the loader throws.
 */
export async function train(options: TrainOptions, collective: Collective = alone): Promise<TrainReport> {
  const settings = resolveTrainOptions(options);
  checkWorldSize(settings, collective.size);
  const definition = findNetwork(settings.network);
  const manifest = await readManifest(settings.manifest);
  const val = settings.val === undefined ? undefined : await readManifest(settings.val);
  const { inputSize, width, frequencies, grey, seed, zeroInit } = settings;
  const shape = { classes: classCount(manifest), inputSize, width, frequencies, grey, seed, zeroInit };
  layersOf(definition, shape); // what cannot be built is refused before anything is read or loaded
  const input = networkInput(definition, inputSize, frequencies);
  const start = async (signal: AbortSignal | undefined) => {
    const run = new Run({ settings, collective, manifest, val, shape, input, signal });
    return run.run();
  };
  if (collective.rank > 0) return start(undefined);
  // A rank that left in the middle of a step would leave the others waiting: several stop together, between two steps.
  const signal = collective.size === 1 ? settings.signal : undefined;
  return withLock({ folder: settings.out, what: "train", isOwn: isRunFile, signal }, start);
}

interface RunParts {
  readonly settings: TrainSettings;
  readonly collective: Collective;
  readonly manifest: LoadedManifest;
  readonly val: LoadedManifest | undefined;
  readonly shape: Parameters<typeof buildNetwork>[2];
  readonly input: NetworkInput;
  /** Ends the run wherever it is: of one process only, or because the claim on the folder is lost. */
  readonly signal: AbortSignal | undefined;
}

/** What rank 0 found in the run's folder. */
interface Beginning {
  readonly step: number;
  readonly report: TrainReport | undefined;
}

/** Over the steps of an epoch so far. */
type EpochSums = NonNullable<CheckpointInfo["training"]>["epochSums"];
const noSums: EpochSums = { loss: 0, correct: 0, samples: 0 };

class Run {
  private readonly before: StorageCounters = storageCounters();
  private readonly started = performance.now();
  private readonly cpuBefore = process.cpuUsage();
  private readonly meter = new Meter();
  private readonly build = buildInfo();
  private readonly tensors: number[] = [];
  /** Of rank 0 only. */
  private folder: RunFolder | undefined;
  private board: TensorBoard | undefined;
  private history = History.begin(1);
  private sums: EpochSums = noSums;
  private epochBegan = performance.now();
  /** A checkpoint that is being written. */
  private saving: Promise<unknown> = Promise.resolve();
  private savedStep = -1;
  private step = 0;
  private steps = 0;
  private resumedAt = 0;

  private data!: TrainingData;
  private engine!: Engine;
  private network!: Network;
  private stepper!: Stepper;

  constructor(private readonly parts: RunParts) {}

  async run(): Promise<TrainReport> {
    const { settings, collective, manifest, input, signal } = this.parts;
    if (collective.rank === 0) {
      const { overwrite, keepLast, out } = settings;
      const config = configOf(settings);
      const configFile = settings.toConfigFile?.(config) ?? { ...config };
      this.folder = await RunFolder.open(out, config, { overwrite, keepLast, configFile });
    }
    const found: Beginning = { step: this.folder?.latest?.step ?? 0, report: this.folder?.report };
    const { step, report } = await collective.share(found);
    if (report !== undefined) return { ...report, alreadyDone: true };
    this.data = await TrainingData.open(manifest, input, settings, collective, signal);
    try {
      await this.prepare(step);
      await this.loop();
      return await this.finish();
    } catch (error) {
      await this.rescue(error);
      throw error;
    } finally {
      this.board?.flush();
      this.stepper?.dispose();
      await this.data.close();
    }
  }

  /** Engine, network and optimiser, as they were after `step`. */
  private async prepare(step: number): Promise<void> {
    const { settings, collective, shape } = this.parts;
    this.steps = Math.min(settings.maxSteps ?? Infinity, Math.ceil(settings.epochs * this.data.stepsPerEpoch));
    this.step = this.resumedAt = this.savedStep = step;
    this.engine = await openEngine({ engine: settings.engine, device: settings.device, ...shareOf(collective) });
    this.network = buildNetwork(this.engine.tf, settings.network, shape);
    this.stepper = new Stepper(this.engine, this.network, {
      classes: shape.classes,
      recipe: this.recipe(),
      labelSmoothing: settings.labelSmoothing,
      averageDecay: settings.averageDecay,
      syncBatchNorm: settings.syncBatchNorm,
      collective,
      wantsToStop: collective.size === 1 ? undefined : () => settings.signal?.aborted === true,
    });
    if (step > 0) await this.restore();
    else if (this.folder !== undefined) this.history = History.begin(this.steps);
    if (this.folder === undefined) return;
    this.board = openTensorBoard(this.engine, settings);
    const { device } = this.engine;
    settings.onStart?.({ config: configOf(settings), resumedAt: step, worldSize: collective.size, device });
  }

  private recipe(): Recipe {
    const { learningRate, schedule, momentum, weightDecay, clipNorm, warmupEpochs } = this.parts.settings;
    const planned = Math.max(1, this.parts.settings.epochs * this.data.stepsPerEpoch);
    // A run that is cut short by a number of steps has its whole schedule in them.
    const warmupSteps = Math.round((warmupEpochs * this.data.stepsPerEpoch * this.steps) / planned);
    return { learningRate, schedule, momentum, weightDecay, clipNorm, warmupSteps, steps: this.steps };
  }

  /** Rank 0 reads, the others get it from there. */
  private async restore(): Promise<void> {
    const { collective } = this.parts;
    const { folder } = this;
    const source = folder?.folderOf({ step: this.step }) ?? "rank 0";
    if (folder !== undefined) {
      this.history = History.resume(await folder.readHistory(), this.steps, this.step);
      const { training } = await readCheckpointInfo(source);
      this.data.checkPosition(training?.position);
      this.sums = training?.epochSums ?? noSums;
    }
    const bytes = await collective.shareBytes(folder && (await readTrainingState(source)));
    restoreState(this.engine.tf, this.network, this.stepper, bytes as Uint8Array, source);
  }

  private async loop(): Promise<void> {
    const { settings, signal } = this.parts;
    this.meter.go();
    const waiting = <T>(batches: AsyncIterable<T>) => this.meter.waitingFor(batches);
    for await (const { epoch, parts, planned, batches } of this.data.steps(
      this.step,
      this.steps,
      settings.epochs,
      waiting,
    )) {
      const result = await this.stepper.step(batches, parts, planned, this.step);
      this.step++;
      this.note(epoch, result);
      await this.betweenSteps();
      await new Promise(setImmediate); // TensorFlow blocks the event loop: let reads and signals through between steps
      if (result.stop) await this.stopTogether();
      signal?.throwIfAborted();
    }
  }

  /** All ranks are here, after the same step. None may leave before the checkpoint is written. */
  private async stopTogether(): Promise<never> {
    const { settings, collective } = this.parts;
    await averageMovingStatistics(this.engine.tf, this.network, collective);
    await this.save(undefined);
    await this.saving;
    await collective.share(undefined);
    throw settings.signal?.reason ?? new ToolkitError("INTERRUPTED", "another rank was interrupted");
  }

  /** Counts and reports a step. */
  private note(epoch: number, { loss, top1, samples, learningRate, gradientNorm }: StepResult): void {
    const { settings } = this.parts;
    this.meter.count(samples);
    this.tensors.push(this.stepper.tensorCount);
    const { sums } = this;
    this.sums = {
      loss: sums.loss + loss * samples,
      correct: sums.correct + top1 * samples,
      samples: sums.samples + samples,
    };
    if (this.folder === undefined) return;
    const { imagesPerSecond, stallFraction, seconds } = this.meter;
    const report: StepReport = {
      step: this.step,
      steps: this.steps,
      epoch,
      epochs: settings.epochs,
      loss,
      top1,
      learningRate,
      gradientNorm,
      imagesPerSecond,
      inputStallFraction: stallFraction,
      secondsLeft: ((this.steps - this.step) * seconds) / (this.step - this.resumedAt),
      tensors: this.tensors.at(-1) as number,
    };
    this.history.addStep(report);
    if (this.history.keeps(this.step)) this.board?.step(report);
    settings.onStep?.(report);
  }

  /** Validation and checkpoints, where they are due. */
  private async betweenSteps(): Promise<void> {
    const { settings } = this.parts;
    const { stepsPerEpoch } = this.data;
    const last = this.step === this.steps;
    const epochEnds = this.step % stepsPerEpoch === 0;
    const epochs = Math.ceil(this.step / stepsPerEpoch);
    const due = (every: number) => last || (epochEnds && epochs % every === 0);
    const saves = due(settings.checkpointEvery) || this.step % (settings.checkpointSteps ?? Infinity) === 0;
    if (!epochEnds && !last && !saves) return;
    this.meter.pause();
    if (due(settings.validateEvery) || saves)
      await averageMovingStatistics(this.engine.tf, this.network, this.parts.collective);
    const score = due(settings.validateEvery) ? await this.validate() : undefined;
    if (epochEnds || last) this.noteEpoch(epochs, score);
    if (saves) await this.save(score?.top1);
    this.meter.go();
  }

  private async validate(): Promise<EvaluateReport | undefined> {
    const { val, input, settings, collective, signal } = this.parts;
    if (val === undefined) return undefined;
    const { batchSize, workers, prefetchBytes } = settings;
    const options = { manifest: val, batchSize, workers, prefetchBytes, collective, signal };
    return this.withAverage(() => evaluateModel(this.engine, this.network.logits, input, options));
  }

  /** Runs `work` on the weights that are evaluated and kept. */
  private withAverage<T>(work: () => Promise<T>): Promise<T> {
    const { average } = this.stepper;
    return average === undefined ? work() : average.during(work);
  }

  private noteEpoch(epoch: number, score: EvaluateReport | undefined): void {
    const { loss, correct, samples } = this.sums;
    this.sums = noSums;
    const [began, now] = [this.epochBegan, performance.now()];
    this.epochBegan = now;
    if (this.folder === undefined) return;
    const report: EpochReport = {
      epoch,
      epochs: this.parts.settings.epochs,
      step: this.step,
      loss: loss / samples,
      top1: correct / samples,
      valTop1: score?.top1,
      valTop5: score?.top5,
      valLoss: score?.loss,
      seconds: Math.round((now - began) / 100) / 10,
    };
    this.history.addEpoch(report);
    this.board?.epoch(report);
    this.parts.settings.onEpoch?.(report);
  }

  /** Copies everything now and writes it while training goes on; one checkpoint at a time. */
  private async save(valTop1: number | undefined): Promise<void> {
    const { folder, step } = this;
    if (folder === undefined || this.savedStep === step) return;
    await this.saving;
    const state = await captureState(this.network, this.stepper);
    const files = await this.files();
    const history = this.history.toText();
    const training = { step, position: this.data.positionAfter(step), epochSums: this.sums };
    const info = { ...this.info(), training };
    const entry = { step, epoch: info.epochs, ...(valTop1 !== undefined && { valTop1 }) };
    this.savedStep = step;
    this.saving = folder.add({ entry, files, info, training: state, history }).then((checkpoint) => {
      this.parts.settings.onCheckpoint?.({ step, checkpoint });
    });
    this.saving.catch(() => {}); // surfaces with the next checkpoint, or at the end
  }

  private files(): Promise<ModelFiles> {
    return this.withAverage(() => modelFiles(this.engine.tf, this.network.model));
  }

  private info(): CheckpointInfo {
    const { settings, input, shape, manifest } = this.parts;
    const { network, grey, width, seed } = settings;
    return {
      network,
      ...input,
      grey,
      width,
      classes: shape.classes,
      classNames: classNames(manifest),
      epochs: Number((this.step / this.data.stepsPerEpoch).toFixed(3)),
      steps: this.step,
      seed,
      trainedOn: manifest.url,
      ...this.build,
    };
  }

  /** An interrupted run keeps what it has; an error leaves the last good checkpoint, whole. */
  private async rescue(error: unknown): Promise<void> {
    const { settings, collective } = this.parts;
    const interrupted =
      settings.signal?.aborted === true && !(error instanceof ToolkitError && error.code === "NUMERIC_OVERFLOW");
    try {
      if (interrupted && collective.size === 1 && this.step > this.resumedAt) await this.save(undefined);
      await this.saving;
    } catch {
      // What ended the run is what is reported.
    }
  }

  private async finish(): Promise<TrainReport> {
    const { settings, collective } = this.parts;
    await this.saving;
    const last = this.history.lastEpoch;
    const { losses } = this.history;
    const tail = losses.slice(-Math.max(1, Math.round(losses.length / 10)));
    const best = this.folder?.best;
    const cpu = process.cpuUsage(this.cpuBefore);
    const report: Omit<TrainReport, "checkpoint"> = {
      network: settings.network,
      epochs: Number((this.steps / this.data.stepsPerEpoch).toFixed(3)),
      steps: this.steps,
      firstLoss: losses[0] as number,
      loss: tail.reduce((sum, loss) => sum + loss, 0) / tail.length,
      valTop1: last?.valTop1,
      valTop5: last?.valTop5,
      valLoss: last?.valLoss,
      best: best?.valTop1 === undefined ? undefined : { epoch: best.epoch, valTop1: best.valTop1 },
      imagesPerSecond: Math.round(10 * this.meter.imagesPerSecond) / 10,
      inputStallFraction: Math.round(1e4 * this.meter.stallFraction) / 1e4,
      seconds: Math.round((performance.now() - this.started) / 100) / 10,
      cpuSeconds: Math.round((cpu.user + cpu.system) / 1e5) / 10,
      tensors: { afterFirstStep: this.tensors[0] ?? 0, afterLastStep: this.tensors.at(-1) ?? 0 },
      parameters: this.network.model.countParams(),
      device: this.engine.device,
      worldSize: collective.size,
      resumedAt: this.resumedAt,
      alreadyDone: false,
      storage: countersSince(this.before),
      skipped: this.data.skipped,
      cache: this.data.cacheCounters,
    };
    const complete = await this.folder?.finish(await this.files(), this.info(), this.history.toText(), report);
    return collective.share(complete as TrainReport);
  }
}

/** The processor's threads are divided among the ranks of a machine. */
function shareOf({ localRank, localSize }: Collective) {
  return localSize === 1 ? {} : { share: { index: localRank, of: localSize } };
}
