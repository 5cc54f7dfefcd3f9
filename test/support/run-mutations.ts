// Runs mutated data sets through a process that reads them, and judges what comes of it: within its time and memory,
// right or an error that says what is wrong with the data, and nothing outside the folder.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { makeDataset, makeIndex } from "./dataset.js";
import type { MutationAnswer } from "./mutation-child.js";
import { mutate } from "./mutations.js";

/** What may be said of data that is not as it should be. */
const dataCodes = new Set([
  ...["BAD_MANIFEST", "UNSUPPORTED_MANIFEST_VERSION", "CORRUPT_SHARD", "CORRUPT_INDEX", "CORRUPT_RECORD"],
  ...["CHECKSUM_MISMATCH", "MISSING_SHARD", "MISSING_SIDECAR", "NOT_FOUND", "CANNOT_REBUILD", "TOO_MANY_PIXELS"],
  // Of a rebuilt or kept file that is another; and of files shorter than a manifest says.
  ...["BAD_LABEL", "BAD_CLASSES", "BAD_JPEG", "NOT_A_JPEG", "UNSUPPORTED_JPEG", "IO_ERROR", "ok", "refused"],
  // Of sources that a manifest names.
  ...["SOURCE_CHANGED", "ENDPOINT_UNREACHABLE", "UNSUPPORTED_URL"],
]);

/** CPU time of the process, by the system's own count: a machine under load is slow, but it does not count. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const limits = { cpuSeconds: 30, wallMs: 600_000, peakMB: 500 };

/** Bounds a case: by the time that it computes where the system tells, and generously by the clock. */
class Child {
  private process: ChildProcess | undefined;

  ask(folder: string): Promise<MutationAnswer> {
    this.process ??= fork(fileURLToPath(new URL("./mutation-child.js", import.meta.url)), { stdio: "inherit" });
    const child = this.process;
    const pid = child.pid as number;
    const counts = process.platform === "linux";
    const began = counts ? cpuSecondsOf(pid) : 0;
    const started = Date.now();
    return new Promise((resolve, reject) => {
      const watch = setInterval(() => {
        const busy = counts && child.exitCode === null ? cpuSecondsOf(pid) - began : 0;
        if (busy > limits.cpuSeconds || Date.now() - started > limits.wallMs)
          end(new Error(`it hangs: ${busy} s of CPU`));
      }, 500);
      const end = (result: MutationAnswer | Error) => {
        clearInterval(watch);
        child.removeAllListeners();
        if (!(result instanceof Error)) return resolve(result);
        child.kill("SIGKILL");
        this.process = undefined;
        reject(result);
      };
      child.once("message", (answer) => end(answer as MutationAnswer));
      child.once("exit", (code, signal) => end(new Error(`it ended: ${code ?? signal}`)));
      child.send(folder);
    });
  }

  close(): void {
    this.process?.removeAllListeners();
    this.process?.kill("SIGKILL");
    this.process = undefined;
  }
}

/** Fails with every case that was not answered as it should be; the seed and the number make it again. */
export async function runMutations(
  folder: string,
  count: number,
  seed: number,
): Promise<Readonly<Record<string, number>>> {
  const bases = await Promise.all(
    (["zstd", "none", "index"] as const).map(async (kind) => {
      const home = path.join(folder, kind);
      mkdirSync(home);
      const { manifest, entries } = await (kind === "index"
        ? makeIndex(home, 16)
        : makeDataset(home, 16, { codec: kind }));
      const originals = entries.filter(([name]) => name.endsWith(".jpg")).map(([, content]) => content);
      return { data: path.dirname(manifest), originals: new Set(originals.map(sha256)) };
    }),
  );
  const child = new Child();
  const findings: string[] = [];
  const outcomes: Record<string, number> = {};
  try {
    for (let number = 0; number < count; number++) {
      const { data, originals } = bases[number % bases.length] as (typeof bases)[number];
      const place = path.join(folder, "case");
      mkdirSync(place);
      cpSync(data, path.join(place, "data"), { recursive: true });
      const done = mutate(path.join(place, "data"), seed, number);
      const problem = await child.ask(place).then(
        (answer) => judge(answer, originals, outcomes),
        (error: Error) => error.message,
      );
      if (problem !== undefined) findings.push(`case ${number} of seed ${seed} (${done}): ${problem}`);
      rmSync(place, { recursive: true, force: true });
      // Memory is measured over a process's life.
      if (number % 100 === 99) child.close();
    }
  } finally {
    child.close(); // left open, it would keep this process
  }
  assert.deepEqual(findings, []);
  return outcomes;
}

function judge(
  answer: MutationAnswer,
  originals: ReadonlySet<string>,
  outcomes: Record<string, number>,
): string | undefined {
  const { steps, exported, strange, peakMB } = answer;
  for (const [step, outcome] of Object.entries(steps)) {
    const key = `${step}: ${outcome.slice(0, 40)}`;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
    if (!outcome.split(" ").every((code) => dataCodes.has(code))) return `${step}: ${outcome}`;
  }
  if (peakMB > limits.peakMB) return `${Math.round(peakMB)} MB`;
  if (strange.length > 0) return `it wrote ${strange.join(", ")}`;
  if (steps["verify"] !== "ok") return undefined;
  if (steps["export"] !== "ok") return `verify is content, export says ${steps["export"]}`;
  if (steps["loader"] !== "ok") return `verify is content, the loader says ${steps["loader"]}`;
  return exported.every((file) => originals.has(file))
    ? undefined
    : "verify is content with files that are not the originals";
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
