// The kinds of values that options have: what each must be, in words and as a test, and how text stands for it.

export interface Kind<Value> {
  /** What a value must be, as in "an integer >= 1": errors and help texts contain it. */
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  /** The value that text stands for, on a command line or in a configuration file; undefined where there is none. */
  readonly parse: (text: string) => Value | undefined;
  /** How a command line gives it: with a value, several times, or by its name alone. */
  readonly shape: "value" | "list" | "flag";
  /** All values, where they are few. */
  readonly choices?: readonly string[];
  /** The form in which help texts show a default. */
  readonly show?: (value: Value) => string;
}

const isNumber = (value: unknown): value is number => typeof value === "number" && !Number.isNaN(value);

function parseNumber(text: string): number | undefined {
  return /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : undefined;
}

/** Numbers that a test accepts; `expected` describes them. */
export function numbers(expected: string, accepts: (value: number) => boolean): Kind<number> {
  return { expected, accepts: (value) => isNumber(value) && accepts(value), parse: parseNumber, shape: "value" };
}

export const positive = numbers("a number > 0", (value) => value > 0);
export const notNegative = numbers("a number >= 0", (value) => value >= 0);
/** Shares that leave something. */
export const shares = numbers("in [0, 1)", (value) => value >= 0 && value < 1);
export const probabilities = numbers("a probability in [0, 1]", (value) => value >= 0 && value <= 1);

/** Whole numbers from `least` to `most`. */
export function integers(least: number, most = Number.MAX_SAFE_INTEGER): Kind<number> {
  const expected = most === Number.MAX_SAFE_INTEGER ? `an integer >= ${least}` : `an integer from ${least} to ${most}`;
  return numbers(expected, (value) => Number.isInteger(value) && value >= least && value <= most);
}

/** Any finite number. */
export const finite = numbers("a number", Number.isFinite);

export const text: Kind<string> = {
  expected: "text",
  accepts: (value) => typeof value === "string",
  parse: (given) => given,
  shape: "value",
};

/** One text or more. */
export const texts: Kind<readonly string[]> = {
  expected: "a list of texts",
  accepts: (value) => Array.isArray(value) && value.every((entry) => typeof entry === "string"),
  parse: (given) => [given],
  shape: "list",
};

export const flag: Kind<boolean> = {
  expected: "true or false",
  accepts: (value) => typeof value === "boolean",
  parse: (given) => ({ true: true, false: false })[given],
  shape: "flag",
};

export function oneOf<const Choice extends string>(choices: readonly Choice[]): Kind<Choice> {
  return {
    expected: choices.join(", "),
    accepts: (value) => (choices as readonly unknown[]).includes(value),
    parse: (given) => choices.find((choice) => choice === given),
    shape: "value",
    choices,
  };
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
};

/** `64MiB`, `1.5 GB` or plain bytes -> bytes. */
export function parseBytes(given: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(given);
  const unit = units[match?.[2] ?? "?"];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

/** Numbers of bytes from 1 to `most`, without a bound at the default; text has a unit. */
export function bytes(most = Number.POSITIVE_INFINITY): Kind<number> {
  const limit = most === Number.POSITIVE_INFINITY ? "" : `, at most ${most}`;
  return {
    expected: `a size such as 64MiB, 1.5GB or 1000000${limit}`,
    accepts: (value) => isNumber(value) && Math.floor(value) >= 1 && value <= most,
    parse: parseBytes,
    shape: "value",
    show: showBytes,
  };
}

/** Bytes in the largest binary unit that shows them exactly. */
function showBytes(value: number): string {
  const unit = ["TiB", "GiB", "MiB", "KiB"].find((name) => value % (units[name] as number) === 0);
  return unit === undefined ? String(value) : `${value / (units[unit] as number)}${unit}`;
}
