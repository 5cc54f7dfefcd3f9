// A process that reads data sets as a user would, one after another: verify, inspect, export, and an epoch of a loader.
// What it is asked comes by messages, and what came of it goes back; whoever asks watches its time.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { exportImages } from "../../src/pipeline/export.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import { inspect } from "../../src/shards/inspect.js";
import { verify } from "../../src/shards/verify.js";

export interface MutationAnswer {
  readonly steps: Readonly<Record<string, string>>;
  /** SHA-256 of every exported file. */
  readonly exported: readonly string[];
  /** What is in the case's folder beside what was put there. */
  readonly strange: readonly string[];
  readonly peakMB: number;
}

/** "ok", or the code of what was thrown; a raw error with its stack. */
async function outcomeOf(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    const { name, code, message, stack } = error as { name?: string; code?: string; message?: string; stack?: string };
    return name === "ToolkitError" && code !== "INTERNAL" ? `${code}` : `RAW ${code} ${message} ${stack}`;
  }
}

async function readAll(folder: string): Promise<MutationAnswer> {
  const out = path.join(folder, "out", "files");
  mkdirSync(path.dirname(out));
  const data = path.join(folder, "data");
  const steps: Record<string, string> = {
    verify: await outcomeOf(async () => {
      const codes = new Set((await verify(data)).corrupt.map(({ code }) => code));
      return codes.size === 0 ? "ok" : [...codes].join(" ");
    }),
    inspect: await outcomeOf(async () => ((await inspect(data)).samples > 0 ? "ok" : "nothing")),
    "inspect of a shard": await outcomeOf(async () => {
      await inspect(path.join(data, "shard-00000-00000.arrow"));
      return "ok";
    }),
    export: await outcomeOf(async () =>
      (await exportImages({ manifest: data, out })).refused === 0 ? "ok" : "refused",
    ),
    loader: await outcomeOf(() => readEpoch(data)),
  };
  const files = existsSync(out) ? readdirSync(out, { recursive: true, withFileTypes: true }) : [];
  const exported = files
    .filter((entry) => entry.isFile())
    .map((entry) =>
      createHash("sha256")
        .update(readFileSync(path.join(entry.parentPath, entry.name)))
        .digest("hex"),
    );
  const strange = [
    ...readdirSync(folder).filter((name) => name !== "data" && name !== "out"),
    ...readdirSync(path.dirname(out)).filter((name) => name !== "files"),
  ];
  return { steps, exported, strange, peakMB: process.resourceUsage().maxRSS / 1024 };
}

async function readEpoch(manifest: string): Promise<string> {
  const view = { kind: "dct", size: 32, augment: "none" } as const;
  await using loader = await Loader.open(manifest, {
    view,
    batchSize: 4,
    workers: 1,
    dropLast: false,
    onBadSample: "skip",
  });
  for await (const batch of loader.epoch(0)) batch.release();
  return Object.keys(loader.skipped).length === 0 ? "ok" : Object.keys(loader.skipped).join(" ");
}

process.on("message", (folder: string) => void readAll(folder).then((answer) => process.send?.(answer)));
