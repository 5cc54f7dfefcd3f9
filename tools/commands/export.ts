// dctstream export
import { exportImages } from "../../src/pipeline/export.js";
import { argument, type Command } from "../command.js";
import { withProgress } from "../progress.js";

export const exportCommand: Command = {
  usage: "export <manifest>",
  describe: "Rebuild the original JPEG files, byte for byte",
  options: (parser) =>
    parser
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "A folder, or a .tar that also gets .cls and .json entries",
      }),
  run: async (args, context) => {
    return withProgress(context, "export", async (progress) => {
      const report = await exportImages({
        manifest: argument<string>(args, "manifest"),
        out: argument<string>(args, "out"),
        signal: context.signal,
        onProgress: (exported, samples) => progress.update(exported, samples, `${exported} files`),
      });
      const renamed = report.renamed > 0 ? `, ${report.renamed} renamed because their names were taken` : "";
      return {
        result: report,
        text: `${report.exported} files in ${report.out}, ${report.byteExact} of them identical to the originals${renamed}`,
      };
    });
  },
};
