// WebGPU in Node through Google's Dawn: any GPU with Vulkan, Metal or D3D12, without CUDA. tfjs's own operations,
// compiled to shaders.
import { createRequire } from "node:module";
import type { LayersModel, Tensor, Variable } from "@tensorflow/tfjs";
import { invalidOption, ToolkitError } from "../../errors.js";
import type { DeviceChoice, Engine, MomentumSettings } from "./engine.js";
import { freezeToLayers } from "./folded-network.js";
import type { FreezeOptions, FrozenNetwork } from "./frozen-network.js";
import { composedMomentum } from "./momentum.js";
import type { Tf } from "./tensorflow.js";
import { type PassHooks, TrainingPass } from "./training-pass.js";

/** What WebGPU reports of the GPU it found; any field can be empty. */
interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
}

interface Adapter {
  readonly info: AdapterInfo;
}

/** The part of WebGPU that we call ourselves; tfjs does the rest. */
interface Gpu {
  requestAdapter(options: { readonly powerPreference: "high-performance" }): Promise<Adapter | null>;
}

/** Kept for the process's life: Dawn frees its instance, and the devices with it, when nothing refers to it. */
let opened: Promise<Engine> | undefined;

/**
 * Opens WebGPU. Throws WEBGPU_MISSING when Dawn cannot be loaded here, NO_GPU when it finds none, INVALID_OPTION for
 * the processor.
 */
export function openWebgpu(device: DeviceChoice): Promise<Engine> {
  if (device === "cpu") throw invalidOption("device", "auto or gpu with `engine` webgpu", device);
  opened ??= open().catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened.then(async (engine) => {
    await engine.tf.setBackend("webgpu");
    return engine;
  });
}

async function open(): Promise<Engine> {
  const gpu = await loadDawn();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null)
    throw new ToolkitError(
      "NO_GPU",
      "WebGPU found no GPU; it needs a driver for Vulkan (and libvulkan1), Metal or D3D12. VK_DRIVER_FILES names a Vulkan driver by hand",
    );
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  const require = createRequire(import.meta.url);
  const tf = require("@tensorflow/tfjs") as Tf;
  require("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) throw new ToolkitError("NO_GPU", "tfjs cannot use the GPU that WebGPU found");
  const { vendor, architecture, description } = adapter.info;
  const name = [vendor, architecture, description].filter((part) => part !== "").join(" ");
  return new WebgpuEngine(tf, `GPU (WebGPU): ${name || "not named"}`);
}

async function loadDawn(): Promise<Gpu> {
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals); // GPUBufferUsage and its like, which tfjs looks for where a browser has them
    return create([]) as unknown as Gpu;
  } catch (cause) {
    const reason = String((cause as Error).message).split("\n")[0];
    throw new ToolkitError("WEBGPU_MISSING", `cannot load WebGPU: ${reason}`, { cause });
  }
}

class WebgpuEngine implements Engine {
  readonly name = "webgpu";

  constructor(
    readonly tf: Tf,
    readonly device: string,
  ) {}

  trainingPass(model: LayersModel, hooks?: PassHooks): (inputs: readonly Tensor[]) => Tensor {
    const pass = new TrainingPass(this.tf, undefined, model, hooks);
    return (inputs) => pass.run(inputs);
  }

  updateMomentum(weight: Variable, velocity: Variable, gradient: Tensor, settings: MomentumSettings): void {
    composedMomentum(this.tf, weight, velocity, gradient, settings);
  }

  freeze(model: LayersModel, { precision = "float32" }: FreezeOptions = {}): Promise<FrozenNetwork> {
    if (precision !== "float32") throw invalidOption("precision", "float32 with `engine` webgpu", precision);
    return freezeToLayers(this.tf, model);
  }
}
