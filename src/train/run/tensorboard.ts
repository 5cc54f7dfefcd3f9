// Scalars for TensorBoard, through TensorFlow's own writer of event files.
import { ToolkitError } from "../../errors.js";
import { isRemote, joinUrl } from "../../storage/url.js";
import type { Engine } from "../engine/engine.js";
import { loadTensorflow } from "../engine/tensorflow.js";
import type { TrainSettings } from "../options.js";
import type { EpochReport, StepReport } from "../report.js";

/** The part of tfjs-node that writes event files. */
interface SummaryWriter {
  scalar(name: string, value: number, step: number): void;
  flush(): void;
}

export interface TensorBoard {
  step(report: StepReport): void;
  epoch(report: EpochReport): void;
  flush(): void;
}

/**
 * Undefined where none is wanted or can be: TensorFlow writes to local disks only, and WebGPU runs without it.
 * OUTPUT_NOT_WRITABLE; what cannot be written later ends the event files and not the run.
 */
export function openTensorBoard(engine: Engine, settings: TrainSettings): TensorBoard | undefined {
  const { tensorboard = isRemote(settings.out) ? false : joinUrl(settings.out, "tensorboard"), onWarning } = settings;
  if (tensorboard === false || engine.name !== "tensorflow") return undefined;
  const { node } = loadTensorflow() as unknown as { node: { summaryFileWriter(folder: string): SummaryWriter } };
  let writer: SummaryWriter | undefined;
  try {
    writer = node.summaryFileWriter(tensorboard);
  } catch (error) {
    throw notWritable("cannot begin event files there", tensorboard, error);
  }
  const attempt = (work: (writer: SummaryWriter) => void) => {
    try {
      if (writer !== undefined) work(writer);
    } catch (error) {
      writer = undefined;
      onWarning?.(notWritable("event files end here, training continues", tensorboard, error));
    }
  };
  const write = (step: number, values: Readonly<Record<string, number | undefined>>) =>
    attempt((open) => {
      for (const [name, value] of Object.entries(values)) if (value !== undefined) open.scalar(name, value, step);
    });
  return {
    step: ({ step, loss, top1, learningRate, gradientNorm, imagesPerSecond, inputStallFraction }) =>
      write(step, {
        "train/loss": loss,
        "train/top1": top1,
        "train/learning_rate": learningRate,
        "train/gradient_norm": gradientNorm,
        "speed/images_per_second": imagesPerSecond,
        "speed/input_stall_fraction": inputStallFraction,
      }),
    epoch: ({ step, valTop1, valTop5, valLoss }) =>
      write(step, { "val/top1": valTop1, "val/top5": valTop5, "val/loss": valLoss }),
    flush: () => attempt((open) => open.flush()),
  };
}

function notWritable(what: string, source: string, cause: unknown): ToolkitError {
  return new ToolkitError("OUTPUT_NOT_WRITABLE", `${what}: ${(cause as Error).message}`, { source, cause });
}
