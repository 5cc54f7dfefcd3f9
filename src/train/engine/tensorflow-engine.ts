// TensorFlow in this process: its CPU build with our kernels beside its own, or CUDA where the library has it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import type { LayersModel, Tensor, Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import type { DeviceChoice, Engine, MomentumSettings } from "./engine.js";
import type { FreezeOptions, FrozenNetwork } from "./frozen-network.js";
import { FusedOps } from "./fused-ops.js";
import { Kernels } from "./kernels.js";
import { composedMomentum } from "./momentum.js";
import { loadOwnKernels } from "./own-kernels.js";
import { PrivateMemory } from "./private-memory.js";
import { freezeToSession } from "./session-network.js";
import { loadTensorflow, type Tf } from "./tensorflow.js";
import { type PassHooks, TrainingPass } from "./training-pass.js";

/**
 * Opens TensorFlow. Throws NO_GPU when "gpu" is asked for and there is none; INVALID_OPTION when "cpu" is and
 * TensorFlow has taken a GPU.
 */
export async function openTensorflow(device: DeviceChoice): Promise<Engine> {
  if (device === "cpu") process.env.CUDA_VISIBLE_DEVICES = "-1"; // read once, when the library is loaded
  const tf = loadTensorflow();
  await tf.setBackend("tensorflow");
  const gpu = (tf.backend() as unknown as { readonly isUsingGpuDevice: boolean }).isUsingGpuDevice;
  if (device === "gpu" && !gpu)
    throw new ToolkitError(
      "NO_GPU",
      "TensorFlow found no GPU; it needs an NVIDIA GPU with its driver, and TensorFlow with CUDA: node tools/setup.mjs --gpu. " +
        "Any other GPU: `engine` webgpu",
    );
  if (device === "cpu" && gpu)
    throw new ToolkitError("INVALID_OPTION", "device: TensorFlow has taken the GPU already in this process");
  return new TensorflowEngine(tf, gpu, !gpu && loadOwnKernels());
}

/** What NVIDIA's driver calls the first GPU; TensorFlow's interface for JavaScript does not report it. */
function cudaModel(): string | undefined {
  const folder = "/proc/driver/nvidia/gpus";
  if (!existsSync(folder)) return undefined;
  const [first] = readdirSync(folder);
  return first && /^Model:\s*(.+)$/m.exec(readFileSync(path.join(folder, first, "information"), "utf8"))?.[1];
}

class TensorflowEngine implements Engine {
  readonly name = "tensorflow";
  readonly device: string;
  private readonly kernels: Kernels;
  private readonly memory: PrivateMemory;
  private readonly ops: FusedOps;

  constructor(
    readonly tf: Tf,
    gpu: boolean,
    private readonly own: boolean,
  ) {
    const threads = process.env.TF_NUM_INTRAOP_THREADS ?? availableParallelism();
    this.device = gpu
      ? `GPU (CUDA): ${cudaModel() ?? "not named"}`
      : `CPU, ${threads} threads, ${own ? "own" : "TensorFlow's"} kernels`;
    this.kernels = new Kernels(tf);
    this.memory = new PrivateMemory(this.kernels);
    this.ops = new FusedOps(this.kernels, this.memory, own);
  }

  trainingPass(model: LayersModel, hooks?: PassHooks): (inputs: readonly Tensor[]) => Tensor {
    const pass = new TrainingPass(this.tf, this.ops, model, hooks);
    return (inputs) => pass.run(inputs);
  }

  updateMomentum(weight: Variable, velocity: Variable, gradient: Tensor, settings: MomentumSettings): void {
    if (!this.own) {
      composedMomentum(this.tf, weight, velocity, gradient, settings);
      return;
    }
    const { rate, momentum, decay } = settings;
    this.tf.tidy(() => {
      const values = this.tf.tensor1d([rate, momentum, decay]);
      const inPlace = [this.memory.claim(weight), this.memory.claim(velocity)];
      this.kernels.run("DctstreamMomentum", [], [...inPlace, gradient, values]);
    });
  }

  freeze(model: LayersModel, options: FreezeOptions = {}): Promise<FrozenNetwork> {
    return freezeToSession(this.tf, model, options);
  }
}
