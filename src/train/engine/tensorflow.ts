// The TensorFlow engine: loads @tensorflow/tfjs-node-gpu, the only file that does, and explains how to get it when it
// is missing.
import { createRequire } from "node:module";
import path from "node:path";
import type * as TensorFlow from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import { loadAddonFile, setupCommand } from "../../native/addon-file.js";

export type Tf = typeof TensorFlow;

const packageName = "@tensorflow/tfjs-node-gpu";

let loaded: Tf | undefined;

/**
 * TensorFlow.js with the native library. Loads once; about a second. TENSORFLOW_MISSING, with the command that installs
 * it.
 */
export function loadTensorflow(): Tf {
  loaded ??= load(createRequire(import.meta.url));
  return loaded;
}

function load(require: NodeJS.Require): Tf {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2"; // its start-up banner tells our users nothing
  supplyRemovedFunctions(require);
  try {
    const folder = path.dirname(require.resolve(`${packageName}/package.json`));
    // The binding by itself first: it is what can be missing or built for another machine, and the package explains
    // that less well.
    const binding = path.join(folder, "lib", "napi-v8", "tfjs_binding.node");
    loadAddonFile(binding, { code: "TENSORFLOW_MISSING", problem: "cannot load TensorFlow" });
    return require(packageName) as Tf;
  } catch (cause) {
    if (cause instanceof ToolkitError) throw cause;
    const reason = String((cause as Error).message).split("\n")[0];
    const message = `cannot load TensorFlow: ${reason}; set it up with: ${setupCommand}`;
    throw new ToolkitError("TENSORFLOW_MISSING", message, { cause });
  }
}

/**
 * tfjs-node 4.22, the newest, calls util.isNullOrUndefined and util.isArray. Node 22 warns of them on the terminal,
 * Node 23 removed the first. All of the process shares util, so these do exactly what Node's own did.
 */
function supplyRemovedFunctions(require: NodeJS.Require): void {
  const util = require("node:util") as Record<string, unknown>;
  util["isNullOrUndefined"] = (value: unknown) => value === null || value === undefined;
  util["isArray"] = Array.isArray;
}
