// The epoch's order, cut into the batches of one rank.
import type { GroupOrder } from "../../shards/plan/groups.js";
import type { EpochPlan } from "../../shards/plan.js";

/** Which of the ranks of a training run this is, and what a step holds. */
export interface BatchShape {
  /** Samples of a step, of all ranks together. */
  readonly globalBatch: number;
  readonly rank: number;
  readonly worldSize: number;
  /** Leave out the last, incomplete step of an epoch; otherwise its missing rows are padding. */
  readonly dropLast: boolean;
}

/** Samples of one rank's part of a step, in order; fewer than its rows in the last step only. */
export interface BatchPlan {
  readonly step: number;
  readonly source: Uint16Array;
  readonly sample: Uint32Array;
  readonly pass: Uint16Array;
  /** The group each sample belongs to, and the span it is read with. */
  readonly group: Uint32Array;
  readonly span: Uint32Array;
}

export const localBatch = ({ globalBatch, worldSize }: BatchShape) => globalBatch / worldSize;

/** Steps of an epoch: the same for every rank. */
export function stepsOf(samples: number, { globalBatch, dropLast }: BatchShape): number {
  return dropLast ? Math.floor(samples / globalBatch) : Math.ceil(samples / globalBatch);
}

/** Every rank takes the slice [rank * n, (rank + 1) * n) of each step. */
export function* planBatches(plan: EpochPlan, shape: BatchShape, fromStep = 0): Generator<BatchPlan> {
  const size = localBatch(shape);
  let current: { readonly number: number; readonly order: GroupOrder } | undefined;
  for (let step = fromStep; step < stepsOf(plan.length, shape); step++) {
    const first = step * shape.globalBatch + shape.rank * size;
    const count = Math.max(0, Math.min(size, plan.length - first));
    const batch: BatchPlan = {
      step,
      source: new Uint16Array(count),
      sample: new Uint32Array(count),
      pass: new Uint16Array(count),
      group: new Uint32Array(count),
      span: new Uint32Array(count),
    };
    for (let i = 0; i < count; i++) {
      const position = first + i;
      if (current === undefined || position >= current.order.start + current.order.length) {
        const number = plan.groupOf(position);
        current = { number, order: plan.group(number) };
      }
      const { source, sample, pass, span } = current.order.at(position - current.order.start);
      batch.source[i] = source;
      batch.sample[i] = sample;
      batch.pass[i] = pass;
      batch.group[i] = current.number;
      batch.span[i] = span;
    }
    yield batch;
  }
}

/** The samples of a group that fall to a rank, within the steps from `fromStep` on. */
export function visitOwn(
  plan: EpochPlan,
  shape: BatchShape,
  group: number,
  fromStep: number,
  visit: (planned: ReturnType<GroupOrder["at"]>) => void,
): void {
  const order = plan.group(group);
  const size = localBatch(shape);
  const end = stepsOf(plan.length, shape) * shape.globalBatch;
  for (let i = 0; i < order.length; i++) {
    const position = order.start + i;
    const inStep = position % shape.globalBatch;
    if (position < fromStep * shape.globalBatch || position >= end) continue;
    if (inStep < shape.rank * size || inStep >= (shape.rank + 1) * size) continue;
    visit(order.at(i));
  }
}
