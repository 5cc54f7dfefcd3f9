// Options of every command that reads a data set into a network.
import { text } from "../../src/options/kinds.js";
import { optionTable, pick } from "../../src/options/table.js";
import { loaderOptions } from "../../src/pipeline/load/options.js";

/** How far ahead, and what is kept on a local disk. */
export const readOptions = pick(loaderOptions, ["workers", "prefetchBytes", "cache"]);

/** Where a batch has a usual size. */
export const batchSizeOption = optionTable({
  batchSize: { kind: loaderOptions.batchSize.kind, default: 32, describe: "Samples per step" },
});

export const manifestOption = optionTable({
  manifest: { kind: text, required: true, describe: "A manifest, or the folder that holds it" },
});

export const checkpointOption = optionTable({
  checkpoint: { kind: text, required: true, describe: "A checkpoint.json, or the folder that holds it" },
});
