// dctstream profile preprocess
import { argument, type Command } from "../../command.js";
import { preprocessOptionsFrom, withPreprocessOptions } from "../../options/preprocess-options.js";
import { profileSeconds, sweepLists, withProfileOptions, withSweepOption } from "../../options/profile-options.js";
import { finishProfile } from "../../profile/output.js";
import { profilePreprocess } from "../../profile/preprocess.js";
import { sweepFrom, sweepThrough } from "../../profile/sweep.js";

const sweepable = ["workers"] as const;

export const profilePreprocessCommand: Command = {
  lists: sweepLists,
  options: (parser) =>
    withSweepOption(withProfileOptions(withPreprocessOptions(parser)), sweepable)
      .option("out", {
        type: "string",
        requiresArg: true,
        describe:
          "Where to write meanwhile, such as the bucket that is meant [default: the system's folder for temporary files]",
      })
      .example("$0 profile preprocess 'train-{000000..000003}.tar' --out s3://bucket/scratch", ""),
  run: async (args, context) => {
    const seconds = profileSeconds(args);
    const sweep = sweepFrom(args, sweepable);
    const options = {
      ...preprocessOptionsFrom(args),
      out: argument<string | undefined>(args, "out"),
      signal: context.signal,
    };
    const profiled = await profilePreprocess(options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async ({ workers = options.workers }) => {
      const { profile } = await profilePreprocess({ ...options, workers }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, args, context);
  },
};
