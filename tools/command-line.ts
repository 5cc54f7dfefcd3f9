// The command line: parses, runs one command, prints its result, turns errors into exit codes.
import { closest } from "fastest-levenshtein";
import yargs, { type Argv } from "yargs";
import { asToolkitError } from "../src/errors.js";
import { printableJson, printableLines } from "../src/printable.js";
import { publicUrls } from "../src/public-url.js";
import { version } from "../src/version.js";
import type { Command, CommandEntry } from "./command.js";
import { commands } from "./commands/index.js";
import { Interruption } from "./interruption.js";
import { storageOptionsFrom, withStorageOptions } from "./options/storage-options.js";
import { Output } from "./output.js";

const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

class UsageError extends Error {}

/** A text as a terminal may show it, whatever a name or another program put in. */
const shown = (text: string) => printableLines(publicUrls(text));

/** What a run of the command line has beside its arguments. */
interface Session {
  readonly interruption: Interruption;
  readonly output: Output;
  /** Done after an error has been reported. */
  readonly endings: (() => void)[];
}

/** Runs the command line and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const interruption = new Interruption(exitCodes.interrupted);
  const session: Session = { interruption, output: new Output(process.stdout), endings: [] };
  process.stderr.on("error", () => {}); // where it cannot be written to, nobody would read it
  let code: number;
  try {
    code = await interruption.guard(parse(args, session));
  } catch (error) {
    code = await reportError(error, session, args.includes("--json"));
    for (const end of session.endings) end();
  }
  interruption.end(code);
  return code;
}

const nameOf = ({ usage }: Pick<CommandEntry, "usage">) => usage.split(" ")[0] ?? "";

async function parse(args: readonly string[], session: Session): Promise<number> {
  checkCommandName(args);
  let outcome: number = exitCodes.done;
  let parser: Argv = yargs()
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
      if (error) throw asUsage(error);
      throw new UsageError(explainUsage(message, instance));
    });
  const add = (to: Argv, entry: CommandEntry) => {
    let command: Command;
    const options = async (sub: Argv) => {
      command = await entry.load();
      const { readConfig } = await import("./options/config.js");
      // Groups are printed in the order of their making: a command's own options come first.
      return withCommonOptions(command.options(sub.group(["help", "version"], "Options:")), readConfig);
    };
    const handler = async (parsed: Record<string, unknown>) => {
      refuseRepeated(entry.usage, command.lists, parsed);
      outcome = await runCommand(command, parsed, session);
    };
    return to.command(entry.usage, entry.describe, options, handler);
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
  let asked = "";
  const print = (_error: unknown, _argv: unknown, text: string) => {
    asked = text; // --help and --version
  };
  await parser.parseAsync([...args], {}, print).catch((error: Error) => {
    throw asUsage(error);
  });
  if (asked !== "") await session.output.finish(`${asked}\n`);
  return outcome;
}

/** yargs reports what a configuration file's parser threw as an error of its own. */
function asUsage(error: Error): Error {
  return error.name === "YError" ? new UsageError(error.message) : error;
}

/** yargs collects an option that is given twice in a list; only `<name..>` and `[name..]` are meant to be one. */
function refuseRepeated(usage: string, more: Command["lists"], parsed: Record<string, unknown>): void {
  const lists = [/[<[](\w+)\.\.[>\]]/.exec(usage)?.[1], ...(more ?? []), "_"];
  const repeated = Object.keys(parsed).find((name) => Array.isArray(parsed[name]) && !lists.includes(name));
  if (repeated !== undefined) throw new UsageError(`option --${repeated} is given more than once`);
}

function withCommonOptions(parser: Argv, configParser: (file: string) => Record<string, unknown>): Argv {
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
      configParser,
      requiresArg: true,
    });
}

async function runCommand(
  command: Command,
  parsed: Record<string, unknown>,
  { interruption, output, endings }: Session,
): Promise<number> {
  await interruption.watch();
  interruption.signal.throwIfAborted();
  const { closeStorage, configureStorage } = await import("../src/storage/store.js"); // needs the addon, as commands do
  configureStorage(storageOptionsFrom(parsed));
  const context = {
    signal: interruption.signal,
    log: (line: string) => process.stderr.write(`${shown(line)}\n`),
    print: (text: string) => output.print(text),
    interactive: process.stderr.isTTY === true,
    onFailure: (work: () => void) => endings.push(work),
    keepWorkSafe: (on: boolean) => interruption.keepWorkSafe(on),
  };
  const { result, text, ok = true } = await command.run(parsed, context).finally(closeStorage);
  if (result === undefined) return exitCodes.done;
  if (parsed.json === true) await output.finish(`${printableJson(result)}\n`);
  else if (text !== "") await output.finish(`${shown(text)}\n`);
  return ok ? exitCodes.done : exitCodes.failed;
}

/** The command, and the one of a group, must be among those that there are. */
function checkCommandName([name, ofGroup]: readonly string[]): void {
  if (name === undefined) {
    const width = Math.max(...commands.map((entry) => nameOf(entry).length));
    const lines = commands.map((entry) => `  ${nameOf(entry).padEnd(width)}  ${entry.describe}`);
    throw new UsageError(["name a command:", ...lines].join("\n"));
  }
  checkName(name, commands.map(nameOf));
  const group = commands.find((entry) => nameOf(entry) === name);
  if (group === undefined || !("commands" in group) || ofGroup === undefined || ofGroup.startsWith("-")) return;
  checkName(
    `${name} ${ofGroup}`,
    group.commands.map((entry) => `${name} ${nameOf(entry)}`),
  );
}

function checkName(name: string, known: readonly string[]): void {
  if (name.startsWith("-") || known.includes(name)) return;
  throw new UsageError(`unknown command ${name}; did you mean ${closest(name, known)}?`);
}

/** Adds the nearest known option to yargs's message about an unknown one. */
function explainUsage(message: string, instance: Argv): string {
  const unknown = /^Unknown arguments?: (.*)$/m.exec(message)?.[1]?.split(", ")[0];
  if (unknown === undefined) return message;
  const help = (instance as unknown as { help(): string }).help();
  const known = [...help.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1] ?? "");
  const kebab = unknown.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `unknown option --${kebab}; did you mean --${closest(kebab, known)}?`;
}

async function reportError(thrown: unknown, { interruption, output }: Session, json: boolean): Promise<number> {
  if (thrown instanceof UsageError) {
    process.stderr.write(`dctstream: ${shown(thrown.message)}\nRun with --help for the options.\n`);
    return exitCodes.usage;
  }
  const error = asToolkitError(thrown);
  const { reason } = interruption;
  if (reason !== undefined || error.code === "INTERRUPTED") {
    process.stderr.write(`dctstream: ${shown((reason ?? error).message)}; run the same command again to go on\n`);
    return exitCodes.interrupted;
  }
  process.stderr.write(`dctstream: ${error.describe()}\n`);
  // A defect of ours needs its stack, without the message that was printed already; an error of the input does not.
  const stack = thrown instanceof Error ? (thrown.stack ?? "").split("\n").filter((line) => /^ +at /.test(line)) : [];
  if (error.code === "INTERNAL") process.stderr.write(stack.map((line) => `${shown(line)}\n`).join(""));
  const { code, message, source, key } = error;
  const told = `${printableJson({ error: { code, message, source, key } })}\n`;
  if (json) await output.finish(told).catch(() => {}); // stderr has it
  return code === "INVALID_OPTION" || code === "UNKNOWN_NETWORK" ? exitCodes.usage : exitCodes.failed;
}
