// dctstream profile network
import { type Precision, precisions } from "../../../src/train/engine/frozen-network.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { summarize, totals } from "../../../src/train/networks/summary.js";
import { readCheckpointInfo } from "../../../src/train/saved/checkpoint.js";
import { type Phase, phases } from "../../../src/train/time-network.js";
import { argument, type Command } from "../../command.js";
import { engineOptionsFrom, withEngineOptions } from "../../options/engine-options.js";
import { networkOptionsFrom, withNetworkOptions } from "../../options/network-options.js";
import { profileSeconds, withProfileOptions } from "../../options/profile-options.js";
import { formatShare } from "../../options/quantity.js";
import { type NetworkProfile, profileNetwork } from "../../profile/network.js";
import { writePage, writeTrace } from "../../profile/output.js";
import { Recording } from "../../profile/recording.js";
import { renderProfile } from "../../report/profile.js";

export const profileNetworkCommand: Command = {
  options: (parser) =>
    withProfileOptions(withEngineOptions(withNetworkOptions(parser)))
      .positional("network", {
        type: "string",
        demandOption: true,
        describe: "A network's id, or a checkpoint, which decides the options of the network",
      })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per step" })
      .option("phase", { choices: phases, default: "train", requiresArg: true, describe: "What a step is" })
      .option("precision", { choices: precisions, default: "float32", requiresArg: true, describe: "Of inference" })
      .option("classes", { type: "number", default: 1000, requiresArg: true, describe: "Outputs of the network" })
      .example("$0 profile network late-concat-rfa-thinner --phase inference", "")
      .example("$0 profile network run1 --phase inference", "The network of a run's checkpoint"),
  run: async (args, context) => {
    const seconds = profileSeconds(args);
    const [phase, batchSize] = [argument<Phase>(args, "phase"), argument<number>(args, "batchSize")];
    const { id, ...shape } = await networkOf(args);
    const layers = layersOf(findNetwork(id), shape); // what cannot be built is refused before TensorFlow's second of loading
    const { macs } = totals(summarize(layers));
    const engine = await openEngine(engineOptionsFrom(args));
    const recording = new Recording();
    const precision = argument<Precision>(args, "precision");
    const timing = { ...shape, phase, batchSize, seconds, precision, signal: context.signal };
    const network = await profileNetwork(engine, id, macs, timing, recording);
    await writeTrace(recording, args, context.log);
    await writePage(args, context.log, () => renderProfile(network, recording));
    return { result: network, text: describe(network) };
  },
};

function describe(profile: NetworkProfile): string {
  const { verdict, stepMsP10, stepMsP90, steps, device, gmacsPerSecond, limits } = profile;
  const reached = formatShare(gmacsPerSecond / (limits.matrixProductGmacsPerSecond as number));
  return [
    verdict,
    `${stepMsP10.toFixed(1)} to ${stepMsP90.toFixed(1)} ms for four of five of ${steps} steps, on ${device}`,
    `${gmacsPerSecond.toFixed(0)} billion multiply-accumulates a second, ${reached} of what a product of two float32 matrices of 1024 x 1024 reaches`,
  ].join("\n");
}

/** By its id; or as a checkpoint has it. */
async function networkOf(args: Record<string, unknown>) {
  const name = argument<string>(args, "network");
  const given = { classes: argument<number>(args, "classes"), ...networkOptionsFrom(args) };
  if (networks.some(({ id }) => id === name)) return { id: name, ...given };
  const info = await readCheckpointInfo(name).catch((error) => {
    if (!/[/.]/.test(name)) findNetwork(name); // a mistyped id more likely than a folder: says which it is like
    throw error;
  });
  const { network: id, classes, inputSize, frequencies, grey, width } = info;
  return { id, classes, inputSize, frequencies, grey, width };
}
