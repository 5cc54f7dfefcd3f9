// The command line as a user runs it.
import { spawn } from "node:child_process";
import path from "node:path";
import { projectRoot } from "./files.js";

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line; `interruptOn` presses Ctrl-C when stderr says so, `interruptWhen` when it resolves. */
export function dctstream(
  args: readonly string[],
  options: { env?: Record<string, string>; interruptOn?: RegExp; interruptWhen?: Promise<unknown> } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(projectRoot, "dist", "tools", "dctstream.js"), ...args], {
      env: { ...process.env, ...options.env },
    });
    let [stdout, stderr] = ["", ""];
    let interrupted = false;
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      if (interrupted || !options.interruptOn?.test(stderr)) return;
      interrupted = child.kill("SIGINT");
    });
    options.interruptWhen?.then(() => child.kill("SIGINT"), reject);
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

export const lastJson = ({ stdout }: Outcome) =>
  JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
