// Prometheus metrics of a running command, over HTTP.
import { createServer, type Server } from "node:http";
import { type AddressInfo, isIPv6 } from "node:net";
import { Counter, Gauge, Registry } from "prom-client";
import { invalidOption, ToolkitError } from "../src/errors.js";
import { integers, text } from "../src/options/kinds.js";
import { type Given, optionTable } from "../src/options/table.js";
import { type PipelineCounters, type StageCounters, stageShares } from "../src/pipeline/stage-clock.js";
import type { EpochReport, StepReport } from "../src/train/report.js";
import type { CommandContext } from "./command.js";

/** Counters are for those who were given the address: nobody else's machine reaches this one. */
const loopback = "127.0.0.1";

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

/** Sums of every stage of the pipeline, with its name as the label `stage`; docs/profile.md lists them. */
const stageSums = {
  dctstream_stage_busy_seconds_total: "Time that the stage's threads worked, of all of them together",
  dctstream_stage_wait_input_seconds_total: "Time that its threads waited for input",
  dctstream_stage_wait_output_seconds_total: "Time that its threads waited for room for their output",
  dctstream_stage_cpu_seconds_total: "The part of the busy time in which they had a core",
  dctstream_stage_images_total: "Images that went through",
  dctstream_stage_bytes_total: "Bytes that went through",
  dctstream_stage_queue_item_seconds_total:
    "Items that waited in front of it, times how long: its rate is the mean depth",
} as const;

const threadsName = "dctstream_stage_threads";

type MetricName = keyof typeof gauges;
type StageMetricName = keyof typeof stageSums;

export const metricNames: readonly string[] = [...Object.keys(gauges), ...Object.keys(stageSums), threadsName];

/** The values of a stage by metric, in the metric's unit. */
function stageValues(stage: StageCounters, elapsedMs: number): Readonly<Record<StageMetricName, number>> {
  const { busy, waitForInput, waitForOutput } = stageShares(stage, elapsedMs);
  const seconds = (stage.threads * elapsedMs) / 1000;
  return {
    dctstream_stage_busy_seconds_total: busy * seconds,
    dctstream_stage_wait_input_seconds_total: waitForInput * seconds,
    dctstream_stage_wait_output_seconds_total: waitForOutput * seconds,
    dctstream_stage_cpu_seconds_total: stage.cpuMs / 1000,
    dctstream_stage_images_total: stage.samples,
    dctstream_stage_bytes_total: stage.bytes,
    dctstream_stage_queue_item_seconds_total: stage.queueMs.reduce((sum, ms, depth) => sum + ms * depth, 0) / 1000,
  };
}

/** `port` describes what is served. */
export function metricsOptions(port: string) {
  return optionTable({
    metricsPort: { kind: integers(0, 65535), describe: port, group: "Run" },
    metricsHost: {
      kind: text,
      otherwise: loopback,
      describe: "Address to serve them on: 0.0.0.0 or :: for all of this machine's",
      group: "Run",
    },
  });
}

type MetricsOptions = Given<ReturnType<typeof metricsOptions>>;

/** Serves what the options ask for, and logs where; undefined where they ask for nothing. INVALID_OPTION. */
export async function serveMetrics(
  { metricsPort: port, metricsHost: host }: MetricsOptions,
  { log }: Pick<CommandContext, "log">,
): Promise<Metrics | undefined> {
  if (port === undefined) {
    if (host !== undefined) throw invalidOption("metricsHost", "given together with `metricsPort`", host);
    return undefined;
  }
  const metrics = await Metrics.serve(port, host);
  log(`metrics: ${metrics.url}`);
  return metrics;
}

export class Metrics {
  private beforeAnswer = () => {};
  private readonly values = new Map<MetricName, Gauge>();

  private constructor(
    private readonly server: Server,
    private readonly registry: Registry,
  ) {}

  /**
   * Serves /metrics on a port of one address, 127.0.0.1 when none is given; 0 takes a free port. INVALID_OPTION when it
   * cannot be had.
   */
  static async serve(port: number, host: string = loopback): Promise<Metrics> {
    if (!(Number.isInteger(port) && port >= 0 && port <= 65535))
      throw invalidOption("metricsPort", "an integer from 0 to 65535", port);
    if (host === "") throw invalidOption("metricsHost", "an address or the name of one", host);
    const registry = new Registry();
    const server = createServer();
    const metrics = new Metrics(server, registry);
    server.on("request", (request, response) => {
      if (request.url !== "/metrics") {
        response.writeHead(404).end("metrics are at /metrics\n");
        return;
      }
      metrics.beforeAnswer();
      void registry
        .metrics()
        .then((text) => response.writeHead(200, { "content-type": registry.contentType }).end(text));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen({ port, host: host.replace(/^\[(.*)\]$/, "$1") }, resolve);
    }).catch((cause: NodeJS.ErrnoException) => {
      const option = /^(EADDRINUSE|EACCES)$/.test(cause.code ?? "") ? "metricsPort" : "metricsHost";
      throw new ToolkitError("INVALID_OPTION", `\`${option}\`: ${cause.message}`, { cause });
    });
    server.unref();
    return metrics;
  }

  /** Where it listens. */
  get url(): string {
    const { address, port } = this.server.address() as AddressInfo; // of a server that listens on a port
    return `http://${isIPv6(address) ? `[${address}]` : address}:${port}/metrics`;
  }

  /** Serves the counters of a pipeline's stages, as they are when they are asked for. */
  watch(counters: () => PipelineCounters): void {
    const registers = [this.registry];
    const labelNames = ["stage"] as const;
    const sums = new Map(
      Object.entries(stageSums).map(([name, help]) => [name, new Counter({ name, help, labelNames, registers })]),
    );
    const help = "Threads of the stage";
    const threads = new Gauge({ name: threadsName, help, labelNames, registers });
    const served = new Map<string, number>();
    this.beforeAnswer = () => {
      const { elapsedMs, stages } = counters();
      for (const [stage, counted] of Object.entries(stages)) {
        threads.set({ stage }, counted.threads);
        for (const [name, value] of Object.entries(stageValues(counted, elapsedMs))) {
          // Waiting turns into work when that is reported; a counter that fell would be taken for one that began anew.
          const before = served.get(`${name} ${stage}`) ?? 0;
          sums.get(name)?.inc({ stage }, Math.max(0, value - before));
          served.set(`${name} ${stage}`, Math.max(before, value));
        }
      }
    };
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

  /** Registered with its first value: what a command does not have is not served. */
  private gauge(name: MetricName): Gauge {
    const known = this.values.get(name) ?? new Gauge({ name, help: gauges[name], registers: [this.registry] });
    this.values.set(name, known);
    return known;
  }

  private set(values: Partial<Record<MetricName, number | undefined>>): void {
    for (const [name, value] of Object.entries(values))
      if (value !== undefined) this.gauge(name as MetricName).set(value);
  }
}
