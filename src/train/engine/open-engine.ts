// The choice of an engine by its name.
import { availableParallelism } from "node:os";
import { complete } from "../../options/table.js";
import { type Engine, type EngineOptions, engineOptions } from "./engine.js";

/**
 * Opens what computes: TensorFlow on the processor or an NVIDIA GPU, or WebGPU on any GPU. An engine is shared by all
 * who open it and lives as long as the process.
 *
 * Errors: TENSORFLOW_MISSING, WEBGPU_MISSING, NO_GPU, INVALID_OPTION.
 *
 * @example
 * ```ts
 * import { buildNetwork, openEngine } from "dctstream";
 *
 * const { tf, device } = await openEngine({ device: "cpu" });
 * const { model } = buildNetwork(tf, "resnet50-rgb", { classes: 10, inputSize: 224 });
 * console.log(device, model.countParams());
 * ```
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const { engine, device } = complete(engineOptions, options);
  const { share } = options;
  if (share !== undefined) {
    // TensorFlow reads both once, when it is loaded.
    process.env.TF_NUM_INTRAOP_THREADS ??= String(Math.max(1, Math.floor(availableParallelism() / share.of)));
    process.env.CUDA_VISIBLE_DEVICES ??= String(share.index);
  }
  switch (engine) {
    case "tensorflow":
      return (await import("./tensorflow-engine.js")).openTensorflow(device);
    case "webgpu":
      return (await import("./webgpu-engine.js")).openWebgpu(device);
    default:
      throw new Error(`no engine is called ${engine satisfies never}`);
  }
}
