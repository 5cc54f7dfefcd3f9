// What makes a fresh network compute like a trained one.
import type { LayersModel } from "@tensorflow/tfjs";
import { layerWeights } from "../src/train/engine/layer-graph.js";
import type { Tf } from "../src/train/engine/tensorflow.js";

/** Random normalisations: of such that do nothing TensorFlow's optimiser leaves parts out, and fuses others no more. */
export function randomStatistics(tf: Tf, model: LayersModel): void {
  tf.tidy(() => {
    for (const { name, variable: weight } of layerWeights(model)) {
      // tfjs's types ask for the variable's own rank.
      if (/^(beta|moving_mean)$/.test(name)) weight.assign(tf.randomNormal(weight.shape, 0, 0.2) as never);
      if (/^(gamma|moving_variance)$/.test(name)) weight.assign(tf.randomUniform(weight.shape, 0.5, 1.5) as never);
    }
  });
}
