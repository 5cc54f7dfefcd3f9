// Options of every command that computes with a network.
import type { Argv } from "yargs";
import {
  type DeviceChoice,
  deviceChoices,
  type EngineName,
  type EngineOptions,
  engineNames,
} from "../../src/train/engine/engine.js";
import { argument } from "../command.js";

export function withEngineOptions(parser: Argv): Argv {
  return parser
    .option("engine", {
      choices: engineNames,
      default: "tensorflow",
      requiresArg: true,
      describe: "tensorflow: the processor, or CUDA; webgpu: any GPU, without CUDA",
    })
    .option("device", {
      choices: deviceChoices,
      default: "auto",
      requiresArg: true,
      describe: "gpu fails where there is none",
    });
}

export function engineOptionsFrom(args: Record<string, unknown>): EngineOptions {
  return { engine: argument<EngineName>(args, "engine"), device: argument<DeviceChoice>(args, "device") };
}
