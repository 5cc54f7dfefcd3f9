// Programs on several ranks, through the real mpirun.
import { spawn } from "node:child_process";
import path from "node:path";
import type { Outcome } from "./command-line.js";
import { projectRoot } from "./files.js";

export interface MpiOptions {
  readonly env?: Record<string, string>;
  /** More options of mpirun. */
  readonly launcher?: readonly string[];
  /** A command that mpirun itself is run by. */
  readonly enter?: readonly string[];
  /** Called with all of stderr whenever more of it comes. */
  readonly onStderr?: (text: string) => void;
}

/** Runs `node FILE ARGS..` on so many ranks of this machine. */
export function mpirun(
  ranks: number,
  file: string,
  args: readonly string[],
  options: MpiOptions = {},
): Promise<Outcome> {
  // Containers run as root, and tests on fewer cores than ranks.
  const allowed = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1", TF_NUM_INTRAOP_THREADS: "1" };
  const launcher = [
    "-n",
    String(ranks),
    "--oversubscribe",
    "-x",
    "TF_NUM_INTRAOP_THREADS",
    ...(options.launcher ?? []),
  ];
  const program = [process.execPath, path.join(projectRoot, "dist", file), ...args];
  return new Promise((resolve, reject) => {
    const [command = "mpirun", ...words] = [...(options.enter ?? []), "mpirun", ...launcher, ...program];
    const child = spawn(command, words, { env: { ...process.env, ...allowed, ...options.env } });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
      options.onStderr?.(stderr);
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}
