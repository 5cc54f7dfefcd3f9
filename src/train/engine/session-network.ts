// A frozen network as a TensorFlow session: the whole graph is optimised once and runs in one call.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LayersModel, Tensor } from "@tensorflow/tfjs";
import type { FreezeOptions, FrozenNetwork } from "./frozen-network.js";
import { inferenceGraph } from "./inference-graph.js";
import type { Tf } from "./tensorflow.js";

/** The part of the node backend that runs saved models. */
interface SessionBackend {
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  runSavedModel(id: number, inputs: Tensor[], inputInfos: { name: string }[], outputNames: string[]): Tensor[];
  deleteSavedModel(id: number): void;
}

/** A model with layers that no graph can be made of stays as it is. */
export async function freezeToSession(tf: Tf, model: LayersModel, options: FreezeOptions): Promise<FrozenNetwork> {
  const graph = await inferenceGraph(model, options.precision ?? "float32");
  if (graph === undefined) return stockNetwork(model);
  const backend = tf.backend() as unknown as SessionBackend;
  const folder = mkdtempSync(path.join(tmpdir(), "dctstream-network-"));
  try {
    writeFileSync(path.join(folder, "saved_model.pb"), graph.builder.savedModel());
    const id = backend.loadSavedModelMetaGraph(folder, "serve");
    const infos = graph.inputs.map((name) => ({ name: `${name}:0` }));
    return {
      predict: (inputs) => backend.runSavedModel(id, [...inputs], infos, [`${graph.output}:0`])[0] as Tensor,
      dispose: () => backend.deleteSavedModel(id),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The model run layer by layer. */
function stockNetwork(model: LayersModel): FrozenNetwork {
  return { predict: (inputs) => model.predict([...inputs]) as Tensor, dispose: () => {} };
}
