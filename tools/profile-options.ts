// The options of every profile: how long, and where it goes.
import type { Argv } from "yargs";
import { invalidOption } from "../src/errors.js";
import { argument } from "./command.js";

export function withSecondsOption(parser: Argv): Argv {
  return parser.option("seconds", { type: "number", default: 5, requiresArg: true, describe: "How long to measure" });
}

/** Of commands that do real work. */
export function withProfileOption(parser: Argv, html: string): Argv {
  return parser
    .option("profile", { type: "boolean", default: false, describe: "Say at the end where the time went" })
    .option("html", { type: "string", requiresArg: true, describe: html })
    .option("trace", { type: "string", requiresArg: true, describe: traceHelp });
}

const traceHelp = "Write what every thread did when, for Chrome's trace viewer or Perfetto";

/** Where a profile of a pipeline goes besides stdout. */
export function withProfileFiles(parser: Argv): Argv {
  return parser
    .option("html", { type: "string", requiresArg: true, describe: "Write a page with the profile, for a browser" })
    .option("trace", { type: "string", requiresArg: true, describe: traceHelp });
}

export function withProfileOptions(parser: Argv): Argv {
  return withProfileFiles(withSecondsOption(parser));
}

export const sweepNames = ["workers", "prefetch-bytes"] as const;
export const sweepLists = ["sweep"] as const;

export function withSweepOption(parser: Argv, names: readonly string[] = sweepNames): Argv {
  const examples = { workers: "workers=1,2,4", "prefetch-bytes": "prefetch-bytes=64MiB,256MiB" } as Record<
    string,
    string
  >;
  return parser.option("sweep", {
    type: "string",
    array: true,
    requiresArg: true,
    describe: `Predict and run other settings too: ${names.map((name) => examples[name]).join(" ")}`,
  });
}

/** INVALID_OPTION when there is no time. */
export function profileSeconds(args: Record<string, unknown>): number {
  const seconds = argument<number>(args, "seconds");
  if (!(seconds > 0)) throw invalidOption("seconds", "more than 0", seconds);
  for (const name of ["batchSize"] as const) {
    const value = argument<number | undefined>(args, name);
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      throw invalidOption("batch-size", "an integer >= 1", value);
  }
  return seconds;
}
