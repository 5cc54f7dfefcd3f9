// Where a loader stands, as one small JSON object: with the same data and options, another loader resumes from there
// exactly.
import { z } from "zod";
import { ToolkitError } from "../../errors.js";
import { checkDocument } from "../../shards/document.js";

const format = "dctstream-loader-state";

/**
 * Which order an epoch has for the same data, seed and options: a step of one order means nothing in another. 1: spans
 * were cut by record batches and stored bytes. 2: by the sources' samples and bytes.
 */
const orderVersion = 2;

const stateSchema = z.object({
  format: z.literal(format),
  version: z.literal(orderVersion),
  /** The next step to be made. */
  epoch: z.number().int().nonnegative(),
  step: z.number().int().nonnegative(),
  /** What decides the order, and so must be the same: the number of ranks and workers does not. */
  order: z.object({
    seed: z.number(),
    globalBatch: z.number().int().positive(),
    shuffle: z.boolean(),
    dropLast: z.boolean(),
    shuffleBytes: z.number().positive(),
    /** A fingerprint of the sources' samples, selections and repeats. */
    data: z.string(),
  }),
});

/** Where a loader stands, as a small JSON object: epoch, next step, and what decides the order. */
export type LoaderState = z.infer<typeof stateSchema>;
export type OrderState = LoaderState["order"];

export function makeState(epoch: number, step: number, order: OrderState): LoaderState {
  return { format, version: orderVersion, epoch, step, order };
}

/**
 * Parses a saved state. Throws BAD_STATE when it is not one, STATE_MISMATCH, naming what differs, when it belongs to
 * another order.
 */
export function checkState(value: unknown, order: OrderState): LoaderState {
  checkOrderVersion(value);
  const state = checkDocument(stateSchema, value, "loader state", "BAD_STATE");
  for (const name of Object.keys(order) as (keyof OrderState)[]) {
    if (state.order[name] === order[name]) continue;
    const [was, is] = [JSON.stringify(state.order[name]), JSON.stringify(order[name])];
    throw new ToolkitError("STATE_MISMATCH", `the state was saved with ${name} ${was}, now it is ${is}`);
  }
  return state;
}

/** First of all: a state of another version may have other fields, and is not damaged. */
function checkOrderVersion(value: unknown): void {
  const { format: found, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (found !== format || typeof version !== "number" || version === orderVersion) return;
  const when = version < orderVersion ? "an earlier" : "a later";
  throw new ToolkitError(
    "STATE_MISMATCH",
    `the state was saved by ${when} version of dctstream, in which an epoch has another order (${version}, here it is ${orderVersion}): only such a version can continue there`,
  );
}
