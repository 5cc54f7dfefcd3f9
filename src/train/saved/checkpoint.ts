// A trained network on disk: a standard tfjs layers model (model.json and weights.bin, which a browser loads too) and
// checkpoint.json, which contains what it was trained on. checkpoint.json is written last.
import type * as TensorFlow from "@tensorflow/tfjs";
import { z } from "zod";
import { ToolkitError } from "../../errors.js";
import { publicUrl } from "../../public-url.js";
import { checkDocument, parseJson } from "../../shards/document.js";
import { putObject, readObject, readText } from "../../storage/objects.js";
import { joinUrl, parentUrl } from "../../storage/url.js";
import type { Tf } from "../engine/tensorflow.js";
import { checkpointFolder, readRun } from "./run-document.js";

export const checkpointName = "checkpoint.json";
const checkpointVersion = 1;
const modelName = "model.json";
const weightsName = "weights.bin";
const trainingName = "training.safetensors";
/** Everything a checkpoint's folder can hold, what the rest depends on last. */
export const checkpointFiles = [weightsName, modelName, trainingName, checkpointName] as const;

const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();
const frequencyList = z.array(z.number().int().min(0).max(63)).min(1).readonly();
const frequenciesSchema = z.union([
  z.literal(24),
  z.literal(48),
  z.literal(64),
  z.object({ y: frequencyList, cb: frequencyList, cr: frequencyList }),
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
  /** A text to show for each class, by class index; left out when the data set did not name its classes. */
  classNames: z.array(z.string()).optional(),
  /** What the data set has of each class, by class index: see network-classes.ts. */
  classList: z.array(z.object({ synset: z.string().optional(), name: z.string().optional() })).optional(),
  epochs: z.number().nonnegative(),
  steps: z.number().int().nonnegative(),
  seed: z.number().int(),
  trainedOn: z.string(),
  /** What wrote it: this toolkit's version, and its commit where it runs from a checkout. */
  tool: z.string().optional(),
  commit: z.string().optional(),
  /** What a run resumes with after it; left out where nothing can be resumed. */
  training: z
    .object({
      step: z.number().int().nonnegative(),
      /** The loader's position: the next batch. */
      position: z.unknown(),
      /** Sums over the epoch's steps so far. */
      epochSums: z.object({ loss: z.number(), correct: z.number(), samples: z.number() }),
    })
    .optional(),
});

type LayersModel = TensorFlow.LayersModel;
type ModelArtifacts = Extract<Parameters<Tf["io"]["fromMemory"]>[0], { modelTopology?: object }>;

export type CheckpointInfo = Omit<z.infer<typeof checkpointSchema>, "format" | "version">;

export interface LoadedCheckpoint extends CheckpointInfo {
  /** Ends in a softmax. */
  readonly model: LayersModel;
  /** The model without its softmax. */
  readonly logits: LayersModel;
}

function asBytes(data: ArrayBuffer | ArrayBuffer[] | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  return Array.isArray(data) ? Buffer.concat(data.map((part) => new Uint8Array(part))) : new Uint8Array(data);
}

/** A model as the files of a checkpoint. */
export interface ModelFiles {
  /** JSON: layers, and the names and shapes of the weights. */
  readonly model: string;
  /** float32, one weight after the other. */
  readonly weights: Uint8Array;
}

/** Copies a model as it is now. */
export async function modelFiles(tf: Tf, model: LayersModel): Promise<ModelFiles> {
  const saved = { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" as const } };
  let files: ModelFiles | undefined;
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    const { modelTopology, weightSpecs, weightData } = artifacts;
    const weightsManifest = [{ paths: [weightsName], weights: weightSpecs }];
    const head = { format: "layers-model", generatedBy: "dctstream", convertedBy: null };
    files = { model: JSON.stringify({ ...head, modelTopology, weightsManifest }), weights: asBytes(weightData) };
    return saved;
  });
  await model.save(handler);
  return files as ModelFiles;
}

/**
 * Writes a checkpoint into `folder`, `training` (see training-state.ts) where a run can resume from it, and returns the
 * URL of its checkpoint.json.
 */
export async function writeCheckpoint(
  files: ModelFiles,
  info: CheckpointInfo,
  folder: string,
  training?: Uint8Array,
): Promise<string> {
  await putObject(joinUrl(folder, weightsName), files.weights);
  await putObject(joinUrl(folder, modelName), files.model);
  if (training !== undefined) await putObject(joinUrl(folder, trainingName), training);
  const url = joinUrl(folder, checkpointName);
  await putObject(url, checkpointText(info));
  return url;
}

/** Writes the model into `folder` and returns the URL of its checkpoint.json. */
export async function saveCheckpoint(
  tf: Tf,
  model: LayersModel,
  info: CheckpointInfo,
  folder: string,
): Promise<string> {
  return writeCheckpoint(await modelFiles(tf, model), info, folder);
}

/** What a run needs beside the network to resume. Throws BAD_CHECKPOINT when it is not there. */
export async function readTrainingState(folder: string): Promise<Uint8Array> {
  const source = joinUrl(folder, trainingName);
  const bytes = await readObject(source);
  if (bytes === undefined) throw new ToolkitError("BAD_CHECKPOINT", "the state of the training is missing", { source });
  return bytes;
}

/** What a checkpoint contains beside its model. Throws BAD_CHECKPOINT. */
export function parseCheckpointInfo(text: string, source: string): CheckpointInfo {
  const {
    format: _,
    version: __,
    ...info
  } = checkDocument(checkpointSchema, parseJson(text, source, "BAD_CHECKPOINT"), source, "BAD_CHECKPOINT");
  return info;
}

/** The text of a checkpoint.json; what it was trained on stands there in its public form. */
export function checkpointText(info: CheckpointInfo): string {
  const head = { format: "dctstream-checkpoint", version: checkpointVersion };
  return `${JSON.stringify({ ...head, ...info, trainedOn: publicUrl(info.trainedOn) }, undefined, 1)}\n`;
}

/**
 * Reads checkpoint.json by its own URL or its folder's; of a run that has not ended, its latest one. NOT_FOUND,
 * BAD_CHECKPOINT.
 */
export async function readCheckpointInfo(url: string): Promise<CheckpointInfo & { readonly folder: string }> {
  const named = url.endsWith(".json") ? url : joinUrl(url, checkpointName);
  const [file, text] = await findCheckpoint(named, url);
  if (text !== undefined) return { ...parseCheckpointInfo(text, file), folder: parentUrl(file) };
  const message = "no checkpoint there; train writes one after every epoch, and at its end";
  throw new ToolkitError("NOT_FOUND", message, { source: file });
}

async function findCheckpoint(file: string, url: string): Promise<[string, string | undefined]> {
  const text = await readText(file);
  const latest = text === undefined && file !== url ? (await readRun(url))?.checkpoints.at(-1) : undefined;
  if (latest === undefined) return [file, text];
  const there = joinUrl(checkpointFolder(url, latest.step), checkpointName);
  return [there, await readText(there)];
}

/** Loads a checkpoint, or a run's latest, with its model. Throws NOT_FOUND, BAD_CHECKPOINT. */
export async function loadCheckpoint(tf: Tf, url: string): Promise<LoadedCheckpoint> {
  const info = await readCheckpointInfo(url);
  const source = joinUrl(info.folder, modelName);
  const text = await readText(source);
  const weights = await readObject(joinUrl(info.folder, weightsName));
  if (text === undefined || weights === undefined)
    throw new ToolkitError("BAD_CHECKPOINT", `${modelName} or ${weightsName} is missing beside it`, { source: url });
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
