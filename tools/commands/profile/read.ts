// dctstream profile read
import type { ToolkitError } from "../../../src/errors.js";
import { readManifest } from "../../../src/shards/manifest.js";
import { argument, type Command } from "../../command.js";
import { networkOptionsFrom, withNetworkOptions } from "../../options/network-options.js";
import { profileSeconds, sweepLists, withProfileOptions, withSweepOption } from "../../options/profile-options.js";
import { readOptionsFrom, withReadOptions } from "../../options/storage-options.js";
import { finishProfile } from "../../profile/output.js";
import { profileRead } from "../../profile/read.js";
import { settingsOf, sweepFrom, sweepThrough } from "../../profile/sweep.js";

export const profileReadCommand: Command = {
  lists: sweepLists,
  options: (parser) =>
    withSweepOption(withProfileOptions(withNetworkOptions(withReadOptions(parser))))
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per batch" })
      .option("view", {
        choices: ["dct", "rgb", "ycbcr"] as const,
        default: "dct",
        requiresArg: true,
        describe: "What views hold",
      })
      .option("augment", {
        choices: ["none", "eval", "train"] as const,
        default: "train",
        requiresArg: true,
        describe: "Whole pictures, the evaluation view, or random crops and flips",
      })
      .example("$0 profile read shards --view dct --augment train --workers 2", ""),
  run: async (args, context) => {
    const seconds = profileSeconds(args);
    const sweep = sweepFrom(args);
    const manifest = await readManifest(argument<string>(args, "manifest"));
    const { inputSize: size, frequencies } = networkOptionsFrom(args);
    const kind = argument<"dct" | "rgb" | "ycbcr">(args, "view");
    const view = { kind, size, augment: argument<"none" | "eval" | "train">(args, "augment"), frequencies };
    const batchSize = Math.min(argument<number>(args, "batchSize"), manifest.samples);
    const onWarning = (warning: ToolkitError) => context.log(`warning: ${warning.describe()}`);
    const options = { view, batchSize, ...readOptionsFrom(args), onWarning, signal: context.signal };
    const profiled = await profileRead(manifest, options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async (change) => {
      const { profile } = await profileRead(manifest, { ...options, ...settingsOf(change, options) }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, args, context);
  },
};
