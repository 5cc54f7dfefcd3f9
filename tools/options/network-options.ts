// Options of every command that makes a network: which variant of it, for what input.
import type { Argv } from "yargs";
import type { NetworkShape } from "../../src/train/networks/layers-of.js";
import { argument } from "../command.js";

/** Without `defaults` what is not given stays undefined. */
export function withNetworkOptions(parser: Argv, defaults = true): Argv {
  const filled = (value: number | boolean) => (defaults ? { default: value } : {});
  const told = (value: number) => (defaults ? "" : ` [default: ${value}]`);
  return parser
    .option("width", {
      type: "number",
      ...filled(1),
      requiresArg: true,
      describe: `Factor on all channel counts${told(1)}`,
    })
    .option("input-size", {
      type: "number",
      ...filled(224),
      requiresArg: true,
      describe: `Side of the views in pixels, a multiple of 32${told(224)}`,
    })
    .option("frequencies", {
      choices: [24, 48, 64] as const,
      requiresArg: true,
      describe: "DCT networks: how many of all 192 frequencies they are fed; all when not given",
    })
    .option("grey", { type: "boolean", ...filled(false), describe: "DCT networks: luma alone" });
}

/** Without the classes, which a data set decides. */
export function networkOptionsFrom(args: Record<string, unknown>) {
  return {
    width: argument<number>(args, "width"),
    inputSize: argument<number>(args, "inputSize"),
    frequencies: argument<24 | 48 | 64 | undefined>(args, "frequencies"),
    grey: argument<boolean>(args, "grey"),
  } satisfies NetworkShape;
}
