// Everything of a run that a step changes, as named arrays: what resuming exactly needs beside the position in the
// data. Stored as safetensors.
import type { Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import { assign } from "../engine/assign.js";
import { layerWeights, variableOf } from "../engine/layer-graph.js";
import type { Tf } from "../engine/tensorflow.js";
import type { Network } from "../networks/build.js";
import { encodeSafetensors, parseSafetensors, type StoredTensor } from "../saved/safetensors.js";
import type { Stepper } from "../step/step.js";

/** The state by name: weight/LAYER/WEIGHT, velocity/LAYER/WEIGHT and average/LAYER/WEIGHT. */
function stateOf(network: Network, stepper: Stepper): Map<string, Variable> {
  const weights = layerWeights(network.model);
  const state = new Map<string, Variable>();
  const nameOf = new Map(weights.map(({ layer, name, variable }) => [variable, `${layer.name}/${name}`]));
  for (const [variable, name] of nameOf) state.set(`weight/${name}`, variable);
  for (const [i, weight] of network.logits.trainableWeights.map(variableOf).entries())
    state.set(`velocity/${nameOf.get(weight)}`, stepper.optimizer.velocities[i] as Variable);
  for (const [i, { variable }] of weights.entries()) {
    const average = stepper.average?.averages[i];
    if (average !== undefined) state.set(`average/${nameOf.get(variable)}`, average);
  }
  return state;
}

/** A copy of the state. Throws NUMERIC_OVERFLOW when a value of it is not finite. */
export async function captureState(network: Network, stepper: Stepper): Promise<Uint8Array> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, variable] of stateOf(network, stepper)) {
    const values = (await variable.data()) as Float32Array;
    if (!allFinite(values))
      throw new ToolkitError("NUMERIC_OVERFLOW", `${name} is not finite any more; the last checkpoint stays`);
    tensors.set(name, { shape: variable.shape, values });
  }
  return encodeSafetensors({ tensors, metadata: { format: "dctstream-training" } });
}

/** Restores a captured state. Throws BAD_CHECKPOINT when it is of another network or other settings. */
export function restoreState(tf: Tf, network: Network, stepper: Stepper, bytes: Uint8Array, source: string): void {
  const { tensors } = parseSafetensors(bytes, source);
  const state = stateOf(network, stepper);
  for (const [name, variable] of state) {
    const stored = tensors.get(name);
    if (stored === undefined || stored.shape.join() !== variable.shape.join()) {
      const found = stored === undefined ? "nothing" : `shape [${stored.shape}]`;
      throw new ToolkitError("BAD_CHECKPOINT", `${name}: expected shape [${variable.shape}], found ${found}`, {
        source,
      });
    }
    tf.tidy(() => assign(variable, tf.tensor(stored.values, variable.shape)));
  }
}

/** A sum is finite only if all its terms are; it cannot overflow in double precision. */
function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return Number.isFinite(sum);
}
