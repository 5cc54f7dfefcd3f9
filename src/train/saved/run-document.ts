// run.json: what a training run is and which checkpoints of it stand.
import { z } from "zod";
import { checkDocument, parseJson } from "../../shards/document.js";
import { readText } from "../../storage/objects.js";
import { joinUrl } from "../../storage/url.js";
import { runDataSchema } from "../run/run-data.js";

export const runName = "run.json";
export const checkpointsName = "checkpoints";

const entrySchema = z.object({
  step: z.number().int().nonnegative(),
  /** Epochs done. */
  epoch: z.number().nonnegative(),
  valTop1: z.number().optional(),
});

const runSchema = z.object({
  format: z.literal("dctstream-run"),
  version: z.literal(1),
  config: z.record(z.string(), z.unknown()),
  /** What it trains and validates on; left out by earlier versions. */
  data: runDataSchema.optional(),
  val: runDataSchema.optional(),
  /** The checkpoints, oldest first; the run resumes from the last. */
  checkpoints: z.array(entrySchema),
  /** The checkpoint with the highest validation accuracy, those that are gone among them. */
  best: entrySchema.optional(),
  /** What the run reported when it had ended. */
  report: z.record(z.string(), z.unknown()).optional(),
});

export type RunDocument = z.infer<typeof runSchema>;
export type CheckpointEntry = z.infer<typeof entrySchema>;

/** Undefined when the folder holds no run. BAD_CHECKPOINT when its run.json cannot be read. */
export async function readRun(folder: string): Promise<RunDocument | undefined> {
  const file = joinUrl(folder, runName);
  const text = await readText(file);
  if (text === undefined) return undefined;
  return checkDocument(runSchema, parseJson(text, file, "BAD_CHECKPOINT"), file, "BAD_CHECKPOINT");
}

/** Where the checkpoint after a step lies. */
export function checkpointFolder(run: string, step: number): string {
  return joinUrl(joinUrl(run, checkpointsName), String(step).padStart(8, "0"));
}
