// dctstream train
import { asToolkitError } from "../../src/errors.js";
import { text } from "../../src/options/kinds.js";
import { type Given, given, optionTable } from "../../src/options/table.js";
import type { PreprocessProgress } from "../../src/pipeline/preprocess/options.js";
import { readText } from "../../src/storage/objects.js";
import { joinUrl } from "../../src/storage/url.js";
import type { Collective } from "../../src/train/collective/collective.js";
import { openCollective } from "../../src/train/collective/open-collective.js";
import { type RunStart, resolveTrainOptions } from "../../src/train/options.js";
import type { EpochReport, StepReport, TrainReport } from "../../src/train/report.js";
import { parseHistory } from "../../src/train/run/history.js";
import { historyName } from "../../src/train/run/run-folder.js";
import { train } from "../../src/train/run/trainer.js";
import { trainOptions } from "../../src/train/run-options.js";
import { describeClasses } from "../class-text.js";
import { type CommandContext, defineCommand } from "../command.js";
import { metricsOptions, serveMetrics } from "../metrics.js";
import { openData } from "../open-data.js";
import { runProfileOptions } from "../options/profile-options.js";
import { formatBytes, formatDuration, formatShare } from "../options/quantity.js";
import { measureLimits } from "../profile/feeding.js";
import { RunProfile, writePage } from "../profile/output.js";
import { describeProfile } from "../profile/text.js";
import { feedingOf, profileSteps } from "../profile/train/measure.js";
import { ProgressLine } from "../progress-line.js";
import { renderTraining } from "../report/training.js";

const commandOptions = optionTable({
  ...trainOptions,
  ...runProfileOptions,
  html: {
    kind: text,
    describe: "Write a page with the run's curves; with `profile`, where its time went",
    group: "Profile",
  },
  ...metricsOptions("Serve Prometheus metrics on this port"),
});

type CommandOptions = Given<typeof commandOptions>;

export const trainCommand = defineCommand({
  options: commandOptions,
  examples: [
    ["$0 train shards --network late-concat-rfa-thinner --val val-shards --out run1", ""],
    ["mpirun -n 8 $0 train shards --network resnet50-rgb --batch-size 512 --out run1", ""],
  ],
  run: async (options, context) => {
    resolveTrainOptions(options); // what cannot be is reported before the ranks meet
    const collective = await openCollective();
    try {
      const profiling = RunProfile.of(options, options.profile === true);
      const report = await runTraining(options, profiling, collective, context);
      await collective.close();
      if (collective.rank > 0) return { result: undefined, text: "" };
      const profiled = await profiling?.finish(options, context.log, async (measured) => {
        const manifest = await openData(options.manifest, options.cache, context);
        const settings = resolveTrainOptions(options);
        const { batchSize } = settings;
        const limits = await measureLimits(manifest);
        return profileSteps(feedingOf(manifest, settings), limits, measured, profiling.recording, { batchSize });
      });
      await writePage(options, context.log, async () => {
        const history = await readText(joinUrl(options.out, historyName));
        return renderTraining(report, parseHistory(history ?? ""), profiled);
      });
      if (profiled === undefined) return { result: report, text: describe(report) };
      const { profile } = profiled;
      return { result: { ...report, profile }, text: `${describe(report)}\n\n${describeProfile(profile)}` };
    } catch (error) {
      const { code } = asToolkitError(error);
      if (code === "INTERRUPTED") await collective.close();
      // The others wait for this rank's part of a sum; that it is gone is all they would ever learn.
      else if (collective.size > 1) {
        context.log(`rank ${collective.rank} of ${collective.size} has failed and ends the others`);
        context.onFailure(() => collective.abort());
      }
      throw error;
    }
  },
});

async function runTraining(
  options: CommandOptions,
  profiling: RunProfile | undefined,
  collective: Collective,
  context: CommandContext,
): Promise<TrainReport> {
  const metrics = collective.rank > 0 ? undefined : await serveMetrics(options, context);
  const line = new ProgressLine(context);
  const isDue = everySeconds(indexingSeconds);
  // Ranks stop together: none may be gone while another saves what they have.
  const alone = collective.size === 1;
  if (!alone) context.keepWorkSafe(true);
  try {
    return await train(
      {
        ...given(trainOptions, options),
        recorder: profiling?.recording,
        signal: context.signal,
        toConfigFile: context.configFile,
        onCounters: (counters) => {
          metrics?.watch(counters);
          profiling?.watch(counters);
        },
        onIndexing: (progress) => line.show(describeIndexing(progress), isDue()),
        onStart: (start) => line.say(describeStart(start, context.configFile(start.config))),
        onStep: (step) => {
          if (alone) context.keepWorkSafe(true);
          line.show(describeStep(step), isShown(step));
          metrics?.step(step);
        },
        onEpoch: (epoch) => {
          line.say(describeEpoch(epoch));
          metrics?.epoch(epoch);
        },
        onCheckpoint: ({ step, checkpoint }) => {
          if (alone) context.keepWorkSafe(false);
          line.say(`checkpoint after step ${step}: ${checkpoint}`);
        },
        onWarning: (warning) => line.say(`warning: ${warning.describe()}`),
      },
      collective,
    );
  } finally {
    context.keepWorkSafe(false);
    line.end();
    await metrics?.close();
  }
}

/** Where there is no terminal: a line of progress now and then. */
const indexingSeconds = 10;

/** True the first time, and then once in so many seconds. */
function everySeconds(seconds: number): () => boolean {
  let next = 0;
  return () => {
    if (performance.now() < next) return false;
    next = performance.now() + 1000 * seconds;
    return true;
  };
}

function describeIndexing({ bytesRead, totalBytes, samples, failed }: PreprocessProgress): string {
  return `indexing: ${formatShare(bytesRead / Math.max(1, totalBytes))}, ${samples} samples, ${failed} failed`;
}

/** Where there is no terminal: every step of the first ten, then about fifty lines a run. */
function isShown({ step, steps }: StepReport): boolean {
  return step <= 10 || step % Math.max(1, Math.round(steps / 50)) === 0 || step === steps;
}

function describeStart(start: RunStart, named: Readonly<Record<string, unknown>>): string {
  const { resumedAt, worldSize, device, leftOut, classes, classesSeen, valClasses } = start;
  const settings = Object.entries(named).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [
    `settings: ${settings.join(" ")}`,
    `device: ${device}${worldSize > 1 ? `, ${worldSize} ranks` : ""}`,
    `classes: ${classes}${classesSeen < classes ? `, of which only ${classesSeen} occur` : ""}`,
    ...(valClasses === undefined
      ? []
      : describeClasses("the training set", valClasses).map((line) => `validation ${line}`)),
    ...(leftOut > 0 ? [`every epoch leaves out ${leftOut} samples, less than a batch; --no-drop-last keeps them`] : []),
    ...(resumedAt > 0 ? [`resuming after step ${resumedAt}`] : []),
  ].join("\n");
}

const percent = (share: number | undefined) => (share === undefined ? "-" : formatShare(share));

function describeStep(report: StepReport): string {
  const { step, steps, epoch, epochs, loss, top1, learningRate, imagesPerSecond, inputStallFraction } = report;
  return [
    `epoch ${epoch + 1}/${Math.ceil(epochs)}  step ${step}/${steps}`,
    `loss ${loss.toFixed(4)}  top-1 ${percent(top1)}`,
    `lr ${learningRate.toPrecision(3)}  ${imagesPerSecond.toFixed(1)} images/s`,
    `input stall ${percent(inputStallFraction)}`,
    `${formatDuration(report.secondsLeft)} left`,
  ].join("  ");
}

function describeEpoch({ epoch, epochs, loss, top1, valTop1, valTop5, valLoss, seconds }: EpochReport): string {
  const validation =
    valTop1 === undefined
      ? ""
      : `, validation top-1 ${percent(valTop1)}, top-5 ${percent(valTop5)}, loss ${valLoss?.toFixed(4)}`;
  return `epoch ${epoch}/${Math.ceil(epochs)}: loss ${loss.toFixed(4)}, top-1 ${percent(top1)}${validation}; ${formatDuration(seconds)}`;
}

function describeTraffic(report: TrainReport): string[] {
  const { storage, cache } = report;
  const lines: string[] = [];
  const skipped = Object.entries(report.skipped).map(([code, count]) => `${count} ${code}`);
  if (skipped.length > 0) lines.push(`skipped     ${skipped.join(", ")}`);
  if (storage.requests > 0)
    lines.push(
      `storage     ${storage.requests} requests, ${formatBytes(storage.bytesRead)} read, ${storage.retries} retries`,
    );
  if (cache !== undefined)
    lines.push(
      `cache       ${cache.hits} hits, ${cache.misses} misses, ${cache.filled} filled, ${cache.evicted} evicted`,
    );
  return lines;
}

function describe(report: TrainReport): string {
  const { best } = report;
  return [
    report.alreadyDone
      ? `nothing to do: this run has ended after ${report.steps} steps (${report.epochs} epochs)`
      : `${report.network}: ${report.steps} steps (${report.epochs} epochs) in ${formatDuration(report.seconds)}, ${(report.parameters / 1e6).toFixed(2)} M parameters`,
    `device      ${report.device}${report.worldSize > 1 ? `, ${report.worldSize} ranks` : ""}`,
    `loss        ${report.firstLoss.toFixed(4)} -> ${report.loss.toFixed(4)}`,
    `validation  top-1 ${percent(report.valTop1)}, top-5 ${percent(report.valTop5)}${best === undefined ? "" : `; best ${percent(best.valTop1)} after epoch ${best.epoch}`}`,
    `speed       ${report.imagesPerSecond} images/s, ${percent(report.inputStallFraction)} of the time waiting for input`,
    `tensors     ${report.tensors.afterFirstStep} after the first step, ${report.tensors.afterLastStep} after the last`,
    ...describeTraffic(report),
    `checkpoint  ${report.checkpoint}`,
  ].join("\n");
}
