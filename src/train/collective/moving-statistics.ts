// Each rank normalises its own samples and so keeps moving statistics of its own. What is evaluated and saved has their
// mean.
import { assign } from "../engine/assign.js";
import { layerWeights } from "../engine/layer-graph.js";
import type { Tf } from "../engine/tensorflow.js";
import type { Network } from "../networks/build.js";
import type { Collective } from "./collective.js";

/** Replaces the moving means and variances of all ranks by their average. */
export async function averageMovingStatistics(tf: Tf, { model }: Network, collective: Collective): Promise<void> {
  if (collective.size === 1) return;
  const variables = layerWeights(model)
    .filter(({ name }) => name === "moving_mean" || name === "moving_variance")
    .map(({ variable }) => variable);
  const all = new Float32Array(variables.reduce((sum, { size }) => sum + size, 0));
  let offset = 0;
  for (const variable of variables) {
    all.set((await variable.data()) as Float32Array, offset);
    offset += variable.size;
  }
  await collective.sum(all);
  offset = 0;
  for (const variable of variables) {
    const sums = all.slice(offset, offset + variable.size);
    tf.tidy(() => assign(variable, tf.div(tf.tensor(sums, variable.shape), collective.size)));
    offset += variable.size;
  }
}
