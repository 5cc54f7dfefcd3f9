// dctstream profile train
import { complete, optionTable, pick } from "../../../src/options/table.js";
import { engineOptions } from "../../../src/train/engine/engine.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { layersOf, networkOptions } from "../../../src/train/networks/layers-of.js";
import { trainOptions } from "../../../src/train/run-options.js";
import { defineCommand } from "../../command.js";
import { openData } from "../../open-data.js";
import { profileOptions, sweepOption } from "../../options/profile-options.js";
import { batchSizeOption, dataOption, readOptions } from "../../options/read-options.js";
import { finishProfile } from "../output.js";
import { settingsOf, sweepFrom, sweepThrough } from "../sweep.js";
import { profileTrain } from "./measure.js";

const commandOptions = optionTable({
  ...dataOption,
  ...pick(trainOptions, ["network"]),
  ...networkOptions,
  ...batchSizeOption,
  ...readOptions,
  ...engineOptions,
  ...profileOptions,
  ...sweepOption(),
});

export const profileTrainCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 profile train shards --network late-concat-rfa-thinner", ""]],
  run: async (given, context) => {
    const settings = complete(commandOptions, given);
    const { network, inputSize, width, frequencies, grey, seconds, prefetchBytes } = settings;
    const sweep = sweepFrom(given);
    const manifest = await openData(settings.manifest, settings.cache, context);
    const shape = { inputSize, width, frequencies, grey };
    layersOf(findNetwork(network), shape); // what cannot be built is refused before anything is measured
    const batchSize = Math.min(settings.batchSize, manifest.samples);
    const { workers, cache, engine, device } = given;
    const reading = { workers, cache, prefetchBytes };
    const options = { network, batchSize, ...shape, engine, device, ...reading, signal: context.signal };
    const profiled = await profileTrain(manifest, options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async (change) => {
      const { profile } = await profileTrain(manifest, { ...options, ...settingsOf(change, options) }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, given, context);
  },
});
