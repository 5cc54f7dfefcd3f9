// One table per options object: what there is, what each may be and what holds where nothing is given. The options'
// types, their checks, the command line with its help and the configuration file all come from it.
import { invalidOption, missingOption } from "../errors.js";
import type { Kind } from "./kinds.js";

export interface Option<Value = never> {
  readonly kind: Kind<Value>;
  /** What it does, in one line of a help text. */
  readonly describe: string;
  /** The value of an option that is not given. */
  readonly default?: Value;
  /** The default in words, where it is not a constant. */
  readonly otherwise?: string;
  /** An option that must be given. */
  readonly required?: true;
  /** Its name on a command line, where that is not its key in kebab case; false where no command line has it. */
  readonly flag?: string | false;
  /** The heading in help texts. */
  readonly group?: string;
}

/** Options in an object of their own, which may be left out as a whole. */
export interface Nested {
  readonly options: Table;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds options of every type of value
export type Table = Readonly<Record<string, Option<any> | Nested>>;

/** A default must be a value that the option can have. */
type WithFittingDefaults<Entries> = {
  readonly [Key in keyof Entries]: Entries[Key] extends { readonly kind: Kind<infer Value>; readonly default: unknown }
    ? { readonly default: Value }
    : unknown;
};

/** A table as it is written, with the type of every entry. */
export function optionTable<const Entries extends Table>(entries: Entries & WithFittingDefaults<Entries>): Entries {
  return entries;
}

type ValueOf<Entry> = Entry extends { readonly options: infer Inner extends Table }
  ? Given<Inner>
  : Entry extends { readonly kind: Kind<infer Value> }
    ? Value
    : never;

/** What callers give: whatever must be given, and of the rest what they like. */
export type Given<Entries extends Table> = {
  readonly [Key in keyof Entries as Entries[Key] extends { readonly required: true } ? Key : never]: ValueOf<
    Entries[Key]
  >;
} & {
  readonly [Key in keyof Entries as Entries[Key] extends { readonly required: true } ? never : Key]?:
    | ValueOf<Entries[Key]>
    | undefined;
};

type Filled = { readonly required: true } | { readonly default: unknown };

type CompleteOf<Entry> = Entry extends { readonly options: infer Inner extends Table }
  ? Complete<Inner>
  : ValueOf<Entry>;

/** What holds: options with their defaults. What has none and is not given stays undefined. */
export type Complete<Entries extends Table> = {
  readonly [Key in keyof Entries as Entries[Key] extends Filled ? Key : never]: ValueOf<Entries[Key]>;
} & {
  readonly [Key in keyof Entries as Entries[Key] extends Filled ? never : Key]?: CompleteOf<Entries[Key]> | undefined;
};

/** A few entries of a table. */
export function pick<Entries extends Table, const Key extends keyof Entries & string>(
  entries: Entries,
  keys: readonly Key[],
): Pick<Entries, Key> {
  return Object.fromEntries(keys.map((key) => [key, entries[key]])) as Pick<Entries, Key>;
}

/** All entries of a table but a few. */
export function omit<Entries extends Table, const Key extends keyof Entries & string>(
  entries: Entries,
  keys: readonly Key[],
): Omit<Entries, Key> {
  const left = Object.entries(entries).filter(([key]) => !(keys as readonly string[]).includes(key));
  return Object.fromEntries(left) as unknown as Omit<Entries, Key>;
}

/** What of given options a table has. */
export function given<Entries extends Table>(entries: Entries, options: Given<Entries>): Given<Entries> {
  const own = Object.keys(entries).map((key) => [key, (options as Readonly<Record<string, unknown>>)[key]] as const);
  return Object.fromEntries(own.filter(([, value]) => value !== undefined)) as unknown as Given<Entries>;
}

/**
 * Checked and completed; keys that the table does not have are left out. INVALID_OPTION, with the key's path as in
 * `cache.maxBytes`.
 */
export function complete<Entries extends Table>(entries: Entries, options: Given<Entries>): Complete<Entries> {
  return completeAt(entries, options, "") as Complete<Entries>;
}

function completeAt(
  entries: Table,
  options: Readonly<Record<string, unknown>>,
  prefix: string,
): Record<string, unknown> {
  const completed = Object.entries(entries).map(([key, entry]) => {
    const value = options[key];
    const path = `${prefix}${key}`;
    if ("options" in entry) return [key, completeNested(entry.options, value, path)] as const;
    if (value === undefined) {
      if (entry.required) throw missingOption(path, whyMissing(options, prefix));
      return [key, entry.default] as const;
    }
    if (!entry.kind.accepts(value)) throw invalidOption(path, entry.kind.expected, value);
    return [key, value] as const;
  });
  return Object.fromEntries(completed);
}

/** The reason why an option of a nested table is needed: another one of it is given. */
function whyMissing(options: Readonly<Record<string, unknown>>, prefix: string): string | undefined {
  const key = Object.keys(options).find((name) => options[name] !== undefined);
  return prefix === "" || key === undefined ? undefined : `\`${prefix}${key}\` needs it`;
}

function completeNested(entries: Table, value: unknown, path: string): Record<string, unknown> | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) throw invalidOption(path, "an object of options", value);
  // Who only declines asks for nothing.
  if (Object.values(value).every((option) => option === undefined || option === false)) return undefined;
  return completeAt(entries, value as Readonly<Record<string, unknown>>, `${path}.`);
}
