// Weights under PyTorch's names and layouts: a module whose attributes are called like our layers takes them with
// load_state_dict.
//   Conv2D           layer.weight [out, in, height, width], layer.bias
//   Conv2DTranspose  layer.weight [in, out, height, width]
//   Dense            layer.weight [out, in], layer.bias
//   normalisations   layer.weight, layer.bias, layer.running_mean, layer.running_var
import type { LayersModel, Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import { assign } from "../engine/assign.js";
import { layerWeights } from "../engine/layer-graph.js";
import type { Tf } from "../engine/tensorflow.js";
import type { StoredTensor, StoredTensors } from "./safetensors.js";

const names: Readonly<Record<string, string>> = {
  kernel: "weight",
  gamma: "weight",
  bias: "bias",
  beta: "bias",
  moving_mean: "running_mean",
  moving_variance: "running_var",
};

/** Position in tfjs's shape of each axis of PyTorch's, by the layer's class and the kernel's rank. */
function axesOf(kind: string, weight: string, rank: number): readonly number[] | undefined {
  if (weight !== "kernel") return undefined;
  if (rank === 2) return [1, 0];
  if (kind === "Conv2D" || kind === "Conv2DTranspose") return [3, 2, 0, 1];
  throw new ToolkitError("INTERNAL", `nobody has said how PyTorch lays out the kernel of a ${kind}`);
}

interface NamedWeight {
  readonly name: string;
  readonly variable: Variable;
  readonly axes: readonly number[] | undefined;
}

function weightsOf(model: LayersModel): NamedWeight[] {
  return layerWeights(model).map(({ layer, name, variable }) => ({
    name: `${layer.name}.${names[name] ?? name}`,
    variable,
    axes: axesOf(layer.getClassName(), name, variable.rank),
  }));
}

/** All weights of a model, moving statistics included. */
export async function exportWeights(tf: Tf, model: LayersModel): Promise<ReadonlyMap<string, StoredTensor>> {
  const entries = weightsOf(model).map(async ({ name, variable, axes }): Promise<[string, StoredTensor]> => {
    const turned = axes === undefined ? variable.clone() : tf.transpose(variable, [...axes]);
    const values = (await turned.data()) as Float32Array;
    const { shape } = turned;
    turned.dispose();
    return [name, { shape, values }];
  });
  return new Map(await Promise.all(entries));
}

/**
 * Takes every weight of the model from `stored`. BAD_CHECKPOINT when one is missing, has another shape, or belongs to
 * no layer.
 */
export function importWeights(tf: Tf, model: LayersModel, stored: StoredTensors, source: string): void {
  const wanted = weightsOf(model);
  const known = new Set(wanted.map(({ name }) => name));
  // PyTorch counts batches beside the moving statistics; we have no use for that.
  const foreign = [...stored.tensors.keys()].find((name) => !known.has(name) && !name.endsWith(".num_batches_tracked"));
  if (foreign !== undefined)
    throw new ToolkitError("BAD_CHECKPOINT", `no layer of ${model.name} has a weight called ${foreign}`, { source });
  for (const { name, variable, axes } of wanted) {
    const tensor = stored.tensors.get(name);
    if (tensor === undefined)
      throw new ToolkitError("BAD_CHECKPOINT", `the weight ${name} of ${model.name} is missing`, { source });
    const expected = axes === undefined ? variable.shape : axes.map((axis) => variable.shape[axis] as number);
    if (expected.join() !== tensor.shape.join())
      throw new ToolkitError("BAD_CHECKPOINT", `${name}: expected shape [${expected}], found [${tensor.shape}]`, {
        source,
      });
    tf.tidy(() => {
      const values = tf.tensor(tensor.values, [...tensor.shape]);
      const back = axes?.map((_, axis) => axes.indexOf(axis));
      assign(variable, back === undefined ? values : tf.transpose(values, back));
    });
  }
}
