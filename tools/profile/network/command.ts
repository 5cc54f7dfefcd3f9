// dctstream profile network
import { oneOf, text } from "../../../src/options/kinds.js";
import { type Complete, complete, given, optionTable } from "../../../src/options/table.js";
import { engineOptions } from "../../../src/train/engine/engine.js";
import { precisions } from "../../../src/train/engine/frozen-network.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { classCountOption, layersOf, networkOptions } from "../../../src/train/networks/layers-of.js";
import { summarize, totals } from "../../../src/train/networks/summary.js";
import { readCheckpointInfo } from "../../../src/train/saved/checkpoint.js";
import { phases } from "../../../src/train/time-network.js";
import { defineCommand } from "../../command.js";
import { profileOptions } from "../../options/profile-options.js";
import { formatShare } from "../../options/quantity.js";
import { batchSizeOption } from "../../options/read-options.js";
import { writePage, writeTrace } from "../output.js";
import { renderProfile } from "../page.js";
import { Recording } from "../recording.js";
import { type NetworkProfile, profileNetwork } from "./measure.js";

const shapeOptions = optionTable({ ...networkOptions, ...classCountOption });

const networkProfileOptions = optionTable({
  network: {
    kind: text,
    required: true,
    describe: "A network's id, or a checkpoint, which decides the options of the network",
  },
  ...shapeOptions,
  ...batchSizeOption,
  phase: { kind: oneOf(phases), default: "train", describe: "What a step is", group: "Profile" },
  precision: { kind: oneOf(precisions), default: "float32", describe: "Precision of inference", group: "Machine" },
  ...profileOptions,
  ...engineOptions,
});

export const profileNetworkCommand = defineCommand({
  options: networkProfileOptions,
  examples: [
    ["$0 profile network late-concat-rfa-thinner --phase inference", ""],
    ["$0 profile network run1 --phase inference", "The network of a run's checkpoint"],
  ],
  run: async (options, context) => {
    const settings = complete(networkProfileOptions, options);
    const { phase, precision, batchSize, seconds } = settings;
    const { id, ...shape } = await networkOf(settings.network, complete(shapeOptions, options));
    // What cannot be built is refused before TensorFlow's second of loading.
    const layers = layersOf(findNetwork(id), shape);
    const { macs } = totals(summarize(layers));
    const engine = await openEngine(given(engineOptions, options));
    const recording = new Recording();
    const timing = { ...shape, phase, batchSize, seconds, precision, signal: context.signal };
    const network = await profileNetwork(engine, id, macs, timing, recording);
    await writeTrace(recording, options, context.log);
    await writePage(options, context.log, () => renderProfile(network, recording));
    return { result: network, text: describe(network) };
  },
});

function describe(profile: NetworkProfile): string {
  const { verdict, stepMsP10, stepMsP90, steps, device, gmacsPerSecond, limits } = profile;
  const reached = formatShare(gmacsPerSecond / (limits.matrixProductGmacsPerSecond as number));
  return [
    verdict,
    `${stepMsP10.toFixed(1)} to ${stepMsP90.toFixed(1)} ms for four of five of ${steps} steps, on ${device}`,
    `${gmacsPerSecond.toFixed(0)} billion multiply-accumulates a second, ${reached} of what a product of two float32 matrices of 1024 x 1024 reaches`,
  ].join("\n");
}

/** The network of that id, or of a checkpoint. */
async function networkOf(name: string, shape: Complete<typeof shapeOptions>) {
  if (networks.some(({ id }) => id === name)) return { id: name, ...shape };
  const info = await readCheckpointInfo(name).catch((error) => {
    if (!/[/.]/.test(name)) findNetwork(name); // a mistyped id more likely than a folder: says which it is like
    throw error;
  });
  const { network: id, classes, inputSize, frequencies, grey, width } = info;
  return { id, classes, inputSize, frequencies, grey, width };
}
