// dctstream profile read
import type { ToolkitError } from "../../../src/errors.js";
import { oneOf } from "../../../src/options/kinds.js";
import { complete, optionTable, pick } from "../../../src/options/table.js";
import { networkOptions } from "../../../src/train/networks/layers-of.js";
import { defineCommand } from "../../command.js";
import { openData } from "../../open-data.js";
import { profileOptions, sweepOption } from "../../options/profile-options.js";
import { batchSizeOption, dataOption, readOptions } from "../../options/read-options.js";
import { finishProfile } from "../output.js";
import { settingsOf, sweepFrom, sweepThrough } from "../sweep.js";
import { profileRead } from "./measure.js";

const commandOptions = optionTable({
  ...dataOption,
  view: { kind: oneOf(["dct", "rgb", "ycbcr"]), default: "dct", describe: "What views hold", group: "Views" },
  augment: {
    kind: oneOf(["none", "eval", "train"]),
    default: "train",
    describe: "Whole pictures, the evaluation view, or random crops and flips",
    group: "Views",
  },
  ...pick(networkOptions, ["inputSize", "frequencies"]),
  ...batchSizeOption,
  ...readOptions,
  ...profileOptions,
  ...sweepOption(),
});

export const profileReadCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 profile read shards --view dct --augment train --workers 2", ""]],
  run: async (given, context) => {
    const settings = complete(commandOptions, given);
    const { view: kind, augment, inputSize: size, frequencies, seconds, prefetchBytes } = settings;
    const sweep = sweepFrom(given);
    const manifest = await openData(settings.manifest, settings.cache, context);
    const view = { kind, size, augment, frequencies };
    const batchSize = Math.min(settings.batchSize, manifest.samples);
    const { workers, cache } = given;
    const onWarning = (warning: ToolkitError) => context.log(`warning: ${warning.describe()}`);
    const options = { view, batchSize, workers, cache, prefetchBytes, onWarning, signal: context.signal };
    const profiled = await profileRead(manifest, options, seconds);
    const runs = await sweepThrough(profiled.station, sweep, async (change) => {
      const { profile } = await profileRead(manifest, { ...options, ...settingsOf(change, options) }, seconds);
      return profile.imagesPerSecond;
    });
    return finishProfile(profiled, runs, given, context);
  },
});
