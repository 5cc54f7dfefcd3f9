// The command line: parses, runs one command, prints its result, turns errors into exit codes.
import { closest } from "fastest-levenshtein";
import type { Argv } from "yargs";
import { asToolkitError, missingOption, ToolkitError } from "../src/errors.js";
import { flag, text } from "../src/options/kinds.js";
import { given, optionTable } from "../src/options/table.js";
import { printableJson, printableLines } from "../src/printable.js";
import { publicUrls } from "../src/public-url.js";
import { version } from "../src/version.js";
import type { Command, CommandContext, CommandEntry } from "./command.js";
import { commands } from "./commands/index.js";
import { Interruption } from "./interruption.js";
import {
  byFlag,
  declareFlags,
  expectedOf,
  type Flag,
  flagsOf,
  givenOptions,
  inFlags,
  kebabCase,
  positionalsOf,
} from "./options/flags.js";
import { Output } from "./output.js";
import { overview } from "./overview.js";

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
  /** The flags of the command that runs, once it is known. */
  flags: readonly Flag[];
}

/** Options of every command, beside those of object storage. */
const commonOptions = optionTable({
  json: { kind: flag, default: false, describe: "Print the result as one JSON object, the last line of stdout" },
  config: { kind: text, describe: "YAML or JSON file with values for the options" },
});

/** Runs the command line and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const interruption = new Interruption(exitCodes.interrupted);
  const session: Session = { interruption, output: new Output(process.stdout), endings: [], flags: [] };
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
  if (args[0] === "--version") {
    await session.output.finish(`${version}\n`);
    return exitCodes.done;
  }
  if (args.length === 1 && (args[0] === "--help" || args[0] === "-h")) {
    await session.output.finish(`${overview(commands)}\n`);
    return exitCodes.done;
  }
  const { default: yargs } = await import("yargs"); // half of what starting would take
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
    .parserConfiguration({ "parse-numbers": false, "parse-positional-numbers": false })
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(explainUsage(message, args, session.flags));
    });
  const add = (to: Argv, entry: CommandEntry) => {
    let command: Command;
    const options = async (sub: Argv) => {
      command = await entry.load();
      const { storageOptions } = await import("./options/storage-options.js"); // needs the addon, as commands do
      session.flags = flagsOf({ ...command.options, ...storageOptions, ...commonOptions }, positionalsOf(entry.usage));
      const declared = declareFlags(sub, session.flags).group(["help", "version"], "Options:");
      return (command.examples ?? []).reduce((all, [line, what]) => all.example(line, what), declared);
    };
    const handler = async (parsed: Record<string, unknown>) => {
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
    // What yargs throws itself does not come to its handler of failures.
    throw error.name === "YError" ? new UsageError(explainUsage(error.message, args, session.flags)) : error;
  });
  if (asked !== "") await session.output.finish(`${asked}\n`);
  return outcome;
}

async function runCommand(command: Command, parsed: Record<string, unknown>, session: Session): Promise<number> {
  const { interruption, output, endings, flags } = session;
  refuseRepeated(flags, parsed);
  await interruption.watch();
  interruption.signal.throwIfAborted();
  const { config } = parsed;
  const configured =
    typeof config === "string" ? (await import("./options/config.js")).readConfig(config, flags) : undefined;
  const options = givenOptions(flags, parsed, configured);
  checkRequired(flags, options);
  const { closeStorage, configureStorage } = await import("../src/storage/store.js");
  const { storageOptions, storageOptionsFrom } = await import("./options/storage-options.js");
  configureStorage(storageOptionsFrom(given(storageOptions, options)));
  const context: CommandContext = {
    signal: interruption.signal,
    log: (line) => process.stderr.write(`${shown(inFlags(line, flags))}\n`),
    print: (lines) => output.print(lines),
    interactive: process.stderr.isTTY === true,
    onFailure: (work) => endings.push(work),
    configFile: (settings) => byFlag(flags, settings),
    keepWorkSafe: (on) => interruption.keepWorkSafe(on),
  };
  const { result, text: lines, ok = true } = await command.run(options, context).finally(closeStorage);
  if (result === undefined) return exitCodes.done;
  if (options.json === true) await output.finish(`${printableJson(result)}\n`);
  else if (lines !== "") await output.finish(`${shown(lines)}\n`);
  return ok ? exitCodes.done : exitCodes.failed;
}

/** What a nested table requires may be left out with the whole of it: the library checks that. */
function checkRequired(flags: readonly Flag[], options: Readonly<Record<string, unknown>>): void {
  for (const { option, paths } of flags) {
    const [key = "", ...inner] = paths[0] ?? [];
    if (option.required && inner.length === 0 && options[key] === undefined) throw missingOption(key);
  }
}

/** yargs collects an option that is given twice in a list; only lists are meant to be one. */
function refuseRepeated(flags: readonly Flag[], parsed: Readonly<Record<string, unknown>>): void {
  const repeated = flags.find(({ name, option }) => option.kind.shape !== "list" && Array.isArray(parsed[name]));
  if (repeated !== undefined) throw new UsageError(`option --${repeated.name} is given more than once`);
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

/** What yargs reports, in our words: which option is meant, or what it takes. */
function explainUsage(message: string, args: readonly string[], flags: readonly Flag[]): string {
  const unknown = /^Unknown arguments?: (.*)$/m.exec(message)?.[1]?.split(", ")[0];
  if (unknown !== undefined) {
    if (args.includes(unknown)) return `unexpected argument ${unknown}`;
    const known = [...flags.filter(({ positional }) => !positional).map(({ name }) => name), "help", "version"];
    const name = kebabCase(unknown);
    return `unknown option --${name}; did you mean --${closest(name, known)}?`;
  }
  const empty = /^Not enough arguments following: (.*)$/m.exec(message)?.[1];
  if (empty !== undefined) return `--${empty} needs a value: ${expectedOf(flags, empty) ?? "text"}`;
  const missing = /^Not enough non-option arguments: got (\d+)/m.exec(message)?.[1];
  const positional = flags.filter((flag) => flag.positional)[Number(missing)];
  return missing === undefined || positional === undefined ? message : `<${positional.name}> is missing`;
}

/**
 * An error's message names options by their keys, which are flags here; those of other commands are called as
 * preprocess calls them.
 */
function withFlags(error: ToolkitError, flags: readonly Flag[]): ToolkitError {
  const message = inFlags(error.message, flags).replace(/`([a-z][A-Za-z]*)`/g, (_, key) => `--${kebabCase(key)}`);
  const { code, source, key, offset } = error;
  return new ToolkitError(code, message, { source, key, offset });
}

async function reportError(thrown: unknown, { interruption, output, flags }: Session, json: boolean): Promise<number> {
  if (thrown instanceof UsageError) {
    process.stderr.write(`dctstream: ${shown(thrown.message)}\nRun with --help for the options.\n`);
    return exitCodes.usage;
  }
  const error = withFlags(asToolkitError(thrown), flags);
  const { reason } = interruption;
  if (reason !== undefined || error.code === "INTERRUPTED") {
    process.stderr.write(`dctstream: ${shown((reason ?? error).message)}; run the same command again to resume\n`);
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
