// Tables of options as a command line has them: which flag stands for which option, what --help prints, and what a user
// has given.
import type { Argv } from "yargs";
import { invalidOption } from "../../src/errors.js";
import type { Option, Table } from "../../src/options/table.js";

// biome-ignore lint/suspicious/noExplicitAny: flags are of options of every type of value
type AnyOption = Option<any>;

export interface Flag {
  /** The flag without its dashes, or the name of a positional argument. */
  readonly name: string;
  /** Whether it goes by its place instead. */
  readonly positional: boolean;
  /** The keys, from the outermost table on, of all options that it sets. */
  readonly paths: readonly (readonly string[])[];
  readonly option: AnyOption;
}

export const kebabCase = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The names in a command's usage, as in `predict <checkpoint> [files..]`. */
export function positionalsOf(usage: string): string[] {
  return [...usage.matchAll(/[<[](\w+)(?:\.\.)?[>\]]/g)].map((match) => match[1] as string);
}

/** All flags of a table; options of one flag are one. */
export function flagsOf(entries: Table, positionals: readonly string[] = []): Flag[] {
  const flags = new Map<string, Flag>();
  for (const [path, option] of optionsIn(entries, [])) {
    const key = path.at(-1) as string;
    if (option.flag === false) continue;
    const positional = path.length === 1 && positionals.includes(key);
    const name = positional ? key : (option.flag ?? kebabCase(key));
    const known = flags.get(name);
    flags.set(name, known === undefined ? { name, positional, paths: [path], option } : joined(known, path));
  }
  return [...flags.values()];
}

const joined = (flag: Flag, path: readonly string[]): Flag => ({ ...flag, paths: [...flag.paths, path] });

function optionsIn(entries: Table, outer: readonly string[]): (readonly [readonly string[], AnyOption])[] {
  return Object.entries(entries).flatMap(([key, entry]) =>
    "options" in entry ? optionsIn(entry.options, [...outer, key]) : [[[...outer, key], entry] as const],
  );
}

const written = ({ name, positional }: Flag) => (positional ? `<${name}>` : `--${name}`);

/** Text of the library that names options by their keys, as a reader of the command line knows them. */
export function inFlags(message: string, flags: readonly Flag[]): string {
  const names = new Map(flags.flatMap((flag) => flag.paths.map((path) => [path.join("."), written(flag)] as const)));
  return message
    .replace(/^option ([\w.]+) (?=must be|is missing)/, (whole, key) => (names.has(key) ? `${names.get(key)} ` : whole))
    .replace(/`([a-z][\w.]*)`/gi, (whole, key) => names.get(key) ?? whole);
}

function shownDefault({ kind, default: value, otherwise }: AnyOption): string | undefined {
  if (otherwise !== undefined) return otherwise;
  if (value === undefined || value === false) return undefined;
  return kind.show?.(value) ?? String(value);
}

function helpText({ option, positional, paths }: Flag, flags: readonly Flag[]): string {
  const { kind, describe, required } = option;
  const shown = shownDefault(option);
  const parts = [
    describe,
    kind.choices === undefined ? undefined : `[${kind.choices.join(" | ")}]`,
    // yargs marks positional ones itself, and what a nested table requires may be left out with the whole of it.
    required && !positional && paths[0]?.length === 1 ? "[required]" : undefined,
    shown === undefined ? undefined : `[default: ${shown}]`,
  ];
  return inFlags(parts.filter((part) => part !== undefined).join("  "), flags);
}

/** Declares them to the parser, whose own checks are of names alone: values are text until givenOptions reads them. */
export function declareFlags(parser: Argv, flags: readonly Flag[]): Argv {
  return flags.reduce((all, flag) => {
    const { name, positional, option } = flag;
    const describe = helpText(flag, flags);
    const { shape } = option.kind;
    if (positional) return all.positional(name, { describe });
    return all.option(name, {
      describe,
      group: `${option.group ?? "Options"}:`,
      ...(shape === "flag" ? { type: "boolean" as const } : { requiresArg: true }),
      ...(shape === "list" ? { array: true } : {}),
    });
  }, parser);
}

/**
 * Options as a library call takes them: what the command line gives, else what the configuration file does.
 * INVALID_OPTION.
 */
export function givenOptions(
  flags: readonly Flag[],
  parsed: Readonly<Record<string, unknown>>,
  configured: ReadonlyMap<string, unknown> = new Map(),
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const flag of flags) {
    const value = readValue(flag, parsed[flag.name] ?? configured.get(flag.name));
    if (value !== undefined) for (const path of flag.paths) setAt(options, path, value);
  }
  return options;
}

function readValue({ option: { kind }, paths }: Flag, raw: unknown): unknown {
  if (raw === undefined || (kind.shape === "list" && Array.isArray(raw) && raw.length === 0)) return undefined;
  const value = typeof raw === "string" ? kind.parse(raw) : raw;
  if (value === undefined || !kind.accepts(value))
    throw invalidOption((paths[0] ?? []).join("."), kind.expected, value ?? raw);
  return value;
}

function setAt(options: Record<string, unknown>, [key = "", ...inner]: readonly string[], value: unknown): void {
  if (inner.length === 0) options[key] = value;
  else {
    options[key] ??= {};
    setAt(options[key] as Record<string, unknown>, inner, value);
  }
}

/** The other way: options under the names of flags, for a configuration file. */
export function byFlag(flags: readonly Flag[], options: object): Record<string, unknown> {
  const valueAt = (path: readonly string[]) =>
    path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], options);
  const entries = flags.map(({ name, paths }) => [name, valueAt(paths[0] ?? [])] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** What an option takes, for an error about a flag without a value. */
export const expectedOf = (flags: readonly Flag[], name: string): string | undefined =>
  flags.find((flag) => flag.name === name)?.option.kind.expected;
