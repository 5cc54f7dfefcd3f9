// dctstream index
import { given, omit, optionTable } from "../../src/options/table.js";
import { indexOptions, indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import { defineCommand } from "../command.js";
import { launcherOptions, runWriting, writingOptions } from "../write-dataset.js";

const commandOptions = optionTable({ ...indexOptions, ...writingOptions });

export const indexCommand = defineCommand({
  options: commandOptions,
  examples: [
    ["$0 index 's3://raw/train-{000000..000146}.tar' --out s3://me/train.index", "tars to train from where they are"],
  ],
  run: (options, context) =>
    runWriting("index", options, context, (common) =>
      indexSources({ ...given(omit(indexOptions, launcherOptions), options), ...common }),
    ),
});
