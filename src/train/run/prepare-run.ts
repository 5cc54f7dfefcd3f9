// Everything a process needs for its part of a run, in place: engine, network, optimiser and log, new or as a
// checkpoint has them.
import { ToolkitError } from "../../errors.js";
import type { ClassComparison, ClassList } from "../../shards/class-list.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import type { Collective } from "../collective/collective.js";
import type { Engine } from "../engine/engine.js";
import { openEngine } from "../engine/open-engine.js";
import type { NetworkInput } from "../input.js";
import { buildNetwork, type Network } from "../networks/build.js";
import { configOf, type TrainSettings } from "../options.js";
import { readCheckpointInfo, readTrainingState } from "../saved/checkpoint.js";
import type { Recipe } from "../step/recipe.js";
import { Stepper } from "../step/step.js";
import type { RunFolder } from "./run-folder.js";
import { RunLog, type RunLogParts } from "./run-log.js";
import { openTensorBoard } from "./tensorboard.js";
import type { TrainingData } from "./training-data.js";
import { restoreState } from "./training-state.js";

export interface RunParts {
  readonly settings: TrainSettings;
  readonly collective: Collective;
  readonly manifest: LoadedManifest;
  /** What its labels and the network's outputs are numbers of. */
  readonly classes: ClassList;
  readonly val: LoadedManifest | undefined;
  /** How the classes of the validation set were matched with those. */
  readonly valClasses: ClassComparison | undefined;
  readonly shape: Parameters<typeof buildNetwork>[2] & { readonly classes: number };
  readonly input: NetworkInput;
  /** Ends the run wherever it is: of one process only, or because the claim on the folder is lost. */
  readonly signal: AbortSignal | undefined;
}

interface Equipment {
  /** The run's folder, on rank 0 only. */
  readonly folder: RunFolder | undefined;
  readonly data: TrainingData;
  readonly engine: Engine;
  readonly network: Network;
  readonly stepper: Stepper;
  readonly collective: Collective;
}

export interface PreparedRun extends RunParts, Equipment {
  readonly log: RunLog;
  readonly steps: number;
  readonly resumedAt: number;
}

/** Engine, network and optimiser, as they were after `step`. */
export async function prepareRun(
  parts: RunParts,
  folder: RunFolder | undefined,
  data: TrainingData,
  step: number,
): Promise<PreparedRun> {
  const { settings, collective, shape } = parts;
  const steps = Math.min(settings.maxSteps ?? Infinity, Math.ceil(settings.epochs * data.stepsPerEpoch));
  const engine = await openEngine({ engine: settings.engine, device: settings.device, ...shareOf(collective) });
  const network = buildNetwork(engine.tf, settings.network, shape);
  const stepper = new Stepper(engine, network, {
    classes: shape.classes,
    recipe: recipeOf(settings, data.stepsPerEpoch, steps),
    labelSmoothing: settings.labelSmoothing,
    averageDecay: settings.averageDecay,
    syncBatchNorm: settings.syncBatchNorm,
    collective,
    wantsToStop: collective.size === 1 ? undefined : () => settings.signal?.aborted === true,
  });
  const equipment = { folder, data, engine, network, stepper, collective };
  const earlier = step === 0 ? undefined : await restore(equipment, step);
  const board = folder && openTensorBoard(engine, settings);
  const log = new RunLog({
    settings,
    steps,
    resumedAt: step,
    earlier,
    board,
    tells: folder !== undefined,
    input: () => data.counters,
  });
  settings.onCounters?.(() => data.counters);
  if (folder !== undefined) {
    const { device } = engine;
    settings.onStart?.({
      config: configOf(settings),
      resumedAt: step,
      worldSize: collective.size,
      device,
      leftOut: data.leftOut,
      classes: shape.classes,
      classesSeen: parts.classes.entries.length,
      valClasses: parts.valClasses,
    });
  }
  return { ...parts, ...equipment, log, steps, resumedAt: step };
}

/** A run that is cut short by a number of steps has its whole schedule, warm-up included, in them. */
function recipeOf(settings: TrainSettings, stepsPerEpoch: number, steps: number): Recipe {
  const { learningRate, schedule, momentum, weightDecay, clipNorm, warmupEpochs, epochs } = settings;
  const warmupSteps = Math.round((warmupEpochs * steps) / Math.max(epochs, 1 / stepsPerEpoch));
  return { learningRate, schedule, momentum, weightDecay, clipNorm, warmupSteps, steps };
}

/**
 * Restores a checkpoint's state on all ranks: rank 0 reads, the others get it from there. Returns what the log
 * continues with.
 */
async function restore(
  { folder, data, engine, network, stepper, collective }: Pick<PreparedRun, keyof Equipment>,
  step: number,
): Promise<RunLogParts["earlier"]> {
  const source = folder?.folderOf({ step }) ?? "rank 0";
  const training = folder && (await readCheckpointInfo(source)).training;
  if (folder !== undefined) checkPosition(data, training?.position, source);
  const bytes = await collective.shareBytes(folder && (await readTrainingState(source)));
  restoreState(engine.tf, network, stepper, bytes as Uint8Array, source);
  return training && { history: (await folder?.readHistory()) ?? "", sums: training.epochSums };
}

/** Throws BAD_STATE, or STATE_MISMATCH with what can be done, when data cannot continue where a checkpoint stands. */
function checkPosition(data: TrainingData, position: unknown, source: string): void {
  try {
    data.checkPosition(position);
  } catch (error) {
    if (!(error instanceof ToolkitError)) throw error;
    const cure = error.code === "STATE_MISMATCH" ? "; train with another `out`, or start anew with `overwrite`" : "";
    throw new ToolkitError(error.code, `${error.message}${cure}`, { source, cause: error });
  }
}

/** The processor's threads are divided among the ranks of a machine. */
function shareOf({ localRank, localSize }: Collective) {
  return localSize === 1 ? {} : { share: { index: localRank, of: localSize } };
}
