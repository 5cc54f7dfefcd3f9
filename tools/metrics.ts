// Prometheus metrics of a running command, over HTTP.
import { createServer, type Server } from "node:http";
import { Gauge, Registry } from "prom-client";
import { ToolkitError } from "../src/errors.js";
import type { EpochReport, StepReport } from "../src/train/report.js";

/** Name and meaning of every metric; docs/training.md lists them. */
const gauges = {
  dctstream_train_step: "Steps done",
  dctstream_train_steps: "Steps of the whole run",
  dctstream_train_epoch: "Epoch, counted from 0",
  dctstream_train_loss: "Mean loss of the last step, in nats",
  dctstream_train_top1: "Top-1 of the last step's samples, as a share",
  dctstream_train_learning_rate: "Learning rate of the last step",
  dctstream_train_images_per_second: "Images per second since the start, of all ranks",
  dctstream_train_input_stall_fraction: "Share of the time in which steps waited for input",
  dctstream_train_seconds_left: "Seconds of training left at this speed",
  dctstream_train_tensors: "Tensors alive",
  dctstream_val_top1: "Top-1 of the last validation, as a share",
  dctstream_val_top5: "Top-5 of the last validation, as a share",
  dctstream_val_loss: "Loss of the last validation, in nats",
} as const;

type MetricName = keyof typeof gauges;

export const metricNames = Object.keys(gauges) as readonly MetricName[];

export class Metrics {
  private constructor(
    private readonly server: Server,
    private readonly values: ReadonlyMap<string, Gauge>,
  ) {}

  /** Serves /metrics on a port of all interfaces; 0 takes a free one. INVALID_OPTION when it cannot be had. */
  static async serve(port: number): Promise<Metrics> {
    const registry = new Registry();
    const values = new Map(
      Object.entries(gauges).map(([name, help]) => [name, new Gauge({ name, help, registers: [registry] })]),
    );
    const server = createServer((request, response) => {
      if (request.url !== "/metrics") {
        response.writeHead(404).end("metrics are at /metrics\n");
        return;
      }
      void registry
        .metrics()
        .then((text) => response.writeHead(200, { "content-type": registry.contentType }).end(text));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, resolve);
    }).catch((cause) => {
      throw new ToolkitError("INVALID_OPTION", `metrics-port: ${(cause as Error).message}`, { cause });
    });
    server.unref();
    return new Metrics(server, values);
  }

  step(report: StepReport): void {
    this.set({
      dctstream_train_step: report.step,
      dctstream_train_steps: report.steps,
      dctstream_train_epoch: report.epoch,
      dctstream_train_loss: report.loss,
      dctstream_train_top1: report.top1,
      dctstream_train_learning_rate: report.learningRate,
      dctstream_train_images_per_second: report.imagesPerSecond,
      dctstream_train_input_stall_fraction: report.inputStallFraction,
      dctstream_train_seconds_left: report.secondsLeft,
      dctstream_train_tensors: report.tensors,
    });
  }

  epoch({ valTop1, valTop5, valLoss }: EpochReport): void {
    this.set({ dctstream_val_top1: valTop1, dctstream_val_top5: valTop5, dctstream_val_loss: valLoss });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private set(values: Partial<Record<MetricName, number | undefined>>): void {
    for (const [name, value] of Object.entries(values)) if (value !== undefined) this.values.get(name)?.set(value);
  }
}
