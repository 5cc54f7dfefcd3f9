// What a subcommand is: its usage, its options, and one library call.
import type { Given, Table } from "../src/options/table.js";

export interface CommandContext {
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** A line on stderr. */
  readonly log: (line: string) => void;
  /** Results on stdout, as they come; resolves when there is room for more. */
  readonly print: (text: string) => Promise<void>;
  /** Whether stderr is a terminal that progress can be drawn on. */
  readonly interactive: boolean;
  /** Has something done after an error has been reported. */
  readonly onFailure: (work: () => void) => void;
  /** Options under the names that this command line has for them: what --config takes. */
  readonly configFile: (options: object) => Readonly<Record<string, unknown>>;
  /** Whether there is work that the command saves when it is interrupted: it gets more time for that then. */
  readonly keepWorkSafe: (on: boolean) => void;
}

export interface CommandResult {
  /** What --json prints; undefined where another process prints it. */
  readonly result: unknown;
  /** What is printed otherwise. */
  readonly text: string;
  /**
   * Whether the command succeeded; false is exit status 1 although nothing was thrown (verify found damage). Default
   * true.
   */
  readonly ok?: boolean;
}

export interface Command<Entries extends Table = Table> {
  /** Its options, positional ones too: those that its usage names. */
  readonly options: Entries;
  /** Command lines, and what they do. */
  readonly examples?: readonly (readonly [string, string])[];
  run(options: Given<Entries>, context: CommandContext): Promise<CommandResult>;
}

/** A command whose `run` has the types of its table. */
export function defineCommand<const Entries extends Table>(command: Command<Entries>): Command<Entries> {
  return command;
}

/** What --help prints about a command, and the command itself when it is asked for. */
export interface CommandEntry {
  /** The yargs command string, as in `preprocess <sources..>`. */
  readonly usage: string;
  readonly describe: string;
  readonly load: () => Promise<Command>;
}

/** Commands under a name of their own, as in `profile read`. */
export interface CommandGroup {
  readonly usage: string;
  readonly describe: string;
  readonly commands: readonly CommandEntry[];
}
