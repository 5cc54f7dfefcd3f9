// A training step outside of a run, to be measured or compared: constant rate, nothing optional.
import { alone } from "../collective/collective.js";
import type { StepSettings } from "./step.js";
import type { LabelledBatch } from "./targets.js";

export function stepSettings(classes: number, learningRate: number, collective = alone): StepSettings {
  return {
    classes,
    recipe: {
      learningRate,
      schedule: "step",
      steps: Number.MAX_SAFE_INTEGER,
      warmupSteps: 0,
      momentum: 0.9,
      weightDecay: 1e-4,
      clipNorm: undefined,
    },
    labelSmoothing: 0,
    averageDecay: undefined,
    syncBatchNorm: false,
    collective,
  };
}

export function labelledSamples(labels: Int32Array): LabelledBatch {
  return { labels, mask: new Float32Array(labels.length).fill(1), mixed: undefined, samples: labels.length };
}
