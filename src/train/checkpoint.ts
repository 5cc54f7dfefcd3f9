// A trained network on disk: a standard tfjs layers model (model.json and weights.bin, which a browser loads too) and
// checkpoint.json, which says what it was trained on. checkpoint.json is written last.
import type * as TensorFlow from "@tensorflow/tfjs";
import { z } from "zod";
import { ToolkitError } from "../errors.js";
import { checkDocument, parseJson } from "../shards/document.js";
import { joinUrl, parentUrl, putObject, readObject, readText } from "../storage/store.js";
import type { Tf } from "./engine/tensorflow.js";

const checkpointName = "checkpoint.json";
const checkpointVersion = 1;

const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();
const places = z.array(z.number().int().min(0).max(63)).min(1).readonly();
const frequenciesSchema = z.union([
  z.literal(24),
  z.literal(48),
  z.literal(64),
  z.object({ y: places, cb: places, cr: places }),
]);

const checkpointSchema = z.object({
  format: z.literal("dctstream-checkpoint"),
  version: z.literal(checkpointVersion),
  network: z.string(),
  input: z.enum(["rgb", "ycbcr", "dct"]),
  inputSize: z.number().int().positive(),
  frequencies: frequenciesSchema.optional(),
  normalize: z.object({ mean: triple, std: triple }).optional(),
  grey: z.boolean().default(false),
  width: z.number().positive(),
  classes: z.number().int().min(2),
  /** By class index; left out when the data set did not name its classes. */
  classNames: z.array(z.string()).optional(),
  epochs: z.number().nonnegative(),
  steps: z.number().int().nonnegative(),
  seed: z.number().int(),
  trainedOn: z.string(),
});

type LayersModel = TensorFlow.LayersModel;
type ModelArtifacts = Extract<Parameters<Tf["io"]["fromMemory"]>[0], { modelTopology?: object }>;

export type CheckpointInfo = Omit<z.infer<typeof checkpointSchema>, "format" | "version">;

export interface LoadedCheckpoint extends CheckpointInfo {
  /** Ends in a softmax. */
  readonly model: LayersModel;
  /** The same layers without it. */
  readonly logits: LayersModel;
}

function asBytes(data: ArrayBuffer | ArrayBuffer[] | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  return Array.isArray(data) ? Buffer.concat(data.map((part) => new Uint8Array(part))) : new Uint8Array(data);
}

/** Writes the model into `folder` and returns the URL of its checkpoint.json. */
export async function saveCheckpoint(
  tf: Tf,
  model: LayersModel,
  info: CheckpointInfo,
  folder: string,
): Promise<string> {
  const saved = { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" as const } };
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    const { modelTopology, weightSpecs, weightData } = artifacts;
    await putObject(joinUrl(folder, "weights.bin"), asBytes(weightData));
    const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
    await putObject(
      joinUrl(folder, "model.json"),
      JSON.stringify({
        format: "layers-model",
        generatedBy: "dctstream",
        convertedBy: null,
        modelTopology,
        weightsManifest,
      }),
    );
    return saved;
  });
  await model.save(handler);
  const url = joinUrl(folder, checkpointName);
  await putObject(url, checkpointText(info));
  return url;
}

/** What a checkpoint says of itself, without its model. BAD_CHECKPOINT. */
export function parseCheckpointInfo(text: string, source: string): CheckpointInfo {
  const {
    format: _,
    version: __,
    ...info
  } = checkDocument(checkpointSchema, parseJson(text, source, "BAD_CHECKPOINT"), source, "BAD_CHECKPOINT");
  return info;
}

/** The text of a checkpoint.json. */
export function checkpointText(info: CheckpointInfo): string {
  return `${JSON.stringify({ format: "dctstream-checkpoint", version: checkpointVersion, ...info }, undefined, 1)}\n`;
}

/** Reads checkpoint.json by its own URL or its folder's. NOT_FOUND, BAD_CHECKPOINT. */
export async function readCheckpointInfo(url: string): Promise<CheckpointInfo & { readonly folder: string }> {
  const file = url.endsWith(".json") ? url : joinUrl(url, checkpointName);
  const text = await readText(file);
  if (text === undefined)
    throw new ToolkitError("NOT_FOUND", "no checkpoint there; train writes one when it has finished", { source: file });
  return { ...parseCheckpointInfo(text, file), folder: parentUrl(file) };
}

export async function loadCheckpoint(tf: Tf, url: string): Promise<LoadedCheckpoint> {
  const info = await readCheckpointInfo(url);
  const source = joinUrl(info.folder, "model.json");
  const text = await readText(source);
  const weights = await readObject(joinUrl(info.folder, "weights.bin"));
  if (text === undefined || weights === undefined)
    throw new ToolkitError("BAD_CHECKPOINT", "model.json or weights.bin is missing beside it", { source: url });
  const weightData = weights.slice().buffer as ArrayBuffer;
  try {
    const { modelTopology, weightsManifest } = parseJson(text, source, "BAD_CHECKPOINT") as {
      modelTopology: object;
      weightsManifest: { weights: unknown[] }[];
    };
    const weightSpecs = weightsManifest.flatMap((group) => group.weights);
    const model = await tf.loadLayersModel(
      tf.io.fromMemory({ modelTopology, weightSpecs, weightData } as ModelArtifacts),
    );
    const dense = model.getLayer("fc").output as LayersModel["outputs"][number];
    return { ...info, model, logits: tf.model({ inputs: model.inputs, outputs: dense }) };
  } catch (cause) {
    throw new ToolkitError("BAD_CHECKPOINT", `the model cannot be loaded: ${(cause as Error).message}`, {
      source,
      cause,
    });
  }
}
