// dctstream preprocess
import { given, omit, optionTable } from "../../src/options/table.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { defineCommand } from "../command.js";
import { launcherOptions, runWriting, writingOptions } from "../write-dataset.js";

const commandOptions = optionTable({ ...preprocessOptions, ...writingOptions });

export const preprocessCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 preprocess 'train-{000000..000146}.tar' --out shards", "147 WebDataset tars to shards"]],
  run: (options, context) =>
    runWriting("preprocess", options, context, (common) =>
      preprocess({ ...given(omit(preprocessOptions, launcherOptions), options), ...common }),
    ),
});
