#!/usr/bin/env node
// The program. It has hardly anything to load by itself, so that a machine that cannot load the rest is an error like any other.
import { asToolkitError } from "../src/errors.js";

try {
  const { main } = await import("./command-line.js");
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  const error = asToolkitError(thrown);
  const defect = error.code === "INTERNAL" && thrown instanceof Error;
  process.stderr.write(`dctstream: ${error.describe()}\n${defect ? `${thrown.stack}\n` : ""}`);
  process.exitCode = 1;
}
