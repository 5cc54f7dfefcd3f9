// dctstream convert
import { ToolkitError } from "../../src/errors.js";
import { text } from "../../src/options/kinds.js";
import { complete, type Given, optionTable, pick } from "../../src/options/table.js";
import { readClasses } from "../../src/pipeline/preprocess/classes.js";
import { putObject, readObject } from "../../src/storage/objects.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { networkInput } from "../../src/train/input.js";
import { buildNetwork, findNetwork } from "../../src/train/networks/build.js";
import { networkOptions } from "../../src/train/networks/layers-of.js";
import {
  type CheckpointInfo,
  checkpointText,
  loadCheckpoint,
  parseCheckpointInfo,
  readCheckpointInfo,
  saveCheckpoint,
} from "../../src/train/saved/checkpoint.js";
import { networkClasses } from "../../src/train/saved/network-classes.js";
import { encodeSafetensors, parseSafetensors } from "../../src/train/saved/safetensors.js";
import { exportWeights, importWeights } from "../../src/train/saved/weights.js";
import { defineCommand } from "../command.js";

const extension = ".safetensors";

const convertOptions = optionTable({
  from: { kind: text, required: true, describe: `A checkpoint, or a ${extension} file` },
  to: { kind: text, required: true, describe: `A ${extension} file, or a folder` },
  network: { kind: text, describe: "The network's id, for a file that does not contain it", group: "Network" },
  classes: {
    kind: text,
    describe: "Likewise: how many classes it has, or a file of them as preprocess takes it",
    group: "Network",
  },
  ...pick(networkOptions, ["width", "inputSize"]),
});

type ConvertOptions = Given<typeof convertOptions>;

export const convertCommand = defineCommand({
  options: convertOptions,
  examples: [[`$0 convert run1 run1${extension}`, ""]],
  run: async (options) => {
    const { from, to } = options;
    if (from.endsWith(extension) === to.endsWith(extension))
      throw new ToolkitError("INVALID_OPTION", `one of the two must end in ${extension}, the other must not`);
    return to.endsWith(extension) ? toSafetensors(from, to) : toCheckpoint(options);
  },
});

async function toSafetensors(from: string, to: string) {
  const { folder: _, ...info } = await readCheckpointInfo(from);
  const { tf } = await openEngine();
  const { model } = await loadCheckpoint(tf, from);
  const tensors = await exportWeights(tf, model);
  await putObject(to, encodeSafetensors({ tensors, metadata: { format: "pt", dctstream: checkpointText(info) } }));
  return {
    result: { network: info.network, tensors: tensors.size, file: to },
    text: `${tensors.size} tensors of ${info.network}: ${to}`,
  };
}

async function toCheckpoint(options: ConvertOptions) {
  const { from, to } = options;
  const bytes = await readObject(from);
  if (bytes === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: from });
  const stored = parseSafetensors(bytes, from);
  const own = stored.metadata.dctstream;
  const info = own === undefined ? await describedInfo(options) : parseCheckpointInfo(own, from);
  const { tf } = await openEngine();
  const { model } = buildNetwork(tf, info.network, info);
  importWeights(tf, model, stored, from);
  const checkpoint = await saveCheckpoint(tf, model, info, to);
  return { result: { network: info.network, checkpoint }, text: `checkpoint  ${checkpoint}` };
}

/** What a file from elsewhere is, as the options say. */
async function describedInfo(options: ConvertOptions): Promise<CheckpointInfo> {
  const { from, network, classes } = options;
  if (network === undefined || classes === undefined)
    throw new ToolkitError(
      "INVALID_OPTION",
      "the file does not say what it holds: name it with `network` and `classes`",
    );
  const { width, inputSize } = complete(convertOptions, options);
  const input = networkInput(findNetwork(network), inputSize, undefined);
  return {
    network,
    ...networkClasses(await readClasses(classes)),
    ...input,
    grey: false,
    width,
    epochs: 0,
    steps: 0,
    seed: 0,
    trainedOn: from,
  };
}
