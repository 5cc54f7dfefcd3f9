// dctstream profile train
import { readManifest } from "../../../src/shards/manifest.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { argument, type Command } from "../../command.js";
import { engineOptionsFrom, withEngineOptions } from "../../options/engine-options.js";
import { networkOptionsFrom, withNetworkOptions } from "../../options/network-options.js";
import { profileSeconds, sweepLists, withProfileOptions, withSweepOption } from "../../options/profile-options.js";
import { readOptionsFrom, withReadOptions } from "../../options/storage-options.js";
import { finishProfile } from "../../profile/output.js";
import { settingsOf, sweepFrom, sweepThrough } from "../../profile/sweep.js";
import { profileTrain } from "../../profile/train.js";

export const profileTrainCommand: Command = {
  lists: sweepLists,
  options: (parser) =>
    withSweepOption(withProfileOptions(withEngineOptions(withNetworkOptions(withReadOptions(parser)))))
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("network", { type: "string", demandOption: true, requiresArg: true, describe: "The network's id" })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per step" })
      .example("$0 profile train shards --network late-concat-rfa-thinner", ""),
  run: async (args, context) => {
    const seconds = profileSeconds(args);
    const sweep = sweepFrom(args);
    const manifest = await readManifest(argument<string>(args, "manifest"));
    const network = argument<string>(args, "network");
    const shape = networkOptionsFrom(args);
    layersOf(findNetwork(network), shape); // what cannot be built is refused before anything is measured
    const batchSize = Math.min(argument<number>(args, "batchSize"), manifest.samples);
    const reading = readOptionsFrom(args);
    const options = { network, batchSize, ...shape, ...engineOptionsFrom(args), ...reading, signal: context.signal };
    const profiled = await profileTrain(manifest, options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async (change) => {
      const { profile } = await profileTrain(manifest, { ...options, ...settingsOf(change, options) }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, args, context);
  },
};
