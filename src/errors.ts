// The one error class of the toolkit. Callers switch on `code`; people read `message`.
import { inspect } from "node:util";
import { type ErrorCode, errorCodes } from "./error-codes.js";
import { printable } from "./printable.js";
import { publicUrl, publicUrls } from "./public-url.js";
import { type Access, meaningOf } from "./system-errors.js";

/** Where something went wrong, in the words of the input. */
export interface ErrorFacts {
  /** The tar, folder, shard or manifest. */
  readonly source?: string | undefined;
  /** The sample or tar entry. */
  readonly key?: string | undefined;
  /** Byte offset in the source. */
  readonly offset?: number | undefined;
  readonly cause?: unknown;
}

/** The one error class of the toolkit: a code, a message, and where it went wrong as fields; the cause is kept. */
export class ToolkitError extends Error {
  override readonly name = "ToolkitError";
  readonly code: ErrorCode;
  readonly source: string | undefined;
  readonly key: string | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(publicUrls(message), facts.cause === undefined ? {} : { cause: publicCause(facts.cause) });
    this.code = code;
    this.source = facts.source === undefined ? undefined : publicUrl(facts.source);
    this.key = facts.key;
    this.offset = facts.offset;
  }

  /** `CODE: message (source, key, at byte n)`, on one line, for people. */
  describe(): string {
    const location = [this.source, this.key, this.offset === undefined ? undefined : `at byte ${this.offset}`].filter(
      (part) => part !== undefined,
    );
    return printable(`${this.code}: ${this.message}${location.length > 0 ? ` (${location.join(", ")})` : ""}`);
  }
}

/** The cause itself, unless something in it shows a URL's secrets: code that prints an error prints its cause too. */
function publicCause(cause: unknown): unknown {
  const told = inspect(cause, { depth: 5 });
  if (publicUrls(told) === told) return cause;
  const { name, message: said, stack = "" } = cause instanceof Error ? cause : new Error(told);
  const message = publicUrls(said);
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return Object.assign(new Error(message), {
    name,
    stack: [`${name}: ${message}`, ...frames.map(publicUrls)].join("\n"),
  });
}

/** An error as plain data: a structured clone would drop its class and its code. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly source?: string | undefined;
  readonly key?: string | undefined;
  readonly offset?: number | undefined;
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && (errorCodes as readonly string[]).includes(code);
}

/**
 * Anything thrown, as one of ours: the addon's errors carry our codes already, those of the operating system have a
 * code each, and what is left, which can only be a defect of ours, is INTERNAL.
 */
export function asToolkitError(error: unknown, facts: ErrorFacts = {}): ToolkitError {
  if (error instanceof ToolkitError) return error;
  const thrown = error instanceof Error ? error : new Error(String(error));
  const { code } = thrown as { code?: unknown };
  if (isErrorCode(code)) return new ToolkitError(code, thrown.message, { ...facts, cause: error });
  const meaning = meaningOf(thrown);
  if (meaning === undefined) return new ToolkitError("INTERNAL", thrown.message, { ...facts, cause: error });
  return new ToolkitError(meaning.code, meaning.message, {
    ...facts,
    source: facts.source ?? meaning.source,
    cause: error,
  });
}

/**
 * The error of the operating system while something was done to `source`; `doing` begins the message, as in "cannot
 * open it".
 */
export function systemError(doing: string, access: Access, source: string, cause: unknown): ToolkitError {
  if (cause instanceof ToolkitError) return cause;
  const meaning = meaningOf(cause, access);
  if (meaning === undefined) return asToolkitError(cause, { source });
  return new ToolkitError(meaning.code, `${doing}: ${meaning.message}`, { source, cause });
}

export function toWire(error: unknown, facts: ErrorFacts = {}): WireError {
  const { code, message, source, key, offset } = asToolkitError(error, facts);
  const given = facts.source === undefined ? undefined : publicUrl(facts.source);
  return { code, message, source: source ?? given, key: key ?? facts.key, offset: offset ?? facts.offset };
}

export function fromWire(wire: WireError): ToolkitError {
  return new ToolkitError(wire.code, wire.message, wire);
}

/** `option` is the key that a caller of the library writes; a command line shows its own name for it. */
export function invalidOption(option: string, rule: string, value: unknown): ToolkitError {
  return new ToolkitError("INVALID_OPTION", `option ${option} must be ${rule}, found ${JSON.stringify(value)}`);
}

/** `reason`: why it is needed, where not every caller needs it. */
export function missingOption(option: string, reason?: string): ToolkitError {
  const why = reason === undefined ? "" : `: ${reason}`;
  return new ToolkitError("INVALID_OPTION", `option ${option} is missing${why}`);
}
