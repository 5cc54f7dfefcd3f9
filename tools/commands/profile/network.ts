// dctstream profile network
import { readCheckpointInfo } from "../../../src/train/checkpoint.js";
import { openEngine } from "../../../src/train/engine/engine.js";
import { type Precision, precisions } from "../../../src/train/engine/frozen-network.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { summarize, totals } from "../../../src/train/networks/summary.js";
import { matrixProductRate, type Phase, phases, timeNetwork } from "../../../src/train/time-network.js";
import { argument, type Command } from "../../command.js";
import { engineOptionsFrom, withEngineOptions } from "../../engine-options.js";
import { networkOptionsFrom, withNetworkOptions } from "../../network-options.js";
import { profileSeconds, withSecondsOption } from "../../profile-options.js";
import { formatShare } from "../../quantity.js";

export const profileNetworkCommand: Command = {
  usage: "network <network>",
  describe: "Steps of a network on one batch in memory: the most that faster input could win",
  options: (parser) =>
    withSecondsOption(withEngineOptions(withNetworkOptions(parser)))
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
  run: async (args, { signal }) => {
    const seconds = profileSeconds(args);
    const [phase, batchSize] = [argument<Phase>(args, "phase"), argument<number>(args, "batchSize")];
    const { id, ...shape } = await networkOf(args);
    const layers = layersOf(findNetwork(id), shape); // what cannot be built is refused before TensorFlow's second of loading
    const { macs } = totals(summarize(layers));
    const engine = await openEngine(engineOptionsFrom(args));
    const peak = await matrixProductRate(engine);
    const options = { ...shape, phase, batchSize, seconds, precision: argument<Precision>(args, "precision"), signal };
    const times = [...(await timeNetwork(engine, id, options))].sort((a, b) => a - b);
    const at = (quantile: number) => times[Math.min(times.length - 1, Math.floor(quantile * times.length))] as number;
    const stepMs = at(0.5);
    const imagesPerSecond = (1000 * batchSize) / stepMs;
    // A training step computes the forward pass and two of its size backwards.
    const gmacsPerSecond = (imagesPerSecond * macs * (phase === "train" ? 3 : 1)) / 1e9;
    const { device } = engine;
    const result = {
      network: id,
      phase,
      batchSize,
      device,
      steps: times.length,
      stepMs,
      stepMsP10: at(0.1),
      stepMsP90: at(0.9),
      imagesPerSecond,
      gmacsPerSecond,
      limits: { matrixProductGmacsPerSecond: peak / 1e9 },
    };
    const text = [
      `${id}, ${phase}: ${stepMs.toFixed(1)} ms a step of ${batchSize} (${at(0.1).toFixed(1)} to ${at(0.9).toFixed(1)} for four of five), ${imagesPerSecond.toFixed(1)} images/s`,
      `${gmacsPerSecond.toFixed(0)} billion multiply-accumulates a second on ${device}, ${formatShare((1e9 * gmacsPerSecond) / peak)} of what a product of two float32 matrices of 1024 x 1024 reaches; ${times.length} steps`,
    ].join("\n");
    return { result, text };
  },
};

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
