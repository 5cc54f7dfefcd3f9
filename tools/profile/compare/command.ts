// dctstream profile compare
import { availableParallelism } from "node:os";
import { invalidOption } from "../../../src/errors.js";
import { text } from "../../../src/options/kinds.js";
import { complete, given, optionTable, pick } from "../../../src/options/table.js";
import { loaderOptions } from "../../../src/pipeline/load/options.js";
import { engineOptions } from "../../../src/train/engine/engine.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { layersOf, networkOptions } from "../../../src/train/networks/layers-of.js";
import { defineCommand } from "../../command.js";
import { openData } from "../../open-data.js";
import { profileFileOptions, secondsOption } from "../../options/profile-options.js";
import { formatBytes } from "../../options/quantity.js";
import { batchSizeOption, dataOption } from "../../options/read-options.js";
import { table } from "../../table.js";
import { writePage } from "../output.js";
import { rate } from "../verdict.js";
import { type Comparison, profileCompare } from "./measure.js";
import { renderComparison } from "./page.js";

const compareOptions = optionTable({
  ...dataOption,
  network: { kind: text, default: "late-concat-rfa-thinner", describe: "Id of the DCT network", group: "Network" },
  pixelNetwork: {
    kind: text,
    default: "resnet50-rgb",
    describe: "Id of the network that takes pixels",
    group: "Network",
  },
  ...pick(networkOptions, ["width", "inputSize"]),
  ...batchSizeOption,
  ...secondsOption,
  workers: {
    kind: loaderOptions.workers.kind,
    default: Math.max(1, availableParallelism() - 1),
    describe: "Threads that decode or make views",
    group: "Input",
  },
  ...pick(loaderOptions, ["prefetchBytes"]),
  ...pick(profileFileOptions, ["html"]),
  ...engineOptions,
});

export const profileCompareCommand = defineCommand({
  options: compareOptions,
  examples: [["$0 profile compare shards", ""]],
  run: async (options, context) => {
    const { signal, log } = context;
    const settings = complete(compareOptions, options);
    const { network, pixelNetwork, inputSize, width, seconds, workers, prefetchBytes } = settings;
    const manifest = await openData(settings.manifest, undefined, context);
    const shape = { inputSize, width };
    for (const [option, id, input] of [
      ["network", network, "dct"],
      ["pixelNetwork", pixelNetwork, "rgb"],
    ] as const) {
      const definition = findNetwork(id);
      if (definition.input !== input) throw invalidOption(option, `a network that takes ${input}`, id);
      layersOf(definition, shape); // what cannot be built is refused before anything is measured
    }
    const comparison = await profileCompare(manifest, {
      network,
      pixelNetwork,
      ...shape,
      ...given(engineOptions, options),
      batchSize: Math.min(settings.batchSize, manifest.samples),
      workers,
      prefetchBytes,
      seconds,
      signal,
    });
    await writePage(options, log, () => renderComparison(comparison));
    return { result: comparison, text: describe(comparison) };
  },
});

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
