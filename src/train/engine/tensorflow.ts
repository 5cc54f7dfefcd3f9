// The TensorFlow engine: loads @tensorflow/tfjs-node-gpu, the only file that does, and says how to get it when it is missing.
import { createRequire } from "node:module";
import type * as TensorFlow from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";

export type Tf = typeof TensorFlow;

let loaded: Tf | undefined;

/** TENSORFLOW_MISSING, with the command that installs it. Loads once; about a second. */
export function loadTensorflow(): Tf {
  if (loaded !== undefined) return loaded;
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2"; // its start-up banner is no news to our users
  try {
    loaded = createRequire(import.meta.url)("@tensorflow/tfjs-node-gpu") as Tf;
  } catch (cause) {
    const reason = String((cause as Error).message).split("\n")[0];
    throw new ToolkitError(
      "TENSORFLOW_MISSING",
      `cannot load TensorFlow: ${reason}; set it up with: node tools/setup.mjs`,
      { cause },
    );
  }
  return loaded;
}
