// dctstream profile preprocess
import { text } from "../../../src/options/kinds.js";
import { complete, omit, optionTable } from "../../../src/options/table.js";
import { preprocessOptions } from "../../../src/pipeline/preprocess/options.js";
import { defineCommand } from "../../command.js";
import { profileOptions, sweepOption } from "../../options/profile-options.js";
import { finishProfile } from "../output.js";
import { sweepFrom, sweepThrough } from "../sweep.js";
import { profilePreprocess } from "./measure.js";

const sweepable = ["workers"] as const;

const commandOptions = optionTable({
  ...omit(preprocessOptions, ["out", "quarantine", "overwrite", "rank", "worldSize", "merge"]),
  out: {
    kind: text,
    otherwise: "the system's folder for temporary files",
    describe: "Where to write meanwhile, such as the bucket that is meant",
    group: "Output",
  },
  ...profileOptions,
  ...sweepOption(sweepable),
});

export const profilePreprocessCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 profile preprocess 'train-{000000..000003}.tar' --out s3://bucket/scratch", ""]],
  run: async (given, context) => {
    const { seconds, workers: defaultWorkers } = complete(commandOptions, given);
    const sweep = sweepFrom(given, sweepable);
    const options = { ...given, workers: defaultWorkers, signal: context.signal };
    const profiled = await profilePreprocess(options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async ({ workers = options.workers }) => {
      const { profile } = await profilePreprocess({ ...options, workers }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, given, context);
  },
});
