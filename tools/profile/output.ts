// Where a finished profile goes: stdout, a page, a trace.
import { putObject } from "../../src/storage/store.js";
import { argument, type CommandContext, type CommandResult } from "../command.js";
import { renderProfile } from "../report/profile.js";
import type { Profiled } from "./read.js";
import type { SweepRun } from "./stage.js";
import { describeProfile } from "./text.js";

/** Writes what --html and --trace ask for. */
export async function finishProfile(
  { profile, recording }: Profiled,
  sweep: readonly SweepRun[],
  args: Record<string, unknown>,
  { log }: CommandContext,
): Promise<CommandResult> {
  const result = sweep.length === 0 ? profile : { ...profile, sweep };
  const html = argument<string | undefined>(args, "html");
  const trace = argument<string | undefined>(args, "trace");
  if (trace !== undefined) {
    await putObject(trace, recording.toTrace());
    log(`trace: ${trace}; open it in chrome://tracing or ui.perfetto.dev`);
  }
  if (html !== undefined) {
    await putObject(html, renderProfile(result, recording));
    log(`page: ${html}`);
  }
  return { result, text: describeProfile(result) };
}
