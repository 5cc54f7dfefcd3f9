// Sets of options for a purpose.
import type { Given } from "../options/table.js";
import type { PresetName, trainOptions } from "./run-options.js";

/** The presets by name; what is given beside one wins over it. */
export const presets = {
  /** He et al. 2015 as Goyal et al. 2017 scale it: the recipe of the paper's kind, which is also the default. */
  paper: { epochs: 90, batchSize: 256, schedule: "step" },
  /** Most of the accuracy in a sixth of the epochs: smaller views first, a cosine, smoothed labels. */
  fast: {
    epochs: 16,
    batchSize: 256,
    schedule: "cosine",
    learningRate: 0.4,
    warmupEpochs: 2,
    labelSmoothing: 0.1,
    firstInputSize: 128,
    cropScale: 0.25,
    zeroInit: true,
  },
  /** Minutes on a processor: small enough for the demo. */
  tiny: {
    epochs: 6,
    batchSize: 32,
    schedule: "cosine",
    learningRate: 0.05,
    width: 0.25,
    inputSize: 64,
    zeroInit: true,
  },
} as const satisfies Record<PresetName, Partial<Given<typeof trainOptions>>>;
