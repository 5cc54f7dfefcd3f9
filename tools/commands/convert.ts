// dctstream convert
import { ToolkitError } from "../../src/errors.js";
import { readClasses } from "../../src/pipeline/preprocess/classes.js";
import { putObject, readObject } from "../../src/storage/objects.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { networkInput } from "../../src/train/input.js";
import { buildNetwork, findNetwork } from "../../src/train/networks/build.js";
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
import { argument, type Command } from "../command.js";

const extension = ".safetensors";

export const convertCommand: Command = {
  options: (parser) =>
    parser
      .positional("from", { type: "string", demandOption: true, describe: `A checkpoint, or a ${extension} file` })
      .positional("to", { type: "string", demandOption: true, describe: `A ${extension} file, or a folder` })
      .option("network", {
        type: "string",
        requiresArg: true,
        describe: "Of a file that does not say it itself: the network's id",
      })
      .option("classes", {
        type: "string",
        requiresArg: true,
        describe: "Likewise: how many classes it knows, or a file of them as preprocess takes it",
      })
      .option("width", {
        type: "number",
        default: 1,
        requiresArg: true,
        describe: "Likewise: factor on channel counts",
      })
      .option("input-size", { type: "number", default: 224, requiresArg: true, describe: "Likewise: side in pixels" })
      .example(`$0 convert run1 run1${extension}`, ""),
  run: async (args) => {
    const [from, to] = [argument<string>(args, "from"), argument<string>(args, "to")];
    if (from.endsWith(extension) === to.endsWith(extension))
      throw new ToolkitError("INVALID_OPTION", `one of the two must end in ${extension}, the other must not`);
    return to.endsWith(extension) ? toSafetensors(from, to) : toCheckpoint(from, to, args);
  },
};

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

async function toCheckpoint(from: string, to: string, args: Record<string, unknown>) {
  const bytes = await readObject(from);
  if (bytes === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: from });
  const stored = parseSafetensors(bytes, from);
  const own = stored.metadata.dctstream;
  const info = own === undefined ? await describedInfo(args, from) : parseCheckpointInfo(own, from);
  const { tf } = await openEngine();
  const { model } = buildNetwork(tf, info.network, info);
  importWeights(tf, model, stored, from);
  const checkpoint = await saveCheckpoint(tf, model, info, to);
  return { result: { network: info.network, checkpoint }, text: `checkpoint  ${checkpoint}` };
}

/** What a file from elsewhere is, as the options say. */
async function describedInfo(args: Record<string, unknown>, from: string): Promise<CheckpointInfo> {
  const network = argument<string | undefined>(args, "network");
  const classes = argument<string | undefined>(args, "classes");
  if (network === undefined || classes === undefined)
    throw new ToolkitError(
      "INVALID_OPTION",
      "the file does not say what it holds: name it with --network and --classes",
    );
  const input = networkInput(findNetwork(network), argument<number>(args, "inputSize"), undefined);
  return {
    network,
    ...networkClasses(await readClasses(classes)),
    ...input,
    grey: false,
    width: argument<number>(args, "width"),
    epochs: 0,
    steps: 0,
    seed: 0,
    trainedOn: from,
  };
}
