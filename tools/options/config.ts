// The --config file: YAML or JSON, keys named like the options.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { ToolkitError } from "../../src/errors.js";

export function readConfig(file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (cause) {
    // The lines that follow show a part of the file, and with it whatever stands there.
    const [reason = ""] = (cause as Error).message.split("\n");
    throw new ToolkitError("INVALID_OPTION", `cannot read the configuration: ${reason.replace(/:$/, "")}`, {
      source: file,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ToolkitError("INVALID_OPTION", "expected a mapping of option names to values", { source: file });
}
