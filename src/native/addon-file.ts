// Loads a compiled .node file, or throws why it cannot be loaded: what it was built for, what runs now, and the command
// that cures it.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ErrorCode } from "../error-codes.js";
import { ToolkitError } from "../errors.js";

/** What an error about a file that cannot be loaded contains, and how. */
export interface AddonHelp {
  readonly code: ErrorCode;
  /** What could not be done, as in "cannot load TensorFlow". Default: that the file cannot be loaded. */
  readonly problem?: string;
  /** The command that builds the file. Default: setup. */
  readonly cure?: string;
}

export const setupCommand = "node tools/setup.mjs";

const nodeOfModuleVersion: Readonly<Record<string, string>> = {
  "108": "18",
  "115": "20",
  "127": "22",
  "131": "23",
  "137": "24",
  "141": "25",
  "147": "26",
};

/**
 * Requires a compiled file. An error with the given code when it is missing, damaged, or built for another Node or
 * processor.
 */
export function loadAddonFile(file: string, help: AddonHelp): unknown {
  try {
    return createRequire(import.meta.url)(file);
  } catch (cause) {
    throw addonFileError(file, cause, help);
  }
}

/** The error for a compiled file that `cause` kept from being loaded. */
function addonFileError(file: string, cause: unknown, help: AddonHelp): ToolkitError {
  const { code, problem = `cannot load ${file}` } = help;
  const built = readBuild(file);
  const cure = help.cure ?? built?.setup ?? setupCommand;
  const facts = existsSync(file) ? `${reason(cause)}; ${provenance(built)}` : "it is not built";
  return new ToolkitError(code, `${problem}: ${facts}; build it with: ${cure}`, { cause });
}

/**
 * The first line of Node's message; where Node takes four lines to report that the file is for another version, that in
 * one.
 */
function reason(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const versions = /NODE_MODULE_VERSION (\d+)[\s\S]*NODE_MODULE_VERSION (\d+)/.exec(message);
  if (versions === null) return (message.split("\n")[0] as string).trim();
  const [needed, running] = [versions[1] as string, versions[2] as string];
  const name = nodeOfModuleVersion[needed];
  return `it is for ${name === undefined ? "another Node" : `Node ${name}`} (module version ${needed}, this Node has ${running})`;
}

interface Build {
  readonly node: string;
  readonly platform: string;
  readonly setup: string;
}

/** What setup wrote beside the file when it built it; undefined for one built by hand. */
function readBuild(file: string): Build | undefined {
  try {
    const { node, platform, setup } = JSON.parse(readFileSync(`${file}.built`, "utf8")) as Record<string, unknown>;
    return { node: String(node), platform: String(platform), setup: String(setup) };
  } catch {
    return undefined; // an unreadable note must not hide why the file itself cannot be loaded
  }
}

function provenance(built: Build | undefined): string {
  const running = `running under Node ${process.version} for ${process.platform}-${process.arch}`;
  return built === undefined ? running : `built under Node ${built.node} for ${built.platform}, ${running}`;
}
