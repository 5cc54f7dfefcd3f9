#!/usr/bin/env node
// The command line: parses, runs one command, prints its result, turns errors into exit codes.
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { closest } from "fastest-levenshtein";
import yargs, { type Argv } from "yargs";
import { asToolkitError, ToolkitError } from "../src/errors.js";
import { version } from "../src/version.js";
import type { Command } from "./command.js";
import { readConfig } from "./config.js";
import { storageOptionsFrom, withStorageOptions } from "./storage-options.js";

const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

class UsageError extends Error {}

/** Runs the command line and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const endings: (() => void)[] = [];
  const onSignal = (name: NodeJS.Signals) => interrupt.abort(new ToolkitError("INTERRUPTED", `interrupted by ${name}`));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await parse(args, interrupt.signal, endings);
  } catch (error) {
    const code = reportError(error, interrupt.signal, args.includes("--json"));
    for (const end of endings) end();
    return code;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

const nameOf = ({ usage }: Pick<Command, "usage">) => usage.split(" ")[0] ?? "";

async function parse(args: readonly string[], signal: AbortSignal, endings: (() => void)[]): Promise<number> {
  // Loaded here, so that an addon that is not built is an error with its cure like any other.
  const { commands } = await import("./commands/index.js");
  checkCommandName(args[0], commands.map(nameOf));
  let outcome: number = exitCodes.done;
  let parser: Argv = yargs([...args])
    .scriptName("dctstream")
    .usage("$0 <command> [options]\n\nTrain image networks straight from JPEG.")
    .strict()
    .demandCommand(1, "name a command")
    .version(version)
    .help("help")
    .alias("help", "h")
    .wrap(120)
    .parserConfiguration({ "camel-case-expansion": true })
    .exitProcess(false)
    .fail((message, error, instance) => {
      // yargs reports what a configuration file's parser threw as an error of its own.
      if (error) throw error.name === "YError" ? new UsageError(error.message) : error;
      throw new UsageError(explainUsage(message, instance));
    });
  const add = (to: Argv, command: Command) => {
    const handler = async (parsed: Record<string, unknown>) => {
      refuseRepeated(command, parsed);
      outcome = await runCommand(command, parsed, signal, endings);
    };
    // Groups are printed in the order of their making: a command's own options come first.
    const options = (sub: Argv) => withCommonOptions(command.options(sub.group(["help", "version"], "Options:")));
    return to.command(command.usage, command.describe, options, handler);
  };
  for (const entry of commands) {
    if (!("commands" in entry)) {
      parser = add(parser, entry);
      continue;
    }
    const names = entry.commands.map(nameOf).join(", ");
    const nested = (sub: Argv) =>
      entry.commands.reduce(add, sub).demandCommand(1, `name what to ${entry.usage}: ${names}`).strict();
    parser = parser.command(entry.usage, entry.describe, nested);
  }
  await parser.parseAsync();
  return outcome;
}

/** yargs collects an option that is given twice in a list; only `<name..>` and `[name..]` are meant to be one. */
function refuseRepeated(command: Command, parsed: Record<string, unknown>): void {
  const lists = [/[<[](\w+)\.\.[>\]]/.exec(command.usage)?.[1], ...(command.lists ?? []), "_"];
  const repeated = Object.keys(parsed).find((name) => Array.isArray(parsed[name]) && !lists.includes(name));
  if (repeated !== undefined) throw new UsageError(`option --${repeated} is given more than once`);
}

function withCommonOptions(parser: Argv): Argv {
  return withStorageOptions(parser)
    .option("json", {
      type: "boolean",
      default: false,
      describe: "Print the result as one JSON object, the last line of stdout",
    })
    .option("config", {
      type: "string",
      describe: "YAML or JSON file with values for the options",
      config: true,
      configParser: readConfig,
      requiresArg: true,
    });
}

async function runCommand(
  command: Command,
  parsed: Record<string, unknown>,
  signal: AbortSignal,
  endings: (() => void)[],
): Promise<number> {
  const { closeStorage, configureStorage } = await import("../src/storage/store.js"); // needs the addon, as commands do
  configureStorage(storageOptionsFrom(parsed));
  const context = {
    signal,
    log: (line: string) => process.stderr.write(`${line}\n`),
    print: async (text: string) => {
      const unread = (cause: unknown) => {
        throw new ToolkitError("OUTPUT_NOT_WRITABLE", "nobody reads stdout any more", { cause });
      };
      if (process.stdout.errored) unread(process.stdout.errored);
      if (!process.stdout.write(text)) await once(process.stdout, "drain", { signal }).catch(unread);
    },
    interactive: process.stderr.isTTY === true,
    onFailure: (work: () => void) => endings.push(work),
  };
  const { result, text, ok = true } = await command.run(parsed, context).finally(closeStorage);
  if (result === undefined) return exitCodes.done;
  if (parsed.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (text !== "") process.stdout.write(`${text}\n`);
  return ok ? exitCodes.done : exitCodes.failed;
}

function checkCommandName(name: string | undefined, known: readonly string[]): void {
  if (name === undefined || name.startsWith("-")) return;
  if (!known.includes(name)) throw new UsageError(`unknown command ${name}; did you mean ${closest(name, known)}?`);
}

/** Adds the nearest known option to what yargs says of an unknown one. */
function explainUsage(message: string, instance: Argv): string {
  const unknown = /^Unknown arguments?: (.*)$/m.exec(message)?.[1]?.split(", ")[0];
  if (unknown === undefined) return message;
  const help = (instance as unknown as { help(): string }).help();
  const known = [...help.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1] ?? "");
  const kebab = unknown.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `unknown option --${kebab}; did you mean --${closest(kebab, known)}?`;
}

function reportError(thrown: unknown, signal: AbortSignal, json: boolean): number {
  if (thrown instanceof UsageError) {
    process.stderr.write(`dctstream: ${thrown.message}\nRun with --help for the options.\n`);
    return exitCodes.usage;
  }
  const error = asToolkitError(thrown);
  if (signal.aborted || error.code === "INTERRUPTED") {
    const { message } = signal.aborted ? (signal.reason as Error) : error;
    process.stderr.write(`dctstream: ${message}; run the same command again to go on\n`);
    return exitCodes.interrupted;
  }
  process.stderr.write(`dctstream: ${error.describe()}\n`);
  // A defect of ours needs its stack; an error of the input does not.
  if (error.code === "INTERNAL" && thrown instanceof Error) process.stderr.write(`${thrown.stack ?? ""}\n`);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ error: { code: error.code, message: error.message, source: error.source, key: error.key } })}\n`,
    );
  return error.code === "INVALID_OPTION" || error.code === "UNKNOWN_NETWORK" ? exitCodes.usage : exitCodes.failed;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // Whoever read the output has seen enough (head, a pager that was left): no defect, and the work itself is done.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  process.exitCode = await main(process.argv.slice(2));
}
