// Options of every command that reads a data set into a network.
import { text } from "../../src/options/kinds.js";
import { optionTable, pick } from "../../src/options/table.js";
import { loaderOptions } from "../../src/pipeline/load/options.js";

/** Options of how far ahead samples are read, and what is kept on a local disk. */
export const readOptions = pick(loaderOptions, ["workers", "prefetchBytes", "cache"]);

/** Batch size of commands that have a usual one. */
export const batchSizeOption = optionTable({
  batchSize: { kind: loaderOptions.batchSize.kind, default: 32, describe: "Samples per step" },
});

/** Of commands that read what is stored. */
export const manifestOption = optionTable({
  manifest: { kind: text, required: true, describe: "A manifest, or the folder that holds it" },
});

/** Of commands that read samples: what is no data set yet is indexed first. */
export const dataOption = optionTable({
  manifest: {
    kind: text,
    required: true,
    describe: "A manifest or the folder that holds it; or tars, or a folder of images, which are indexed first",
  },
});

export const checkpointOption = optionTable({
  checkpoint: { kind: text, required: true, describe: "A checkpoint.json, or the folder that holds it" },
});
