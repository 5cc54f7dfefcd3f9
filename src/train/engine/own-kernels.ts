// Our kernels for TensorFlow on the processor: loading the library registers them.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadAddonFile } from "../../native/addon-file.js";

let loaded: boolean | undefined;

/**
 * Loads the kernels, once; false where they were not built: TensorFlow's own then do the same in more passes.
 * ADDON_MISSING when they were and cannot be loaded: a run should not become slower in silence.
 * DCTSTREAM_KERNELS=tensorflow leaves them out, which the tests and benches compare with.
 */
export function loadOwnKernels(): boolean {
  loaded ??= process.env.DCTSTREAM_KERNELS !== "tensorflow" && load();
  return loaded;
}

function load(): boolean {
  // From dist/src/train/engine/ to the folder that setup builds in.
  const url = new URL("../../../../src/train/engine/native/build/Release/dctstream_kernels.node", import.meta.url);
  const file = fileURLToPath(url);
  if (!existsSync(file)) return false;
  loadAddonFile(file, { code: "ADDON_MISSING" });
  return true;
}
