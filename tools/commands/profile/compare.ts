// dctstream profile compare
import { availableParallelism } from "node:os";
import { invalidOption } from "../../../src/errors.js";
import { readManifest } from "../../../src/shards/manifest.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { argument, type Command } from "../../command.js";
import { engineOptionsFrom, withEngineOptions } from "../../options/engine-options.js";
import { profileSeconds, withSecondsOption } from "../../options/profile-options.js";
import { formatBytes, parseSize } from "../../options/quantity.js";
import { type Comparison, profileCompare } from "../../profile/compare.js";
import { writePage } from "../../profile/output.js";
import { rate } from "../../profile/verdict.js";
import { renderComparison } from "../../report/comparison.js";
import { table } from "../../table.js";

export const profileCompareCommand: Command = {
  options: (parser) =>
    withSecondsOption(withEngineOptions(parser))
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("network", {
        type: "string",
        default: "late-concat-rfa-thinner",
        requiresArg: true,
        describe: "Id of the DCT network",
      })
      .option("pixel-network", {
        type: "string",
        default: "resnet50-rgb",
        requiresArg: true,
        describe: "Id of the network that takes pixels",
      })
      .option("width", { type: "number", default: 1, requiresArg: true, describe: "Factor on all channel counts" })
      .option("input-size", {
        type: "number",
        default: 224,
        requiresArg: true,
        describe: "Side of the views in pixels, a multiple of 32",
      })
      .option("batch-size", { type: "number", default: 32, requiresArg: true, describe: "Samples per step" })
      .option("workers", {
        type: "number",
        default: Math.max(1, availableParallelism() - 1),
        requiresArg: true,
        describe: "Threads that decode or make views",
      })
      .option("prefetch-bytes", {
        type: "string",
        default: "1GiB",
        requiresArg: true,
        describe: "Memory for batches made ahead and what they are made from, such as 512MiB",
      })
      .option("html", {
        type: "string",
        requiresArg: true,
        describe: "Write a page with the comparison, for a browser",
      })
      .example("$0 profile compare shards", ""),
  run: async (args, { signal, log }) => {
    const seconds = profileSeconds(args);
    const manifest = await readManifest(argument<string>(args, "manifest"));
    const [network, pixelNetwork] = [argument<string>(args, "network"), argument<string>(args, "pixelNetwork")];
    const shape = { inputSize: argument<number>(args, "inputSize"), width: argument<number>(args, "width") };
    for (const [option, id, input] of [
      ["network", network, "dct"],
      ["pixel-network", pixelNetwork, "rgb"],
    ] as const) {
      const definition = findNetwork(id);
      if (definition.input !== input) throw invalidOption(option, `a network that takes ${input}`, id);
      layersOf(definition, shape); // what cannot be built is refused before anything is measured
    }
    const comparison = await profileCompare(manifest, {
      network,
      pixelNetwork,
      ...shape,
      ...engineOptionsFrom(args),
      batchSize: Math.min(argument<number>(args, "batchSize"), manifest.samples),
      workers: argument<number>(args, "workers"),
      prefetchBytes: parseSize("prefetch-bytes", argument<string>(args, "prefetchBytes")),
      seconds,
      signal,
    });
    await writePage(args, log, () => renderComparison(comparison));
    return { result: comparison, text: describe(comparison) };
  },
};

function describe({ verdict, ways }: Comparison): string {
  const columns = [
    "way",
    "network",
    "read",
    "decode",
    "view",
    "collate",
    "step",
    "input, images/s",
    "images/s",
    "bytes read",
    "bytes fed",
  ];
  const ms = (value: number) => `${value < 0.1 ? value.toFixed(4) : value.toFixed(3)} ms`;
  const rows = ways.map((way) => [
    way.name,
    way.network,
    ms(way.readMs),
    ms(way.decodeMs),
    ms(way.viewMs),
    ms(way.collateMs),
    ms(way.stepMs),
    rate(way.inputImagesPerSecond),
    rate(way.imagesPerSecond),
    formatBytes(Math.round(way.bytesRead)),
    formatBytes(way.bytesFed),
  ]);
  return [verdict, "", table(columns, rows, 2), "times and bytes are per image; times of input are of one thread"].join(
    "\n",
  );
}
