// What the trainer asks of a numeric backend, whichever it is.
import type { LayersModel, Tensor, Variable } from "@tensorflow/tfjs";
import { oneOf } from "../../options/kinds.js";
import { type Given, optionTable } from "../../options/table.js";
import type { FreezeOptions, FrozenNetwork } from "./frozen-network.js";
import type { Tf } from "./tensorflow.js";
import type { PassHooks } from "./training-pass.js";

const engineNames = ["tensorflow", "webgpu"] as const;
export type EngineName = (typeof engineNames)[number];

export type DeviceChoice = "auto" | "cpu" | "gpu";

export const engineOptions = optionTable({
  /**
   * "tensorflow": the processor, or CUDA with a TensorFlow built for it. "webgpu": any GPU, through Vulkan, Metal or
   * D3D12. Default "tensorflow".
   */
  engine: {
    kind: oneOf(engineNames),
    default: "tensorflow",
    describe: "tensorflow: the processor, or CUDA; webgpu: any GPU, without CUDA",
    group: "Machine",
  },
  /** "gpu" fails where none is found, "cpu" where one would be used. Default "auto": whatever there is. */
  device: {
    kind: oneOf<DeviceChoice>(["auto", "cpu", "gpu"]),
    default: "auto",
    describe: "gpu fails where there is none",
    group: "Machine",
  },
});

export interface EngineOptions extends Given<typeof engineOptions> {
  /**
   * This process is one of several on the machine that compute at the same time: it takes its part of the threads, or
   * one GPU of several.
   */
  readonly share?: { readonly index: number; readonly of: number } | undefined;
}

/** Settings of one update: velocity = momentum velocity + gradient + decay weight; weight -= rate velocity. */
export interface MomentumSettings {
  readonly rate: number;
  readonly momentum: number;
  readonly decay: number;
}

export interface Engine {
  readonly name: EngineName;
  /** What was found, in words: "CPU, 2 threads, own kernels", "GPU: NVIDIA ...". */
  readonly device: string;
  readonly tf: Tf;
  /** The model's forward pass in training; the function is called inside of what takes gradients. */
  trainingPass(model: LayersModel, hooks?: PassHooks): (inputs: readonly Tensor[]) => Tensor;
  /** One update of a weight and its velocity, both in place: clones of them change too. */
  updateMomentum(weight: Variable, velocity: Variable, gradient: Tensor, settings: MomentumSettings): void;
  /** The model for inference alone: batch normalisation folded into convolutions, these fused with what follows. */
  freeze(model: LayersModel, options?: FreezeOptions): Promise<FrozenNetwork>;
}
