// The options of every profile: how long, and where it goes.
import type { Argv } from "yargs";
import { invalidOption } from "../../src/errors.js";
import { argument } from "../command.js";

export function withSecondsOption(parser: Argv): Argv {
  return parser.option("seconds", { type: "number", default: 5, requiresArg: true, describe: "How long to measure" });
}

/** Where a profile of a pipeline goes besides stdout. */
function withProfileFiles(parser: Argv, html = "Write a page with the profile, for a browser"): Argv {
  return parser.option("html", { type: "string", requiresArg: true, describe: html }).option("trace", {
    type: "string",
    requiresArg: true,
    describe: "Write what every thread did when, for Chrome's trace viewer or Perfetto",
  });
}

/** Of commands that do real work; `html` says what is on their page. */
export function withProfileOption(parser: Argv, html?: string): Argv {
  const help = "Say at the end where the time went";
  return withProfileFiles(parser.option("profile", { type: "boolean", default: false, describe: help }), html);
}

export function withProfileOptions(parser: Argv): Argv {
  return withProfileFiles(withSecondsOption(parser));
}

export const sweepNames = ["workers", "prefetch-bytes"] as const;
const sweepExamples: Readonly<Record<string, string>> = {
  workers: "workers=1,2,4",
  "prefetch-bytes": "prefetch-bytes=64MiB,256MiB",
};
export const sweepLists = ["sweep"] as const;

export function withSweepOption(parser: Argv, names: readonly string[] = sweepNames): Argv {
  return parser.option("sweep", {
    type: "string",
    array: true,
    requiresArg: true,
    describe: `Predict and run other settings too: ${names.map((name) => sweepExamples[name]).join(" ")}`,
  });
}

/** INVALID_OPTION for no time, or batches of nothing. */
export function profileSeconds(args: Record<string, unknown>): number {
  const seconds = argument<number>(args, "seconds");
  if (!(seconds > 0)) throw invalidOption("seconds", "more than 0", seconds);
  const batchSize = argument<number | undefined>(args, "batchSize");
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize > 0))
    throw invalidOption("batch-size", "an integer >= 1", batchSize);
  return seconds;
}
