// Where a finished profile goes: stdout, a page, a trace.
import type { PipelineCounters } from "../../src/pipeline/stage-clock.js";
import { putObject } from "../../src/storage/objects.js";
import type { CommandContext, CommandResult } from "../command.js";
import type { ProfileFiles } from "../options/profile-options.js";
import { type Measured, startMeasuring } from "./measure.js";
import { renderProfile } from "./page.js";
import type { Profiled } from "./profiled.js";
import { Recording } from "./recording.js";
import type { SweepRun } from "./stage.js";
import { describeProfile } from "./text.js";

/** Writes what --html and --trace ask for. */
export async function finishProfile(
  { profile, recording }: Profiled,
  sweep: readonly SweepRun[],
  files: ProfileFiles,
  { log }: CommandContext,
): Promise<CommandResult> {
  const result = sweep.length === 0 ? profile : { ...profile, sweep };
  await writeTrace(recording, files, log);
  await writePage(files, log, () => renderProfile(result, recording));
  return { result, text: describeProfile(result) };
}

export async function writeTrace(
  recording: Recording,
  { trace }: ProfileFiles,
  log: CommandContext["log"],
): Promise<void> {
  if (trace === undefined) return;
  await putObject(trace, recording.toTrace());
  log(`trace: ${trace}; open it in chrome://tracing or ui.perfetto.dev`);
}

/** Where --html says. */
export async function writePage(
  { html }: ProfileFiles,
  log: CommandContext["log"],
  render: () => string | Promise<string>,
): Promise<void> {
  if (html === undefined) return;
  await putObject(html, await render());
  log(`page: ${html}`);
}

/**
 * What a command with --profile needs while it works: nothing, unless a profile, a page of it or a trace was asked for.
 */
export class RunProfile {
  readonly recording = new Recording();
  private stop: (() => Measured) | undefined;
  private waiting: NodeJS.Timeout | undefined;

  private constructor(private readonly told: boolean) {}

  /** `told`: a profile is wanted, and not only the trace that --trace asks for. */
  static of({ trace }: ProfileFiles, told: boolean): RunProfile | undefined {
    return told || trace !== undefined ? new RunProfile(told) : undefined;
  }

  /** Measures from the first result on: what starting up takes of the processor is none of the stages'. */
  watch(counters: () => PipelineCounters): void {
    const look = () => {
      if (counters().elapsedMs <= 0) return;
      clearInterval(this.waiting);
      this.stop ??= startMeasuring(counters);
    };
    this.waiting = setInterval(look, 5).unref();
  }

  /** Writes the trace, and makes the profile where one is wanted; undefined where nothing was done. */
  async finish(
    files: ProfileFiles,
    log: CommandContext["log"],
    make: (measured: Measured) => Promise<Profiled>,
  ): Promise<Profiled | undefined> {
    clearInterval(this.waiting);
    const measured = this.stop?.();
    if (measured === undefined || measured.counters.elapsedMs <= 0) return undefined;
    await writeTrace(this.recording, files, log);
    return this.told ? make(measured) : undefined;
  }
}
