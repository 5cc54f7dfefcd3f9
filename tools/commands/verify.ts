// dctstream verify
import { printable } from "../../src/printable.js";
import { verify } from "../../src/shards/verify.js";
import { argument, type Command } from "../command.js";
import { withProgress } from "../progress.js";

export const verifyCommand: Command = {
  options: (parser) =>
    parser
      .positional("manifest", {
        type: "string",
        demandOption: true,
        describe: "A manifest, or the folder that holds it",
      })
      .option("max-pixels", {
        type: "number",
        default: 100_000_000,
        requiresArg: true,
        describe: "Images with more are reported instead of rebuilt, as in preprocess",
      }),
  run: async (args, context) => {
    return withProgress(context, "verify", async (progress) => {
      const report = await verify(argument<string>(args, "manifest"), {
        maxPixels: argument<number>(args, "maxPixels"),
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
};
