// The --config file: YAML or JSON, keys named like the flags.
import { readFileSync } from "node:fs";
import { closest } from "fastest-levenshtein";
import { parse } from "yaml";
import { ToolkitError } from "../../src/errors.js";
import { type Flag, kebabCase } from "./flags.js";

/** Values by flag. INVALID_OPTION for what is no mapping, or has a key that is no flag's name. */
export function readConfig(file: string, flags: readonly Flag[]): Map<string, unknown> {
  const invalid = (message: string) => new ToolkitError("INVALID_OPTION", message, { source: file });
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (cause) {
    // The lines that follow show a part of the file, and with it whatever stands there.
    const [reason = ""] = (cause as Error).message.split("\n");
    throw invalid(`cannot read the configuration: ${reason.replace(/:$/, "")}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("expected a mapping of option names to values");
  const known = flags.map(({ name }) => name);
  const entries = Object.entries(value).map(([key, entry]) => {
    const name = known.includes(key) ? key : kebabCase(key);
    if (!known.includes(name)) throw invalid(`unknown key ${key}; did you mean ${closest(name, known)}?`);
    return [name, entry ?? undefined] as const;
  });
  return new Map(entries);
}
