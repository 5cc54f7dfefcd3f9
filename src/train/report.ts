// What a training run reports while it runs and when it has ended, and what an evaluation finds.
import type { PipelineCounters } from "../pipeline/stage-clock.js";
import type { ClassComparison } from "../shards/class-list.js";
import type { StorageCounters } from "../storage/counters.js";
import type { CacheCounters } from "../storage/disk/cache.js";

/** A step that was made. */
export interface StepReport {
  /** Counts from 1. */
  readonly step: number;
  readonly steps: number;
  /** Counts from 0, as seeds do. */
  readonly epoch: number;
  readonly epochs: number;
  /**
   * Mean loss of the step's samples, of all ranks, before its update: cross-entropy in nats, with smoothed and mixed
   * labels where asked for.
   */
  readonly loss: number;
  /** Share of the samples whose class was the first guess, in training mode and on augmented views. */
  readonly top1: number;
  readonly learningRate: number;
  /** Norm of the gradient over all weights; only where it is clipped. */
  readonly gradientNorm: number | undefined;
  /** The speed of all ranks since the run began or was resumed, validation and checkpoints left out. */
  readonly imagesPerSecond: number;
  /** Share of that time in which the step waited for its batch. */
  readonly inputStallFraction: number;
  /** The time that training still takes, at the speed so far. */
  readonly secondsLeft: number;
  /** Tensors alive after the step: constant, or something leaks. */
  readonly tensors: number;
}

/** An epoch that has ended. */
export interface EpochReport {
  /** Epochs done. */
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** Means of the epoch's steps. */
  readonly loss: number;
  readonly top1: number;
  /** Where there was a validation. */
  readonly valTop1: number | undefined;
  readonly valTop5: number | undefined;
  readonly valLoss: number | undefined;
  readonly seconds: number;
}

/** A checkpoint that was written. */
export interface CheckpointReport {
  readonly step: number;
  /** URL of its checkpoint.json. */
  readonly checkpoint: string;
}

/** What a training run came to. */
export interface TrainReport {
  readonly network: string;
  readonly epochs: number;
  readonly steps: number;
  /** The loss of the first step, and the mean of the last tenth. */
  readonly firstLoss: number;
  readonly loss: number;
  /** The result of the last validation. */
  readonly valTop1: number | undefined;
  readonly valTop5: number | undefined;
  readonly valLoss: number | undefined;
  /** The best of all validations, and the epochs done by then. */
  readonly best: { readonly epoch: number; readonly valTop1: number } | undefined;
  /** The speed over the steps that this process made; of all ranks. */
  readonly imagesPerSecond: number;
  /** Share of the loop's time that the step waited for its batch. */
  readonly inputStallFraction: number;
  /**
   * The time of this process, from its first look at the run to the trained network, and what all its threads computed
   * meanwhile.
   */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly tensors: { readonly afterFirstStep: number; readonly afterLastStep: number };
  readonly parameters: number;
  /** Outputs of the network. */
  readonly classes: number;
  /** How the classes of the validation set were matched with those of the training set. */
  readonly valClasses: ClassComparison | undefined;
  /** What computed: the engine's device, in words. */
  readonly device: string;
  readonly worldSize: number;
  /** The step that this process continued after; 0 when the run was new. */
  readonly resumedAt: number;
  /** True when the run had ended before and nothing was left to do. */
  readonly alreadyDone: boolean;
  /** Requests to storage services, and how many of them had to be made again. */
  readonly storage: StorageCounters;
  /** What the stages did meanwhile, from storage to steps; of this rank. */
  readonly pipeline: PipelineCounters;
  /** Damaged samples that were replaced, by code. */
  readonly skipped: Readonly<Record<string, number>>;
  /** What the cache did; undefined without one. */
  readonly cache: CacheCounters | undefined;
  /** URL of the trained network's checkpoint.json. */
  readonly checkpoint: string;
}

/** How well a network knows a data set. */
export interface EvaluateReport {
  readonly samples: number;
  /** Shares of [0, 1]; with five classes or fewer, top-5 is 1 by definition. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly perClass: readonly {
    readonly index: number;
    readonly name: string;
    readonly samples: number;
    readonly top1: number;
  }[];
  /** Mistakes only, the most frequent first. Like all labels here, both are numbers of the network's outputs. */
  readonly confusion: readonly { readonly label: number; readonly predicted: number; readonly count: number }[];
  /** How the data set's classes were matched with the outputs. */
  readonly classes: ClassComparison;
  /** Names by output; undefined when neither the checkpoint nor the data set names any class. */
  readonly classNames: readonly string[] | undefined;
  /** The most confident first; where they were asked for. Of the samples of this rank. */
  readonly mistakes?: readonly Mistake[];
}

/** A sample that the network takes for another class. */
export interface Mistake {
  readonly key: string;
  /** The sample's number in the manifest's order. */
  readonly sample: number;
  readonly label: number;
  readonly predicted: number;
  /** The probability of the predicted class. */
  readonly probability: number;
}
