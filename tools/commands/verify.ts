// dctstream verify
import { complete, optionTable } from "../../src/options/table.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { printable } from "../../src/printable.js";
import { verify } from "../../src/shards/verify.js";
import { defineCommand } from "../command.js";
import { manifestOption } from "../options/read-options.js";
import { withProgress } from "../progress.js";

const verifyOptions = optionTable({
  ...manifestOption,
  maxPixels: {
    ...preprocessOptions.maxPixels,
    describe: "Images with more are reported instead of rebuilt, as in preprocess",
    group: "Options",
  },
});

export const verifyCommand = defineCommand({
  options: verifyOptions,
  run: async (options, context) => {
    const { manifest, maxPixels } = complete(verifyOptions, options);
    return withProgress(context, "verify", async (progress) => {
      const report = await verify(manifest, {
        maxPixels,
        signal: context.signal,
        onProgress: (done, shards, samples) => progress.update(done, shards, `${samples} samples`),
      });
      const damage = report.corrupt.map(({ code, message, source, key }) =>
        printable(`${code}: ${message} (${[source, key].filter((part) => part !== undefined).join(", ")})`),
      );
      const summary = `${report.samples} samples in ${report.shards} shards: ${damage.length === 0 ? "all good" : `${damage.length} problems`}`;
      return { result: report, text: [...damage, summary].join("\n"), ok: damage.length === 0 };
    });
  },
});
