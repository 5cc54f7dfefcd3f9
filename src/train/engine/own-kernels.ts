// Our kernels for TensorFlow on the processor: loading the library registers them.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

let loaded: boolean | undefined;

/**
 * Loads the kernels, once; false where they were not built: TensorFlow's own then do the same in more passes. DCTSTREAM_KERNELS=tensorflow
 * leaves them out, which the tests and benches compare with.
 */
export function loadOwnKernels(): boolean {
  loaded ??= process.env.DCTSTREAM_KERNELS !== "tensorflow" && load();
  return loaded;
}

function load(): boolean {
  // From dist/src/train/engine/ to the folder that setup builds in.
  const file = new URL("../../../../src/train/engine/native/build/Release/dctstream_kernels.node", import.meta.url);
  try {
    createRequire(import.meta.url)(fileURLToPath(file));
    return true;
  } catch {
    return false; // not built, or for another TensorFlow: the device's description says which kernels run
  }
}
