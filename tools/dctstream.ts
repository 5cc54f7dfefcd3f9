#!/usr/bin/env node
// The program. It loads nothing before it can report what goes wrong with that, so that a machine that cannot load the
// rest is an error like any other.
import type { ErrorCode } from "../src/error-codes.js";

try {
  const { main } = await import("./command-line.js");
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  process.stderr.write(`dctstream: ${await describe(thrown)}\n`);
  process.exitCode = 1;
}

async function describe(thrown: unknown): Promise<string> {
  try {
    const { asToolkitError } = await import("../src/errors.js");
    const error = asToolkitError(thrown);
    const defect = error.code === "INTERNAL" && thrown instanceof Error;
    return defect ? `${error.describe()}\n${thrown.stack}` : error.describe();
  } catch (cause) {
    // Not even errors can be loaded.
    const [message = ""] = (cause as Error).message.split("\n");
    const full = /too many open files/i.test(message);
    const code: ErrorCode = full ? "TOO_MANY_OPEN_FILES" : "IO_ERROR";
    return `${code}: cannot load the program: ${message}${full ? "; allow more with ulimit -n" : ""}`;
  }
}
